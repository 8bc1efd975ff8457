"""What ails a connection: found in what the broker answers, and over with the next good answer of the same kind.

Several things can be wrong at once. Shown is what needs a person; else the first of where it was noticed.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from brokergw.model.account import ConnectionHealth
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.remedy import Remedy, health_of, in_words, remedy_of

WAIT_SHOWN_S: Final = 5.0
"""A spent budget is shown from this wait on: what is over sooner would only make the card flicker."""

_S: Final = 1_000_000_000
_SAME_NS: Final = 2 * _S
"""Two moments within so much are one: each answer counts the time that is left anew."""


@dataclass(frozen=True, slots=True)
class Ailment:
    """One thing that is wrong: why, what helps, and when it is over, where that is known."""

    why: str
    remedy: Remedy
    until_ns: int | None = None

    @property
    def health(self) -> ConnectionHealth:
        """How a connection fares that has it."""
        return health_of(self.remedy)

    @property
    def needs_a_person(self) -> bool:
        """Whether nothing works until the connection's user has acted."""
        return self.health is ConnectionHealth.REAUTHORIZATION_REQUIRED

    @property
    def words(self) -> str:
        """What is wrong and what helps, for a person."""
        return in_words(self.why, self.remedy, self.until_ns)


def ailment_of(error: GatewayError, now_ns: int, before: Ailment | None = None) -> Ailment | None:
    """Read what ails a connection from a question that failed.

    What was known `before` stands where that tells nothing worth showing, and where it tells the same with the
    remaining time rounded otherwise.
    """
    remedy = remedy_of(error)
    if remedy is None:
        return before
    wait_s = error.retry_after_s
    if error.reason is Reason.BROKER_RATE_LIMITED and (wait_s or 0.0) < WAIT_SHOWN_S:
        return before
    why = "the broker takes no more requests" if error.reason is Reason.BROKER_RATE_LIMITED else error.message
    found = Ailment(why, remedy, None if wait_s is None else now_ns + round(wait_s * _S))
    return before if before is not None and _is_same(before, found) else found


def lost_stream(why: str) -> Ailment:
    """Say that the stream is lost."""
    return Ailment(f"the stream of orders is lost ({why})", Remedy.WAIT)


def skewed_clock(apart_max_s: float) -> Ailment:
    """Say that clocks are too far apart for orders; how far is not said, since each look finds another figure."""
    why = f"the gateway's clock and the broker's are more than {apart_max_s:g} s apart, so that no order is sent"
    return Ailment(why, Remedy.SET_CLOCK)


def _is_same(one: Ailment, other: Ailment) -> bool:
    if one.until_ns is None or other.until_ns is None:
        return one == other
    return replace(one, until_ns=other.until_ns) == other and abs(one.until_ns - other.until_ns) <= _SAME_NS


class Source(Enum):
    """Where something was noticed: an authorization, a clock, an answer to a question, or the stream of orders."""

    GRANT = auto()
    CLOCK = auto()
    QUESTION = auto()
    STREAM = auto()


class Ailments:
    """What is wrong with one connection at the moment."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[Source, Ailment] = {}

    def __getitem__(self, source: Source) -> Ailment | None:
        return self._found.get(source)

    def put(self, source: Source, ailment: Ailment | None) -> bool:
        """Note what is wrong there now, None for nothing; tells whether anything has changed by that."""
        before = self._found.pop(source, None)
        if ailment is not None:
            self._found[source] = ailment
        return ailment != before

    def clear(self) -> None:
        """Forget everything: the connection begins anew."""
        self._found.clear()

    @property
    def shown(self) -> Ailment | None:
        """What is to be shown of it."""
        found = [each for source in Source if (each := self._found.get(source)) is not None]
        return next((each for each in found if each.needs_a_person), found[0] if found else None)
