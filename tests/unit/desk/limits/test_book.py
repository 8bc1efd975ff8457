"""How current the limits in memory are, and what the book says while it does not know."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.limits.book import LOOK_EVERY_S, READ_EVERY_S, STALE_AFTER_S, LimitsBook
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.errors import Reason
from brokergw.model.limits import NUMBERS, Limits, LimitsFault, LimitSource, LimitsScope, ScopeLimits
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_limits import MANDATORY, MemoryLimits

D = Decimal
PLATFORM = LimitsScope(source=LimitSource.PLATFORM)
ADMIN = LimitsScope(source=LimitSource.ADMIN, user_id="ann")
OWN = LimitsScope(source=LimitSource.USER, user_id="ann")
STRATEGY = LimitsScope(source=LimitSource.STRATEGY, user_id="ann", strategy_id="s1")


def edit(store: MemoryLimits, scope: LimitsScope, fault: str = "", **values: Any) -> None:
    """Set limits behind everybody's back, as another process or a hand does."""
    version = store.limits[scope].version + 1 if scope in store.limits else 1
    store.limits[scope] = ScopeLimits(scope=scope, limits=Limits(**values), version=version, fault=fault)


async def a_book(clock: FakeClock, store: MemoryLimits) -> LimitsBook:
    book = LimitsBook(store, MANDATORY, clock)
    await book.refresh()
    return book


async def test_an_order_is_judged_by_the_strictest_of_all_scopes(still_clock: FakeClock) -> None:
    """Mandatory, platform, broker, admin, user and strategy are put together, each only for whom it concerns."""
    store = MemoryLimits()
    edit(store, PLATFORM, order_notional_max=D(900))
    store.brokers["mock"] = BrokerConfig(broker="mock", limits=Limits(order_notional_max=D(800)), version=1)
    edit(store, ADMIN, order_notional_max=D(700))
    edit(store, OWN, order_notional_max=D(600))
    edit(store, STRATEGY, order_notional_max=D(500))
    book = await a_book(still_clock, store)
    seen = [
        book.effective(*who).values.order_notional_max
        for who in (
            ("ann", "mock", "s1"),
            ("ann", "mock", "s2"),
            ("ann", "", ""),
            ("bob", "mock", "s1"),
            ("bob", "", ""),
        )
    ]
    assert seen == [500, 600, 600, 800, 900]
    assert book.effective("bob").values.exposure_max == MANDATORY.exposure_max
    assert book.effective("ann").version == 5


@pytest.mark.parametrize("scope", [PLATFORM, ADMIN, OWN, STRATEGY])
async def test_rows_edited_by_hand_raise_nothing(still_clock: FakeClock, scope: LimitsScope) -> None:
    """Whatever a row says, however it got there, the mandatory limits hold for every number there is."""
    store = MemoryLimits()
    everything: dict[str, Any] = dict.fromkeys(NUMBERS, 10**12)
    edit(store, scope, **everything)
    book = await a_book(still_clock, store)
    found = book.effective("ann", "mock", "s1").values
    for name in NUMBERS:
        assert getattr(found, name) == (getattr(MANDATORY, name) or 10**12)


async def test_a_change_of_another_process_binds_within_a_second(still_clock: FakeClock) -> None:
    """Who looks four times a second needs no notice: three quarters of a second later the new limit holds."""
    store = MemoryLimits()
    book = await a_book(still_clock, store)
    running = asyncio.create_task(book.run())
    edit(store, OWN, order_notional_max=D(1))
    await still_clock.pass_time(3 * LOOK_EVERY_S)
    assert book.effective("ann").values.order_notional_max == 1
    running.cancel()


async def test_looking_reads_only_what_has_changed(still_clock: FakeClock) -> None:
    """While nothing changes, only the revision is asked for; all is read again from time to time, for edits by hand."""
    store = MemoryLimits()
    book = await a_book(still_clock, store)
    running = asyncio.create_task(book.run())
    await still_clock.pass_time(READ_EVERY_S - 1)
    assert store.loads == 1
    edit(store, OWN, order_notional_max=D(1))
    store.limits[OWN] = replace(store.limits[OWN], version=0)
    await still_clock.pass_time(2)
    assert store.loads == 2
    assert book.effective("ann").values.order_notional_max == 1
    running.cancel()


async def test_limits_that_were_not_read_for_too_long_have_a_fault(still_clock: FakeClock) -> None:
    """Just before ten seconds without the record they hold, at ten they may be behind it; the next look mends that."""
    store = MemoryLimits()
    book = await a_book(still_clock, store)
    store.down = True
    running = asyncio.create_task(book.run())
    await still_clock.pass_time(STALE_AFTER_S - 0.001)
    assert book.effective("ann").fault is None
    await still_clock.pass_time(0.001)
    fault = book.effective("ann").fault
    assert fault is not None
    assert fault.reason is Reason.RISK_DATA_STALE
    store.down = False
    await still_clock.pass_time(LOOK_EVERY_S)
    assert book.effective("ann").fault is None
    running.cancel()


async def test_a_book_that_has_read_nothing_says_so(still_clock: FakeClock) -> None:
    """Before the first reading nobody knows what holds."""
    fault = LimitsBook(MemoryLimits(), MANDATORY, still_clock).effective("ann").fault
    assert fault is not None
    assert fault.reason is Reason.RISK_DATA_STALE


async def test_a_fault_stops_those_whom_it_concerns(still_clock: FakeClock) -> None:
    """A strategy's stops the strategy, a user's the user, a broker's whoever trades there, the platform's everybody."""
    store = MemoryLimits()
    book = LimitsBook(store, MANDATORY, still_clock)
    everybody = [("ann", "mock", "s1"), ("ann", "mock", ""), ("ann", "alpaca", ""), ("bob", "alpaca", "s1")]

    async def stopped() -> list[bool]:
        await book.refresh()
        faults = [book.effective(*who).fault for who in everybody]
        assert all(fault in {None, LimitsFault(Reason.LIMITS_UNREADABLE, "broken")} for fault in faults)
        return [fault is not None for fault in faults]

    edit(store, STRATEGY, fault="broken")
    assert await stopped() == [True, False, False, False]
    store.brokers["mock"] = BrokerConfig(broker="mock", version=1, fault="broken")
    assert await stopped() == [True, True, False, False]
    edit(store, OWN, fault="broken")
    assert await stopped() == [True, True, True, False]
    edit(store, PLATFORM, fault="broken")
    assert await stopped() == [True, True, True, True]


async def test_what_bounds_a_scope_is_everything_wider(still_clock: FakeClock) -> None:
    """The platform's is bound by its settings, a user's by the administrator's too, a strategy's by the user's too."""
    store = MemoryLimits()
    edit(store, PLATFORM, order_notional_max=D(900))
    edit(store, ADMIN, order_notional_max=D(700))
    edit(store, OWN, order_notional_max=D(600))
    book = await a_book(still_clock, store)
    broker = LimitsScope(source=LimitSource.BROKER)
    bounds = [book.bound(scope).values.order_notional_max for scope in (PLATFORM, broker, ADMIN, OWN, STRATEGY)]
    assert bounds == [10_000, 900, 900, 700, 600]
