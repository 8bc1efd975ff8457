import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.model.capability import ResolutionClass
from brokergw.model.errors import Reason
from brokergw.model.lifecycle import State
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import (
    Absent,
    BrokerFill,
    BrokerOrder,
    Budget,
    FeedDown,
    Found,
    Inconclusive,
    Lookup,
)
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.scripted_broker import Bench, broker_order, filled, report

D = Decimal
SWEEP_S = 11.0


class World:
    """The broker's truth, listed and looked up, and how often it was asked for."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.orders: dict[str, BrokerOrder] = {}
        self.listed: list[BrokerOrder] | None = None
        self.answer: Lookup | None = None
        self.listings = 0
        self.look_ups: list[str] = []
        bench.broker.get = self._get
        bench.broker.open_orders = self._list

    def show(self, order: BrokerOrder, *fills: BrokerFill) -> None:
        """Let an order stand so at the broker."""
        self.orders[order.broker_order_id] = order
        self.bench.broker.fills = tuple(report(order, fill) for fill in fills)

    def _get(self, order_id: str) -> Lookup:
        self.look_ups.append(order_id)
        if self.answer is not None:
            return self.answer
        return Found(self.orders[order_id]) if order_id in self.orders else Absent()

    async def _list(self) -> Sequence[BrokerOrder]:
        self.listings += 1
        if self.listed is not None:
            return self.listed
        return [order for order in self.orders.values() if order.state not in {State.FILLED, State.CANCELED}]


@pytest.fixture
def world(bench: Bench) -> World:
    return World(bench)


async def working(bench: Bench, world: World) -> tuple[Order, BrokerOrder]:
    """Place an order that works, also in the broker's eyes."""
    await bench.submit(bench.order())
    seen = broker_order(*bench.broker.sent[-1])
    world.show(seen)
    order = next(o for o in bench.journal.by_id.values() if seen.broker_order_id in o.broker_order_ids)
    return order, seen


def partly(seen: BrokerOrder, quantity: str, **more: Any) -> BrokerOrder:
    """Let an order have traded a part, later than before."""
    return replace(
        seen,
        state=State.PARTIAL,
        cum_quantity=D(quantity),
        average_price=D("50.00"),
        update_time_ns=seen.update_time_ns + 1,
        **more,
    )


def execution(name: str, quantity: str) -> BrokerFill:
    return BrokerFill(execution_id=name, quantity=D(quantity), price=D("50.00"), trade_time_ns=2)


def events_of(bench: Bench) -> int:
    return sum(len(log) for log in bench.journal.log.values())


async def test_what_agrees_is_not_written(bench: Bench, world: World) -> None:
    """Sweep after sweep over orders that stand as they did writes nothing and asks for none of them (R2)."""
    await working(bench, world)
    before = events_of(bench)
    await bench.clock.pass_time(5 * SWEEP_S)
    assert world.listings >= 5
    assert (events_of(bench), world.look_ups) == (before, [])


async def test_missing_executions_are_fetched_and_written_with_an_audit_row(bench: Bench, world: World) -> None:
    """A total that is above ours brings its executions, marked as reconciled, in one commit with its audit row."""
    order, seen = await working(bench, world)
    world.show(partly(seen, "4"), execution("x1", "4"))
    await bench.clock.pass_time(SWEEP_S)
    current = bench.journal.by_id[order.order_id]
    assert (current.state, current.cum_quantity) == (State.PARTIAL, D(4))
    assert {event.origin for event in bench.journal.log["acc_1"][-2:]} == {Origin.RECONCILED}
    assert bench.journal.audit[-1].action == "order.reconciled"
    before = events_of(bench)
    await bench.clock.pass_time(3 * SWEEP_S)
    assert events_of(bench) == before


async def test_an_order_that_somebody_asks_about_is_looked_up_within_a_second(bench: Bench, world: World) -> None:
    """Whoever has reason to think that an order is over need not wait for the next sweep, nor may end it by itself."""
    order, seen = await working(bench, world)
    await bench.clock.pass_time(SWEEP_S)
    world.show(replace(seen, state=State.CANCELED, update_time_ns=2))
    listings = world.listings
    bench.desk._upkeep.ask_about(order.account_id, [order.order_id])
    await bench.clock.pass_time(1.1)
    assert (world.look_ups, world.listings) == ([seen.broker_order_id], listings)
    assert bench.journal.by_id[order.order_id].state is State.CANCELED


