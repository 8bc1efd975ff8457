"""Budgets that a broker counts by address or account in windows of its clock, and the bans that outlast them.

Where requests differ in weight and everybody who asks from one address spends one budget, a bucket for each connection
would let ten of them ask ten times too much. So one `AddressBudget` is shared by all connections to an address. It
counts before a request is made, follows what the broker's headers say was used (which tells of other processes too),
and holds every connection back for as long as the broker has banned the address.
"""

from collections.abc import Callable
from typing import Final

from brokergw.transport.throttle import Spent

_NS: Final = 1_000_000_000


class Window:
    """What may be spent in a window of the clock, which starts over at each multiple of `seconds`.

    `limit` None counts nothing. All but those that may take the reserve leave `reserve` of the limit untouched. A
    window ends by the broker's clock, which `now_ns` follows.
    """

    def __init__(self, limit: int | None, seconds: int, *, now_ns: Callable[[], int], reserve: float = 0.0) -> None:
        self.limit = limit
        self._seconds = seconds
        self._now_ns = now_ns
        self._reserve = reserve
        self._number = -1
        self._used = 0

    @property
    def used(self) -> int:
        """What has been spent of the present window, as far as is known."""
        self._turn()
        return self._used

    @property
    def ends_ns(self) -> int:
        """When the present window ends, in Unix nanoseconds."""
        return (self._turn() + 1) * self._seconds * _NS

    def check(self, amount: int, *, reserve: bool = False) -> None:
        """Raise Spent unless an amount is left; `reserve` lets it come out of the reserve."""
        self._turn()
        if self.limit is None:
            return
        room = self.limit if reserve else self.limit - int(self.limit * self._reserve)
        if self._used + amount > room:
            raise Spent((self.ends_ns - self._now_ns()) / _NS)

    def spend(self, amount: int) -> None:
        """Count an amount."""
        self._turn()
        self._used += amount

    def learn(self, used: int) -> None:
        """Follow the broker, who has counted at least this much in the present window."""
        self._turn()
        self._used = max(self._used, used)

    def fill(self) -> None:
        """Let nothing more through in the present window, because the broker said so."""
        if self.limit is not None:
            self.learn(self.limit)

    def _turn(self) -> int:
        number = self._now_ns() // (self._seconds * _NS)
        if number != self._number:
            self._number, self._used = number, 0
        return number


class AddressBudget:
    """The weight that requests from one address may have, and the bans on it; shared by every connection there."""

    def __init__(self, window: Window, *, monotonic: Callable[[], float]) -> None:
        self.window = window
        self._monotonic = monotonic
        self._banned_until = 0.0

    def take(self, weight: int, *, cancel: bool = False) -> None:
        """Spend a weight before a request is made; raises Spent while there is none left, or a ban holds."""
        left_s = self._banned_until - self._monotonic()
        if left_s > 0:
            raise Spent(left_s)
        self.window.check(weight, reserve=cancel)
        self.window.spend(weight)

    def ban(self, seconds: float) -> None:
        """Let nothing through for a while, because the broker said so."""
        self._banned_until = max(self._banned_until, self._monotonic() + seconds)

    @property
    def banned_s(self) -> float:
        """How long a ban still holds."""
        return max(0.0, self._banned_until - self._monotonic())

    def lift(self) -> None:
        """Forget a ban, which a test may do."""
        self._banned_until = 0.0
