"""What an address and an account may ask in a stretch of time, and the bans that follow from more (limits pages).

The weight of requests counts by address whatever key they carry; orders count by account. Who goes on after a 429 is
banned with 418.
"""

from dataclasses import dataclass, field
from typing import Final

_SECOND_NS: Final = 1_000_000_000
_IGNORED_MAX: Final = 10
_BAN_S: Final = 120


@dataclass(slots=True)
class Window:
    """A count that starts over with each stretch of the clock; no limit counts nothing."""

    limit: int | None
    seconds: int
    number: int = -1
    used: int = 0

    def spend(self, amount: int, now_ns: int) -> bool:
        """Count, and tell whether that is within the limit."""
        number = now_ns // (self.seconds * _SECOND_NS)
        if number != self.number:
            self.number, self.used = number, 0
        self.used += amount
        return self.limit is None or self.used <= self.limit

    def left_s(self, now_ns: int) -> int:
        """Tell how long the stretch still lasts, in whole seconds, at least one."""
        return max(1, self.seconds - now_ns // _SECOND_NS % self.seconds)


@dataclass(slots=True)
class AddressBudget:
    """The request weight of everybody who asks from one address, at one product."""

    weight: Window
    ignored: int = 0
    banned_until_ns: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def spend(self, weight: int, now_ns: int) -> tuple[int, int]:
        """Count a request: gives 0, or the status 429 or 418 with the seconds until one is welcome again."""
        if now_ns < self.banned_until_ns:
            return 418, (self.banned_until_ns - now_ns) // _SECOND_NS + 1
        within = self.weight.spend(weight, now_ns)
        if self.weight.limit is not None:
            self.headers = {"X-MBX-USED-WEIGHT": str(self.weight.used), "X-MBX-USED-WEIGHT-1M": str(self.weight.used)}
        if within:
            self.ignored = 0
            return 0, 0
        self.ignored += 1
        if self.ignored > _IGNORED_MAX:
            self.banned_until_ns, self.ignored = now_ns + _BAN_S * _SECOND_NS, 0
            return 418, _BAN_S
        return 429, self.weight.left_s(now_ns)