async def test_an_order_whose_end_was_told_meanwhile_is_not_asked_for(bench: Bench, world: World) -> None:
    """Whoever asks about hundreds of orders at once leaves the stream its time: what it tells costs no question."""
    order, seen = await working(bench, world)
    gone = replace(seen, state=State.CANCELED, update_time_ns=2)
    bench.desk._upkeep.ask_about(order.account_id, [order.order_id])
    await bench.tell(report(gone))
    await bench.clock.pass_time(1.1)
    assert world.look_ups == []


@pytest.mark.parametrize(("number", "first", "then"), [(49, 49, 49), (50, 50, 50), (51, 50, 51)])
async def test_so_many_overdue_orders_are_asked_for_in_one_turn(
    bench: Bench, world: World, number: int, first: int, then: int
) -> None:
    """Fifty questions a turn, and the rest in the next one: a broker is not stormed because much went wrong at once."""
    placed = [(await bench.submit(bench.order())).order for _ in range(number)]
    for each in bench.broker.sent:
        world.show(broker_order(*each))
    await bench.clock.pass_time(0.5)
    bench.desk._upkeep.ask_about("acc_1", [order.order_id for order in placed])
    await bench.clock.pass_time(1.0)
    assert len(world.look_ups) == first
    await bench.clock.pass_time(1.0)
    assert len(world.look_ups) == then


async def test_overdue_orders_wait_while_the_budget_is_kept_for_orders(bench: Bench, world: World) -> None:
    """What is left of the broker's budget goes to orders first; the questions come when there is more again."""
    order, _ = await working(bench, world)
    bench.broker.budgeted = Budget(200, 49, None)
    bench.desk._upkeep.ask_about(order.account_id, [order.order_id])
    await bench.clock.pass_time(2.2)
    assert world.look_ups == []
    bench.broker.budgeted = Budget(200, 50, None)
    await bench.clock.pass_time(1.1)
    assert len(world.look_ups) == 1


async def test_an_order_that_is_not_listed_ends_only_on_its_own_look_up(bench: Bench, world: World) -> None:
    """Not listed, an order is asked for by its id; what that says, and nothing else, ends it (R5)."""
    order, seen = await working(bench, world)
    world.show(replace(seen, state=State.CANCELED, update_time_ns=2))
    await bench.clock.pass_time(SWEEP_S)
    assert world.look_ups == [seen.broker_order_id]
    assert bench.journal.by_id[order.order_id].state is State.CANCELED


@pytest.mark.parametrize("answer", [Absent(), Inconclusive("HTTP 503")])
async def test_an_unexplained_order_stays_open_and_is_asked_for_ever_more_rarely(
    bench: Bench, world: World, answer: Lookup
) -> None:
    """Neither listed nor found, an order stays as it is; an hour of that costs a handful of questions (R14)."""
    order, _ = await working(bench, world)
    world.listed, world.answer = [], answer
    for _ in range(60):
        await bench.clock.pass_time(60)
    assert bench.journal.by_id[order.order_id].state is State.WORKING
    assert len(world.look_ups) <= 16


async def test_a_listing_that_fails_changes_nothing(bench: Bench, world: World) -> None:
    """A question that fails is logged and asked again; no order is lost by it (R4)."""
    order, _ = await working(bench, world)

    async def fail() -> Sequence[BrokerOrder]:
        world.listings += 1
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "no route")

    bench.broker.open_orders = fail
    before = events_of(bench)
    await bench.clock.pass_time(3 * SWEEP_S)
    assert world.listings >= 3
    assert (events_of(bench), world.look_ups) == (before, [])
    assert bench.journal.by_id[order.order_id].state is State.WORKING


async def test_an_answer_about_an_order_that_moved_meanwhile_is_not_judged(bench: Bench, world: World) -> None:
    """An order that changed after the question was asked is left to the next sweep (R8)."""
    order, seen = await working(bench, world)
    half, fill = partly(seen, "4"), execution("x1", "4")

    async def overtaken() -> Sequence[BrokerOrder]:
        await bench.tell(report(half, fill))
        return []

    bench.broker.open_orders = overtaken
    await bench.clock.pass_time(SWEEP_S / 2)
    assert bench.journal.by_id[order.order_id].cum_quantity == D(4)
    assert world.look_ups == []


async def test_the_sweep_is_more_often_while_the_stream_is_down(bench: Bench, world: World) -> None:
    """Every ten seconds beside a live stream, every three without (L7)."""
    await working(bench, world)
    await bench.clock.pass_time(30)
    beside_a_stream = world.listings
    await bench.tell(FeedDown("lost"))
    await bench.clock.pass_time(30)
    assert beside_a_stream in {3, 4}
    assert world.listings - beside_a_stream in {9, 10, 11}


