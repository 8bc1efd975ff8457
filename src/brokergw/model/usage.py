"""What a user, a strategy or an account has used of its limits, and how that moves with orders."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from brokergw.model.ledger import Stake
from brokergw.model.order import ZERO
from brokergw.model.quick import quick

MINUTE_S: Final = 60


@quick
@dataclass(frozen=True, slots=True)
class Usage:
    """The counts of one subject.

    `exposure` sums the worst cases of its holdings. `day_orders` and `day_volume` are those of `trading_day`. `seconds`
    counts admissions by second (Unix time), the latest last, as far back as a minute reaches.
    """

    exposure: Decimal = ZERO
    open_orders: int = 0
    unacknowledged: Decimal = ZERO
    trading_day: str = ""
    day_orders: int = 0
    day_volume: Decimal = ZERO
    seconds: tuple[tuple[int, int], ...] = ()

    def minute_orders(self, now_s: int) -> int:
        """Count the admissions of the last sixty seconds.

        The second that lies sixty back counts whole, since some of it may be less than a minute ago.
        """
        return sum(count for second, count in self.seconds if second >= now_s - MINUTE_S)

    def moved(
        self, before: Stake, after: Stake, exposure: Decimal, *, admitted_s: int | None, acknowledging: bool
    ) -> "Usage":
        """Give the counts after an order's next version, which adds so much exposure.

        `admitted_s` is the second of its admission where it is admitted by this; `acknowledging` says whether the
        subject counts what its broker has not acknowledged.
        """
        day, orders, volume = self._day(before, after, 0 if admitted_s is None else 1)
        return Usage(
            self.exposure + exposure,
            self.open_orders + after.is_open - before.is_open,
            self.unacknowledged + after.unacknowledged - before.unacknowledged
            if acknowledging
            else self.unacknowledged,
            day,
            orders,
            volume,
            self.seconds if admitted_s is None else _with_one(self.seconds, admitted_s),
        )

    def exposed(self, exposure: Decimal) -> "Usage":
        """Give the counts with so much more exposure, which no order made."""
        return replace(self, exposure=self.exposure + exposure)

    def unacknowledging(self, worth: Decimal) -> "Usage":
        """Give the counts with so much more that the broker has not acknowledged."""
        return replace(self, unacknowledged=self.unacknowledged + worth)

    def _day(self, before: Stake, after: Stake, admitted: int) -> tuple[str, int, Decimal]:
        """Count for the latest day only: what belongs to an earlier one is nobody's limit any more."""
        day, orders, volume = self.trading_day, self.day_orders, self.day_volume
        if after.trading_day > day:
            day, orders, volume = after.trading_day, 0, ZERO
        elif before.trading_day == day and day:
            volume -= before.volume
        if after.trading_day == day and day:
            volume += after.volume
        # A clock behind another's counts its orders for the day that has begun elsewhere.
        return day, orders + admitted if after.trading_day else orders, volume

    def of_day(self, trading_day: str) -> tuple[int, Decimal]:
        """Give orders and volume of a day; none of one that has only begun."""
        return (0, ZERO) if trading_day > self.trading_day else (self.day_orders, self.day_volume)


def _with_one(seconds: tuple[tuple[int, int], ...], now_s: int) -> tuple[tuple[int, int], ...]:
    """Count one more; a clock behind another's counts at the other's latest second."""
    if seconds and seconds[-1][0] >= now_s:
        second, count = seconds[-1]
        return (*seconds[:-1], (second, count + 1))
    return (*(each for each in seconds if each[0] >= now_s - MINUTE_S), (now_s, 1))
