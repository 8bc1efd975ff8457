"""What is used of the limits now, by the record's own count."""

from collections.abc import Mapping
from decimal import Decimal

from brokergw.desk.limits.day import TradingDays
from brokergw.desk.limits.verbs import Usage
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Measure
from brokergw.ports.ledger import Ledger, UsageOnRecord


class UsageByLedger:
    """Asks the ledger; counts of an earlier trading day are none of today's."""

    def __init__(self, ledger: Ledger, days: TradingDays, clock: Clock) -> None:
        self._ledger = ledger
        self._days = days
        self._clock = clock

    async def __call__(self, user_id: str, strategy_id: str) -> Usage:
        """Tell what a user, and one strategy of it, use."""
        today = self._days.of(self._clock.now_ns())
        rows = await self._ledger.usage(user_id)
        of_user = next((row for row in rows if not row.strategy_id and not row.account_id), None)
        of_strategy = next((row for row in rows if strategy_id and row.strategy_id == strategy_id), None)
        return Usage(_measures(of_user, today), _measures(of_strategy, today) if strategy_id else {})


def _measures(row: UsageOnRecord | None, today: str) -> Mapping[Measure, Decimal]:
    if row is None:
        return dict.fromkeys(_COUNTED, Decimal(0))
    same_day = row.trading_day == today
    return {
        Measure.EXPOSURE: row.exposure,
        Measure.OPEN_ORDERS: Decimal(row.open_orders),
        Measure.DAY_ORDERS: Decimal(row.day_orders if same_day else 0),
        Measure.MINUTE_ORDERS: Decimal(row.minute_orders),
        Measure.DAY_VOLUME: row.day_volume if same_day else Decimal(0),
    }


_COUNTED = (
    Measure.EXPOSURE,
    Measure.OPEN_ORDERS,
    Measure.DAY_ORDERS,
    Measure.MINUTE_ORDERS,
    Measure.DAY_VOLUME,
)
