"""Storms of refusals."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from brokergw.desk.halts.halting import Halting
from brokergw.desk.halts.storms import REFUSALS_MAX, WITHIN_S
from brokergw.model.alerts import Alert
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.trading import Halt, HaltCause, ScopeKind, TradingScope, TradingState
from tests.conformance.store.making import an_order
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_halts import HaltTable, MemoryHaltBook
from tests.fixtures.memory_journal import MemoryJournal

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


class TwoProcesses:
    """Two processes with one record and one book of halts; each hears its own refusals and tells its own alerts."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.record, self.alerts = clock, MemoryJournal(shared=True), list[Alert]()
        table = HaltTable()
        self.books = [MemoryHaltBook(clock, table, name) for name in ("ins_1", "ins_2")]
        self.each = [Halting(book, clock, notify=self.alerts.append) for book in self.books]
        for halting in self.each:
            halting.storms.follow(self.record)

    async def refuse(self, process: int, **changes: Any) -> None:
        """Let an order be refused, and one process hear of it."""
        order = replace(refused(), state=State.REJECTED_BY_BROKER, create_time_ns=self.clock.now_ns(), **changes)
        self.record.by_id[order.order_id] = order
        self.each[process].storms.refused(order)
        for _ in range(5):
            await asyncio.sleep(0)

    def halts(self) -> set[Halt]:
        """Give what stands in either."""
        return {halt for halting in self.each for halt in halting.standing.all()}


@pytest.fixture
async def processes(still_clock: FakeClock) -> AsyncIterator[TwoProcesses]:
    """Give two processes of one gateway."""
    made = TwoProcesses(still_clock)
    for halting in made.each:
        await halting.start()
    yield made
    for halting in made.each:
        await halting.stop()


@pytest.mark.parametrize(("refusals", "halted"), [(REFUSALS_MAX - 1, 0), (REFUSALS_MAX, 1), (REFUSALS_MAX + 1, 1)])
async def test_refusals_of_all_processes_count_together(
    processes: TwoProcesses, still_clock: FakeClock, refusals: int, halted: int
) -> None:
    """A strategy that sends to two processes in turn is stopped at its tenth refusal, by one halt and one alert."""
    for number in range(refusals):
        await processes.refuse(number % 2)
    await processes.refuse(0, strategy_id="s2")
    await still_clock.pass_time(1)
    stopped = [(halt.scope, halt.cause) for halt in processes.halts()]
    assert stopped == [(STRATEGY, HaltCause.REJECT_STORM)] * halted
    assert len(processes.alerts) == halted


async def test_two_processes_that_count_ten_at_once_tell_it_once(
    processes: TwoProcesses, still_clock: FakeClock
) -> None:
    """Both may see the tenth refusal before either has heard of the other's halt: one alert is raised, by the first."""
    processes.books[1].deaf = True
    for _ in range(REFUSALS_MAX):
        await processes.refuse(0)
    assert not processes.each[1].standing.all()
    still_clock.advance(0.001)
    await processes.refuse(1)
    await still_clock.pass_time(1)
    assert len(processes.halts()) == 1
    assert len(processes.alerts) == 1


@pytest.mark.parametrize(("ago_s", "halted"), [(WITHIN_S - 0.01, 1), (WITHIN_S, 0), (WITHIN_S + 0.01, 0)])
async def test_what_others_heard_counts_for_a_minute(
    processes: TwoProcesses, still_clock: FakeClock, ago_s: float, halted: int
) -> None:
    """Nine refusals elsewhere, just below, at and just above a minute ago, and one here."""
    for _ in range(REFUSALS_MAX - 1):
        await processes.refuse(0)
    still_clock.advance(ago_s)
    await processes.refuse(1)
    await still_clock.pass_time(1)
    assert len(processes.halts()) == halted


async def test_orders_without_a_strategy_are_counted_by_user_and_broker(
    halting: Halting, still_clock: FakeClock
) -> None:
    """Where no strategy is named, the user's orders at the broker are stopped."""
    for _ in range(REFUSALS_MAX):
        halting.storms.refused(refused(""))
    await still_clock.pass_time(1)
    (halt,) = halting.standing.all()
    assert halt.scope == TradingScope(ScopeKind.USER_BROKER, (refused().user_id, refused().broker))
