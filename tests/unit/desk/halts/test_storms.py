"""Storms of refusals."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from brokergw.desk.halts.halting import Halting
from brokergw.desk.halts.storms import REFUSALS_MAX, WITHIN_S
from brokergw.model.order import Order
from brokergw.model.trading import HaltCause, ScopeKind, TradingScope, TradingState
from tests.conformance.store.making import an_order
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_halts import MemoryHaltBook

STRATEGY = TradingScope(ScopeKind.STRATEGY, ("usr_1", "s1"))


@pytest.fixture
async def halting(still_clock: FakeClock) -> AsyncIterator[Halting]:
    """Give the halts of one process."""
    made = Halting(MemoryHaltBook(still_clock), still_clock)
    await made.start()
    yield made
    await made.stop()


def refused(strategy_id: str = "s1") -> Order:
    """Make an order that the broker has refused."""
    return replace(an_order(), strategy_id=strategy_id, reject_reason="WASH_TRADE")


@pytest.mark.parametrize(("refusals", "halted"), [(REFUSALS_MAX - 1, 0), (REFUSALS_MAX, 1), (REFUSALS_MAX + 1, 1)])
async def test_the_tenth_refusal_of_a_strategy_stops_it(
    halting: Halting, still_clock: FakeClock, refusals: int, halted: int
) -> None:
    """Nine refusals within a minute are borne, the tenth stops the strategy, once, and no other."""
    for _ in range(refusals):
        halting.storms.refused(refused())
        halting.storms.refused(refused("s2")) if _ == 0 else None
        await still_clock.pass_time(1)
    assert len(halting.standing.all()) == halted
    for halt in halting.standing.all():
        assert (halt.scope, halt.cause, halt.state) == (STRATEGY, HaltCause.REJECT_STORM, TradingState.HALTED)
        assert halt.reason == "the broker refused 10 orders within 60 s, the last one for WASH_TRADE"


@pytest.mark.parametrize(("apart_s", "halted"), [(WITHIN_S - 0.01, 1), (WITHIN_S, 0), (WITHIN_S + 0.01, 0)])
async def test_ten_refusals_count_within_a_minute(
    halting: Halting, still_clock: FakeClock, apart_s: float, halted: int
) -> None:
    """From the first to the tenth less than a minute may pass."""
    halting.storms.refused(refused())
    still_clock.advance(apart_s)
    for _ in range(REFUSALS_MAX - 1):
        halting.storms.refused(refused())
    await still_clock.pass_time(1)
    assert len(halting.standing.all()) == halted


async def test_orders_without_a_strategy_are_counted_by_user_and_broker(
    halting: Halting, still_clock: FakeClock
) -> None:
    """Where no strategy is named, the user's orders at the broker are stopped."""
    for _ in range(REFUSALS_MAX):
        halting.storms.refused(refused(""))
    await still_clock.pass_time(1)
    (halt,) = halting.standing.all()
    assert halt.scope == TradingScope(ScopeKind.USER_BROKER, (refused().user_id, refused().broker))
