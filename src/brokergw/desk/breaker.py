"""Whether a broker can be counted on: a breaker that opens when it fails again and again, and tries it now and then.

Questions and orders are counted apart: a broker may answer every question and still leave every order without an
answer. What a broker refuses, and a budget that is spent, are answers and no failures; so is an order without an answer
that is found at the broker afterwards.
"""

from dataclasses import dataclass
from enum import Enum, auto, unique
from typing import Final

from brokergw.ports.clock import Clock

FAILURES_MAX: Final = 5
"""So many failures in a row of one kind open the breaker."""

OPEN_S: Final = 5.0
"""How long it stays open before one order may try the broker; each failed try opens it as long again."""

_PROBE_S: Final = 5.0


@unique
class Contact(Enum):
    """The kinds of contact with a broker that are counted."""

    QUESTION = auto()
    ORDER = auto()


@dataclass(slots=True)
class _Count:
    failures: int = 0
    open_until: float | None = None
    probe_until: float = 0.0


class Breaker:
    """Counts what one connection's broker answers."""

    __slots__ = ("_clock", "_counts", "_quiet")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts = {contact: _Count() for contact in Contact}
        self._quiet = True

    def succeeded(self, contact: Contact) -> None:
        """Count an answer: nothing of before matters any more."""
        if self._quiet:
            return
        self._counts[contact] = _Count()
        self._quiet = all(not count.failures for count in self._counts.values())

    def failed(self, contact: Contact) -> None:
        """Count a failure; the last of a row opens the breaker, and so does each failed try after that."""
        count = self._counts[contact]
        count.failures += 1
        count.probe_until = 0.0
        if count.failures >= FAILURES_MAX:
            count.open_until = self._clock.monotonic() + OPEN_S
        self._quiet = False

    def wait_s(self) -> float:
        """Tell how long an order must wait, 0 for one that may pass: any while it is closed, one to try it out.

        Whoever is let through to try must tell how it went; if nobody does within five seconds, another may try.
        """
        if self._quiet:
            return 0.0
        now = self._clock.monotonic()
        shut = [count for count in self._counts.values() if count.open_until is not None]
        waits = [max(count.open_until or 0.0, count.probe_until) - now for count in shut]
        if any(wait > 0 for wait in waits):
            return max(waits)
        for count in shut:
            count.probe_until = now + _PROBE_S
        return 0.0