async def test_a_sweep_leaves_the_brokers_budget_to_orders(bench: Bench, world: World) -> None:
    """With ten requests a minute a sweep comes twice a minute, and not at all while little of them is left."""
    await working(bench, world)
    bench.broker.budgeted = Budget(limit=10, remaining=10, reset_time_ns=None)
    await bench.clock.pass_time(120)
    assert world.listings in {4, 5}
    bench.broker.budgeted = Budget(limit=10, remaining=1, reset_time_ns=None)
    before = world.listings
    await bench.clock.pass_time(120)
    assert world.listings == before


async def test_a_budget_that_has_been_reset_is_short_no_more(bench: Bench, world: World) -> None:
    """A broker that does not tell its budget again does not keep the sweeps away for ever."""
    await working(bench, world)
    reset_ns = bench.clock.now_ns() + 60_000_000_000
    bench.broker.budgeted = Budget(limit=60, remaining=0, reset_time_ns=reset_ns)
    before = world.listings
    await bench.clock.pass_time(58)
    assert world.listings == before
    await bench.clock.pass_time(12)
    assert world.listings > before


async def test_a_report_that_is_ahead_of_its_executions_is_paid_at_once(bench: Bench, world: World) -> None:
    """A total without its executions ends nothing; they are asked for within a second, and then it does (L2)."""
    order, _ = await working(bench, world)
    seen, fill = filled(*bench.broker.sent[-1])
    world.show(seen, fill)
    await bench.tell(report(seen))
    assert bench.journal.by_id[order.order_id].state is State.WORKING
    await bench.clock.pass_time(1.5)
    assert bench.journal.by_id[order.order_id].state is State.FILLED


async def test_an_order_made_elsewhere_is_adopted_once(bench: Bench, world: World) -> None:
    """A listed order that nobody knows is put on the record as external, with its executions (L8)."""
    _, seen = await working(bench, world)
    stranger = partly(replace(seen, broker_order_id="b-9", client_order_id="theirs"), "4")
    world.show(stranger, execution("x9", "4"))
    await bench.clock.pass_time(3 * SWEEP_S)
    (external,) = [order for order in bench.journal.by_id.values() if order.external]
    assert (external.state, external.cum_quantity) == (State.PARTIAL, D(4))
    assert len(bench.journal.by_fill_id) == 1


async def test_a_slow_answer_holds_nobody_else_up(bench: Bench, world: World) -> None:
    """While a question about one order takes a hundred seconds, orders are placed and fill (L14)."""
    await working(bench, world)

    async def slow() -> Sequence[BrokerOrder]:
        await bench.clock.sleep(100)
        return []

    bench.broker.open_orders = slow
    await bench.clock.pass_time(SWEEP_S)
    command = bench.order()
    await bench.submit(command)
    seen, fill = filled(*bench.broker.sent[-1], execution="x2")
    await bench.tell(report(seen, fill))
    order = next(o for o in bench.journal.by_id.values() if o.idempotency_key == command.idempotency_key)
    assert order.state is State.FILLED


async def test_two_sweeps_side_by_side_write_once(bench: Bench, world: World) -> None:
    """The stream and the sweep that learn of one execution together count it once (R8)."""
    order, seen = await working(bench, world)
    half, fill = partly(seen, "4"), execution("x1", "4")
    world.show(half, fill)
    await asyncio.gather(bench.clock.pass_time(SWEEP_S), bench.tell(report(half, fill), report(half, fill)))
    assert bench.journal.by_id[order.order_id].cum_quantity == D(4)
    assert len(bench.journal.by_fill_id) == 1


@pytest.mark.parametrize(("way", "strangers"), [(ResolutionClass.BY_CONTENT, 0), (ResolutionClass.BY_CLIENT_ID, 1)])
async def test_what_may_be_a_new_generation_is_not_adopted(
    bench: Bench, world: World, way: ResolutionClass, strangers: int
) -> None:
    """Class C: while a change is on its way, an unknown order of the same symbol and side may be what it made."""
    order, seen = await working(bench, world)
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=way)
    bench.journal.by_id[order.order_id] = replace(order, state=State.PENDING_MODIFY)
    await bench.tell(report(replace(seen, broker_order_id="b-9", client_order_id="")))
    await bench.clock.pass_time(1)
    assert sum(each.external for each in bench.journal.by_id.values()) == strangers
