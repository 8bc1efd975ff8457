"""The life of an order as one table: states, what the wire calls them, and which may follow which.

Two rules. All legal moves stand here and nowhere else. And no state is left on a guess: a broker's silence leads
to IN_DOUBT, which only evidence from the broker ends.
"""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final


@unique
class State(StrEnum):
    """Where an order stands in the journal."""

    INTENT = "INTENT"
    SENDING = "SENDING"
    CONFIRM_PENDING = "CONFIRM_PENDING"
    IN_DOUBT = "IN_DOUBT"
    MANUAL = "MANUAL"
    ACKED = "ACKED"
    WORKING = "WORKING"
    TRIGGERED = "TRIGGERED"
    PARTIAL = "PARTIAL"
    PENDING_MODIFY = "PENDING_MODIFY"
    PENDING_CANCEL = "PENDING_CANCEL"
    SUSPENDED = "SUSPENDED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED_BY_BROKER = "REJECTED_BY_BROKER"
    DENIED = "DENIED"
    NOT_SENT = "NOT_SENT"
    RESOLVED_ABSENT = "RESOLVED_ABSENT"
    ABSENT = "ABSENT"


@dataclass(frozen=True, slots=True)
class StateFacts:
    """What one journal state means: its wire name, whether it ends the order, and the sentence for the docs."""

    wire: str
    terminal: bool
    meaning: str


STATES: Final = {
    State.INTENT: StateFacts("PENDING_SUBMIT", False, "Recorded; certainly not sent."),
    State.SENDING: StateFacts("SUBMITTED", False, "May have been sent; no answer yet."),
    State.CONFIRM_PENDING: StateFacts("PENDING_CONFIRMATION", False, "The broker asked a question; possibly live."),
    State.IN_DOUBT: StateFacts("IN_DOUBT", False, "Sent, outcome unknown; only evidence ends it."),
    State.RESOLVED_ABSENT: StateFacts("IN_DOUBT", False, "Proved absent at the broker; a late birth is waited for."),
    State.MANUAL: StateFacts("MANUAL_REVIEW", False, "Evidence is ambiguous; an operator decides, nothing else."),
    State.ACKED: StateFacts("ACCEPTED", False, "The broker has it; not working yet."),
    State.WORKING: StateFacts("WORKING", False, "Live at the venue."),
    State.TRIGGERED: StateFacts("TRIGGERED", False, "The stop fired."),
    State.PARTIAL: StateFacts("PARTIALLY_FILLED", False, "Partly filled, the rest is live."),
    State.PENDING_MODIFY: StateFacts("PENDING_MODIFY", False, "A change is on its way."),
    State.PENDING_CANCEL: StateFacts("PENDING_CANCEL", False, "A cancel is on its way."),
    State.SUSPENDED: StateFacts("SUSPENDED", False, "Held by the broker or the venue."),
    State.FILLED: StateFacts("FILLED", True, "Completely filled."),
    State.CANCELED: StateFacts("CANCELED", True, "Cancelled, perhaps after partial fills."),
    State.EXPIRED: StateFacts("EXPIRED", True, "Its time in force ended it."),
    State.REJECTED_BY_BROKER: StateFacts("REJECTED", True, "Definitively refused by the broker."),
    State.DENIED: StateFacts("DENIED", True, "Refused by a gate; nothing was sent."),
    State.NOT_SENT: StateFacts("NOT_PLACED", True, "Proved not sent; the same key may try it again."),
    State.ABSENT: StateFacts("NOT_PLACED", True, "Absent at the broker, and the wait for a late birth is over."),
}

_LIVE: Final = frozenset(
    {
        State.ACKED,
        State.WORKING,
        State.TRIGGERED,
        State.PARTIAL,
        State.PENDING_MODIFY,
        State.PENDING_CANCEL,
        State.SUSPENDED,
    }
)
ENDED_AT_BROKER: Final = frozenset({State.FILLED, State.CANCELED, State.EXPIRED, State.REJECTED_BY_BROKER})
"""The states in which the broker has told how the order ended."""

BROKER_TRUTH: Final = _LIVE | ENDED_AT_BROKER
"""The states that only the broker's own word leads to."""

UNRESOLVED: Final = frozenset({State.IN_DOUBT, State.RESOLVED_ABSENT, State.MANUAL})
"""The states in which nobody knows for good whether the broker has the order."""

EDGES: Final = {
    State.INTENT: frozenset({State.SENDING, State.NOT_SENT}),
    State.SENDING: BROKER_TRUTH | {State.CONFIRM_PENDING, State.IN_DOUBT, State.NOT_SENT},
    State.CONFIRM_PENDING: BROKER_TRUTH | {State.IN_DOUBT},
    State.IN_DOUBT: BROKER_TRUTH | {State.MANUAL, State.RESOLVED_ABSENT, State.ABSENT},
    # Born late, or not at all; what is born with other terms than ours needs a person.
    State.RESOLVED_ABSENT: BROKER_TRUTH | {State.MANUAL, State.ABSENT},
    State.MANUAL: BROKER_TRUTH | {State.ABSENT},
    **{live: BROKER_TRUTH | {State.IN_DOUBT} for live in _LIVE},
    # A change was made, and the broker does not say which order is the changed one.
    State.PENDING_MODIFY: BROKER_TRUTH | {State.IN_DOUBT, State.MANUAL},
    # A fill may overtake its own cancel; a bust may take one back: the order works again, or has ended short.
    State.FILLED: frozenset({State.FILLED, State.PARTIAL, State.WORKING, State.CANCELED, State.EXPIRED}),
    State.CANCELED: frozenset({State.CANCELED, State.FILLED}),
    State.EXPIRED: frozenset({State.EXPIRED, State.FILLED}),
    State.REJECTED_BY_BROKER: frozenset({State.FILLED, State.PARTIAL, State.CANCELED}),
    State.DENIED: frozenset[State](),
    State.NOT_SENT: frozenset({State.SENDING}),
    # However long the wait was: what the broker shows is true.
    State.ABSENT: BROKER_TRUTH,
}

OPEN: Final = frozenset(state for state, facts in STATES.items() if not facts.terminal)
"""The states in which an order still may trade."""

AT_BROKER: Final = _LIVE
"""The states in which the broker has confirmed the order and may still work it."""


def may_move(before: State, after: State) -> bool:
    """Tell whether an order may go from one state to another."""
    return after in EDGES[before]


def is_terminal(state: State) -> bool:
    """Tell whether a state ends the order (late fills and busts correct it by events)."""
    return STATES[state].terminal
