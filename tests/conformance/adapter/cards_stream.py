"""Cards about the order stream: everything is told, once, in order, also over a loss."""

from contextlib import aclosing
from decimal import Decimal

from brokergw.model.capability import Feature
from brokergw.model.lifecycle import State
from brokergw.model.outcome import FeedDown, FeedUp, OrderReport
from brokergw.ports.broker import BrokerAdapter, Change
from tests.conformance.adapter.bench import Ability, Bench
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import Listener, buy, market, place, reach, resting
from tests.fixtures.permits import permit


@card("C77", Feature.ORDER_STREAM)
async def order_and_fill_are_told(bench: Bench, broker: BrokerAdapter) -> None:
    """A market order is told as filled, with its execution and the position after it."""
    async with Listener(bench, broker) as listener:
        order = await place(broker, market(bench.stock))
        await listener.until(lambda: State.FILLED in listener.states(order.broker_order_id))
    (fill,) = listener.fills(order.broker_order_id)
    assert fill.quantity == Decimal(10)
    assert abs(fill.price - 100) <= 1
    assert fill.position_quantity in {None, Decimal(10)}
    assert abs(fill.trade_time_ns - bench.clock.now_ns()) < 60_000_000_000


@card("C78", Feature.ORDER_STREAM)
async def working_and_cancelled_are_told(bench: Bench, broker: BrokerAdapter) -> None:
    """A resting order is told as working, and its cancel after that."""
    async with Listener(bench, broker) as listener:
        order = await place(broker, resting(bench.stock))
        await listener.until(lambda: State.WORKING in listener.states(order.broker_order_id))
        await broker.cancel_order(order.broker_order_id)
        await listener.until(lambda: State.CANCELED in listener.states(order.broker_order_id))
    states = listener.states(order.broker_order_id)
    assert states.index(State.WORKING) < states.index(State.CANCELED)
    assert listener.fills() == []


@card("C79", Feature.ORDER_STREAM)
async def partial_fills_add_up(bench: Bench, broker: BrokerAdapter) -> None:
    """Each execution is told with its own id, and they add up to the order's total."""
    bench.pin(bench.deep, Decimal(10))
    async with Listener(bench, broker) as listener:
        order = await place(broker, resting(bench.deep, "12000", "11"))
        await listener.until(lambda: State.FILLED in listener.states(order.broker_order_id))
    fills = listener.fills(order.broker_order_id)
    assert len(fills) > 1
    assert sum(fill.quantity for fill in fills) == Decimal(12000)
    totals = [
        event.order.cum_quantity
        for event in listener.events
        if isinstance(event, OrderReport) and event.fill is not None
    ]
    assert totals == sorted(totals)


@card("C80", Feature.ORDER_STREAM, Feature.MODIFY)
async def a_change_is_told(bench: Bench, broker: BrokerAdapter) -> None:
    """A change made by the gateway comes back on the stream with the new terms."""
    async with Listener(bench, broker) as listener:
        old = await place(broker, resting(bench.stock))
        await listener.until(lambda: State.WORKING in listener.states(old.broker_order_id))
        await broker.modify_order(permit(""), old.broker_order_id, Change(limit_price=Decimal(91)))

        def told() -> bool:
            reports = [event.order for event in listener.events if isinstance(event, OrderReport)]
            return any(order.terms.limit_price == Decimal(91) for order in reports)

        await listener.until(told)


@card("C81", Feature.ORDER_STREAM)
async def the_past_is_told_first(bench: Bench, broker: BrokerAdapter) -> None:
    """Who listens from a moment in the past hears what happened since, before the feed is up."""
    since_ns = bench.clock.now_ns()
    bought = await buy(bench, broker)
    rests = await place(broker, resting(bench.stock))
    async with Listener(bench, broker, since_ns) as listener:
        first_up = next(i for i, event in enumerate(listener.events) if isinstance(event, FeedUp))
        before = [event for event in listener.events[:first_up] if isinstance(event, OrderReport)]
    assert {report.order.broker_order_id for report in before} == {bought.broker_order_id, rests.broker_order_id}
    assert all(report.replayed for report in before)
    (fill,) = listener.fills()
    assert fill.quantity == Decimal(10)


