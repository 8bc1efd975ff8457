"""What is used of the limits, by the ledger."""

from decimal import Decimal
from typing import Any

from brokergw.desk.limits.day import TradingDays
from brokergw.desk.limits.usage import UsageByLedger
from brokergw.ports.journal import Measure
from brokergw.ports.ledger import UsageOnRecord
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_journal import MemoryJournal

D = Decimal
NOTHING = {
    Measure.EXPOSURE: 0,
    Measure.OPEN_ORDERS: 0,
    Measure.DAY_ORDERS: 0,
    Measure.MINUTE_ORDERS: 0,
    Measure.DAY_VOLUME: 0,
}


class Ledger(MemoryJournal):
    """Has used what a test says."""

    rows: tuple[UsageOnRecord, ...] = ()

    async def usage(self, user_id: str) -> tuple[UsageOnRecord, ...]:
        return self.rows


def a_row(**changes: Any) -> UsageOnRecord:
    """Make a row of today's."""
    values: dict[str, Any] = {
        "user_id": "ann",
        "exposure": D(100),
        "open_orders": 2,
        "unacknowledged": D(5),
        "trading_day": "2027-01-15",
        "day_orders": 7,
        "day_volume": D(900),
        "minute_orders": 1,
    }
    return UsageOnRecord(**{**values, **changes})


async def test_user_and_strategy_are_told_apart(clock: FakeClock) -> None:
    """Accounts and other strategies are neither; without a strategy none is told of."""
    ledger = Ledger()
    ledger.rows = (
        a_row(account_id="acc_1", exposure=D(1)),
        a_row(strategy_id="s2", exposure=D(2)),
        a_row(strategy_id="s1", exposure=D(3), open_orders=1),
        a_row(),
    )
    usage = UsageByLedger(ledger, TradingDays("UTC"), clock)
    both = await usage("ann", "s1")
    assert (both.user[Measure.EXPOSURE], both.user[Measure.DAY_VOLUME]) == (D(100), D(900))
    assert (both.strategy[Measure.EXPOSURE], both.strategy[Measure.OPEN_ORDERS]) == (D(3), D(1))
    assert (await usage("ann", "")).strategy == {}


async def test_an_earlier_days_counts_are_none_of_todays(clock: FakeClock) -> None:
    """What is open goes on being open; orders and volume begin anew with the day."""
    ledger = Ledger()
    ledger.rows = (a_row(trading_day="2027-01-14"),)
    used = (await UsageByLedger(ledger, TradingDays("UTC"), clock)("ann", "")).user
    assert used == {**NOTHING, Measure.EXPOSURE: 100, Measure.OPEN_ORDERS: 2, Measure.MINUTE_ORDERS: 1}


async def test_who_has_done_nothing_has_used_nothing(clock: FakeClock) -> None:
    """A user and a strategy without rows have used zero, which is shown as such."""
    usage = await UsageByLedger(Ledger(), TradingDays("UTC"), clock)("ann", "s1")
    assert usage.user == usage.strategy == NOTHING
