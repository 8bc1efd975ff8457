"""Days of loss on both databases."""

import asyncio
from dataclasses import replace
from decimal import Decimal

from brokergw.model.account import Environment
from brokergw.model.loss import OpeningSource, RiskDay
from brokergw.store import Store
from tests.fixtures.stores import open_for_test

D = Decimal
NOW_NS = 1_800_000_000_000_000_000
DAY = RiskDay(
    account_id="acc_1",
    user_id="alice",
    environment=Environment.PAPER,
    trading_day="2027-01-15",
    opening_equity=D("100000.123456789"),
    opening_source=OpeningSource.BROKER,
    opening_time_ns=NOW_NS,
    known_lines=frozenset({"line-1", "line-2"}),
    equity=D("100000.123456789"),
    equity_time_ns=NOW_NS,
    exposed=True,
    equity_low=D("99000"),
    equity_high=D("100001"),
)


async def test_a_day_comes_back_as_it_was_begun_and_kept(store: Store) -> None:
    """Every field comes back; what is kept later changes how it stands, not how it began."""
    assert await store.risk_days.open(DAY) == DAY
    later = replace(
        DAY.seen(D("-5.5"), NOW_NS + 5),
        flows=D("-10"),
        fees=D("1.25"),
        doubt=D(3),
        exposed=False,
        opening_equity=D(1),
        opening_source=OpeningSource.LATE,
    )
    await store.risk_days.keep(later)
    [stands] = await store.risk_days.changed_since(NOW_NS)
    assert stands == replace(later, opening_equity=DAY.opening_equity, opening_source=OpeningSource.BROKER)
    assert await store.risk_days.open(later) == stands


async def test_an_older_look_changes_nothing_and_the_first_crossing_stays(store: Store) -> None:
    """Of two looks the later one stands, whichever is written last; when the limit was crossed is said once."""
    await store.risk_days.open(DAY)
    await store.risk_days.keep(replace(DAY.seen(D(50), NOW_NS + 9), crossed_time_ns=NOW_NS + 9))
    await store.risk_days.keep(DAY.seen(D(70), NOW_NS + 4))
    await store.risk_days.keep(replace(DAY.seen(D(60), NOW_NS + 12), crossed_time_ns=NOW_NS + 12))
    [stands] = await store.risk_days.changed_since(0)
    assert (stands.equity, stands.crossed_time_ns) == (D(60), NOW_NS + 9)


async def test_only_what_changed_since_is_read(store: Store) -> None:
    """Days seen before a time are left out, at the time itself they are not."""
    await store.risk_days.open(DAY)
    await store.risk_days.open(replace(DAY, account_id="acc_2", equity_time_ns=NOW_NS + 5))
    assert [day.account_id for day in await store.risk_days.changed_since(NOW_NS + 5)] == ["acc_2"]
    assert len(await store.risk_days.changed_since(NOW_NS)) == 2


async def test_a_day_begun_by_two_processes_at_once_begins_once(store: Store, store_url: str) -> None:
    """Whoever comes second takes what the first has written."""
    async with open_for_test(store_url) as other:
        for number in range(10):
            account = f"acc_{number}"
            mine, theirs = (replace(DAY, account_id=account, opening_equity=D(worth)) for worth in (1, 2))
            first, second = await asyncio.gather(store.risk_days.open(mine), other.risk_days.open(theirs))
            assert first == second
