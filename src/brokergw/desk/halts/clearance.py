"""The short right to send: who has not lately looked into the book of halts sends nothing.

Every look gives the right for half a second, counted from the moment at which the look began, so that whoever puts a
halt into the book knows when each process has seen it or can send no more. A process that was frozen, or cut off from
the database, finds its right expired. It is not given back by the first look alone: a switch that was thrown meanwhile,
and could not reach the book either, gets a second to do so.
"""

from collections.abc import Callable
from typing import Final

from brokergw.ports.halts import CLEARANCE_S

HELD_OFF_S: Final = 1.0
"""How long after an expiry the right is not given back."""


class Clearance:
    """This process's right to send.

    Without `expires` it never ends, as in a process that has the book to itself and so cannot miss a change of it.
    `renew` and `revoke` are called from one thread, `valid` and `wait_s` from any.
    """

    def __init__(self, monotonic: Callable[[], float], *, expires: bool) -> None:
        self._monotonic = monotonic
        self._expires = expires
        self._until: float | None = None
        self._looked_at: float | None = None
        self._again_at: float | None = None

    @property
    def valid(self) -> bool:
        """Whether this process may send now."""
        return not self._expires or (self._until is not None and self._monotonic() <= self._until)

    @property
    def wait_s(self) -> float:
        """How long a caller should wait before it asks again."""
        return HELD_OFF_S if self._again_at is None else max(0.1, self._again_at - self._monotonic())

    def renew(self, asked_at: float) -> None:
        """Count from a look that began then, and showed nothing that is not known here by now.

        The second after an expiry begins again where another half passes without a look.
        """
        if self._looked_at is not None and asked_at - self._looked_at > CLEARANCE_S:
            self._until, self._again_at = None, asked_at + HELD_OFF_S
        self._looked_at = asked_at
        if self._again_at is not None and asked_at < self._again_at:
            return
        self._until, self._again_at = asked_at + CLEARANCE_S, None

    def revoke(self, asked_at: float) -> None:
        """End the right at once: nobody counts on this process any more."""
        self._looked_at, self._until, self._again_at = asked_at, None, asked_at + HELD_OFF_S