@card("C82", Feature.ORDER_STREAM)
async def one_execution_has_one_id(bench: Bench, broker: BrokerAdapter) -> None:
    """The stream, a later back-fill and the order's own history name an execution alike."""
    bench.pin(bench.deep, Decimal(10))
    since_ns = bench.clock.now_ns()
    async with Listener(bench, broker) as live:
        order = await place(broker, resting(bench.deep, "12000", "11"))
        await live.until(lambda: State.FILLED in live.states(order.broker_order_id))
    async with Listener(bench, broker, since_ns) as later:
        pass
    filled = await reach(bench, broker, order.broker_order_id, State.FILLED)
    reports = await broker.fills_of(filled)
    of_order = [event.fill.execution_id for event in reports if isinstance(event, OrderReport) and event.fill]
    told = [fill.execution_id for fill in live.fills()]
    assert told == [fill.execution_id for fill in later.fills()] == of_order
    assert len(set(told)) == len(told) > 1


@card("C83", Feature.ORDER_STREAM, Ability.STREAM_LOSS)
async def a_loss_is_made_good(bench: Bench, broker: BrokerAdapter) -> None:
    """Over a cut stream the listener hears down, what it missed, then up: each execution once and none missing."""
    async with Listener(bench, broker) as listener:
        first = await place(broker, market(bench.stock, quantity="1"))
        await listener.until(lambda: State.FILLED in listener.states(first.broker_order_id))
        waiting = await place(broker, resting(bench.stock))
        await listener.until(lambda: State.WORKING in listener.states(waiting.broker_order_id))
        bench.hold_stream(held=True)
        await bench.cut_stream()
        await listener.until(lambda: FeedDown in listener.feed())
        missed_id = await bench.trade_meanwhile(broker, "2", waiting.broker_order_id)
        bench.hold_stream(held=False)
        await listener.until(lambda: listener.feed()[-1] is FeedUp)
        told_by_then = {fill.quantity for fill in listener.fills()}
        last = await place(broker, market(bench.stock, quantity="3"))
        await listener.until(lambda: State.FILLED in listener.states(last.broker_order_id))
    assert listener.feed() == [FeedUp, FeedDown, FeedUp]
    assert told_by_then == {Decimal(1), Decimal(2)}
    assert listener.states(missed_id)[-1] is State.FILLED
    assert listener.states(waiting.broker_order_id)[-1] is State.CANCELED
    executions = [e.fill for e in listener.events if isinstance(e, OrderReport) and e.fill is not None]
    assert [fill.quantity for fill in executions] == [Decimal(1), Decimal(2), Decimal(3)]


@card("C84", Feature.ORDER_STREAM, Ability.STREAM_LOSS)
async def many_losses_lose_nothing(bench: Bench, broker: BrokerAdapter) -> None:
    """With the stream cut again and again among twenty fills, each is told, under an id of its own."""
    async with Listener(bench, broker) as listener:
        for number in range(20):
            await place(broker, market(bench.stock, quantity=str(number + 1)))
            if number % 3 == 0:
                await bench.cut_stream()
        await listener.until(lambda: len(listener.fills()) == 20)
    assert sorted(fill.quantity for fill in listener.fills()) == [Decimal(n) for n in range(1, 21)]


@card("C85", Feature.ORDER_STREAM, Ability.STREAM_LOSS)
async def repeated_events_are_one_execution(bench: Bench, broker: BrokerAdapter) -> None:
    """An execution that the broker tells twice has the same id both times."""
    bench.repeat_events()
    async with Listener(bench, broker) as listener:
        order = await place(broker, market(bench.stock))
        await listener.until(lambda: State.FILLED in listener.states(order.broker_order_id))
        marker = await place(broker, market(bench.stock, quantity="1"))
        await listener.until(lambda: State.FILLED in listener.states(marker.broker_order_id))
    assert len(listener.fills(order.broker_order_id)) == 1


@card("C86", Feature.ORDER_STREAM, Ability.CREDENTIALS)
async def a_stream_with_wrong_keys_is_down(bench: Bench, broker: BrokerAdapter) -> None:
    """A stream that the broker refuses is told as down and never as up."""
    stranger = bench.open_with_wrong_keys()
    async with aclosing(stranger.subscribe(bench.clock.now_ns())) as events:  # type: ignore[type-var]
        assert isinstance(await anext(events), FeedDown)
    await stranger.disconnect()
