"""What the exit status of a verb means."""

from enum import IntEnum, unique
from typing import Final

from brokergw.client import NOT_REACHED, GatewayCallError


@unique
class Exit(IntEnum):
    """The exit statuses; scripts may rely on them."""

    OK = 0
    BUG = 1
    USAGE = 2
    REFUSED = 3
    UNKNOWN = 4
    UNREACHABLE = 5
    INTERRUPTED = 130


MEANINGS: Final = {
    Exit.OK: "done",
    Exit.BUG: "a bug, or a check of `doctor` failed",
    Exit.USAGE: "the command line or a setting is wrong; nothing was sent",
    Exit.REFUSED: "refused: nothing was placed or changed",
    Exit.UNKNOWN: "unknown, or only partly done: an order may exist; repeat with the same --idempotency-key",
    Exit.UNREACHABLE: "the gateway or its database cannot be reached, or does not take the API key",
    Exit.INTERRUPTED: "stopped by you before anything was asked to change",
}

_REFUSED_STATES: Final = frozenset({"REJECTED", "DENIED", "NOT_PLACED"})
_UNDECIDED_STATES: Final = frozenset(
    {"PENDING_SUBMIT", "SUBMITTED", "PENDING_CONFIRMATION", "IN_DOUBT", "MANUAL_REVIEW"}
)
_NOT_THERE: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
_BROKEN: Final = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})


def exit_of_failure(failure: GatewayCallError) -> Exit:
    """Tell how a call's failure ends the verb."""
    if failure.order_effect not in {"NONE", "EXISTS"}:
        return Exit.UNKNOWN
    if failure.reason == NOT_REACHED or failure.code.name == "UNAUTHENTICATED":
        return Exit.UNREACHABLE
    if failure.idempotency_key:
        return Exit.REFUSED
    if failure.code.name in _NOT_THERE:
        return Exit.UNREACHABLE
    return Exit.BUG if failure.code.name in _BROKEN else Exit.REFUSED


def exit_of_state(state: str) -> Exit:
    """Tell how the state of the order that a verb was about ends the verb."""
    if state in _REFUSED_STATES:
        return Exit.REFUSED
    return Exit.UNKNOWN if state in _UNDECIDED_STATES else Exit.OK
