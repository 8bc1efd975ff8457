"""Token buckets: what may be spent at once, and how fast it comes back."""

from collections import OrderedDict
from typing import Final

from brokergw.ports.clock import Clock

_OWNERS_MAX: Final = 10_000
_MINUTE_S: Final = 60.0


class Buckets:
    """One bucket per owner, each holding a minute's worth.

    Only the owners that spent last are remembered; one that is forgotten has not spent for long, or there are more
    than ten thousand of them.
    """

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self.limit = per_minute
        self._rate = per_minute / _MINUTE_S
        self._monotonic = clock.monotonic
        self._owners: OrderedDict[str, list[float]] = OrderedDict()

    def take(self, owner: str, cost: int = 1) -> float:
        """Spend; gives 0, or the seconds until there is enough, and then nothing was spent."""
        return self.spend(owner, cost)[0]

    def spend(self, owner: str, cost: int) -> tuple[float, int]:
        """Take, and tell what is left beside it."""
        bucket = self._filled(owner)
        if bucket[0] >= cost:
            bucket[0] -= cost
            return 0.0, int(bucket[0])
        return (cost - bucket[0]) / self._rate, int(bucket[0])

    def give_back(self, owner: str, cost: int = 1) -> None:
        """Return what was spent on something that cost nothing after all."""
        bucket = self._filled(owner)
        bucket[0] = min(float(self.limit), bucket[0] + cost)

    def wait_s(self, owner: str, cost: int = 1) -> float:
        """Tell how many seconds until there is enough, without spending."""
        bucket = self._owners.get(owner)
        if bucket is None:
            return 0.0
        level = bucket[0] + (self._monotonic() - bucket[1]) * self._rate
        return max(0.0, (cost - level) / self._rate)

    def left(self, owner: str) -> int:
        """Tell what is left."""
        return int(self._filled(owner)[0])

    def _filled(self, owner: str) -> list[float]:
        now = self._monotonic()
        bucket = self._owners.get(owner)
        if bucket is None:
            bucket = self._owners[owner] = [float(self.limit), now]
            if len(self._owners) > _OWNERS_MAX:
                self._owners.popitem(last=False)
            return bucket
        self._owners.move_to_end(owner)
        bucket[0] = min(float(self.limit), bucket[0] + (now - bucket[1]) * self._rate)
        bucket[1] = now
        return bucket
