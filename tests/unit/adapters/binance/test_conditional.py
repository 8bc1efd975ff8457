"""A conditional order at futures and its child are one order, live and afterwards, in whatever order events come."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, OrderReport, Rejected
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.sim.faults import Fault, FaultName
from tests.conformance.adapter.bench import Bench
from tests.conformance.adapter.bench_binance import FuturesBench, futures_bench
from tests.conformance.adapter.steps import Listener, accepted, market, market_time, new_id, reach
from tests.fixtures.permits import permit


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """The futures account, with the price at 100."""
    async with futures_bench() as found:
        found.pin(found.stock, Decimal(100))
        yield found


@pytest.mark.parametrize("late", [False, True])
async def test_a_triggered_stop_is_told_as_one_order(bench: Bench, late: bool) -> None:  # noqa: FBT001 - a case
    """The stream tells fill and end under the stop's own id, also when the event that links the two is lost."""
    market_time.set(TimeInForce.GTC)
    broker = bench.open()
    assert isinstance(bench, FuturesBench)
    since_ns = bench.clock.now_ns()
    async with Listener(bench, broker) as live:
        order = accepted(
            await broker.submit_order(
                permit(new_id()), market(bench.stock, type=OrderType.STOP, stop_price=Decimal(110))
            )
        )
        if late:
            bench._server.faults.arm(Fault(name=FaultName.DROPPED_EVENTS, event="ALGO_UPDATE", count=None))
        bench.pin(bench.stock, Decimal(111))
        await live.until(lambda: State.FILLED in live.states(order.broker_order_id))
    (fill,) = live.fills()
    assert fill.quantity == Decimal(10)
    async with Listener(bench, broker, since_ns) as later:
        pass
    assert [each.execution_id for each in later.fills(order.broker_order_id)] == [fill.execution_id]
    assert {each.order.broker_order_id for each in later._reports("")} == {order.broker_order_id}
    filled = await reach(bench, broker, order.broker_order_id, State.FILLED)
    told = [each.fill for each in await broker.fills_of(filled) if isinstance(each, OrderReport)]
    assert told == later.fills(order.broker_order_id)
    await broker.disconnect()


async def test_a_child_that_rests_is_cancelled_by_its_parents_id(bench: Bench) -> None:
    """Once triggered, a stop-limit's child is what is open; it is listed and cancelled by the parent's id."""
    market_time.set(TimeInForce.GTC)
    broker = bench.open()
    terms = market(
        bench.stock,
        Side.BUY,
        type=OrderType.STOP_LIMIT,
        stop_price=Decimal(110),
        limit_price=Decimal(112),
        time_in_force=TimeInForce.GTC,
    )
    order = accepted(await broker.submit_order(permit(new_id()), terms))
    bench.pin(bench.stock, Decimal(115))
    bench.tick()
    (listed,) = await broker.get_open_orders()
    assert (listed.broker_order_id, listed.state) == (order.broker_order_id, State.TRIGGERED)
    assert isinstance(await broker.cancel_order(order.broker_order_id), Accepted)
    await reach(bench, broker, order.broker_order_id, State.CANCELED)
    outcome = await broker.cancel_order(order.broker_order_id)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "ORDER_NOT_OPEN"
    await broker.disconnect()
