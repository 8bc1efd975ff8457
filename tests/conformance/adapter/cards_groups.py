"""Cards about groups as wholes: found after a lost answer, cancelled as one, and heard of on the stream."""

from decimal import Decimal

from brokergw.model.capability import Feature
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, Found, Unknown
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Ability, Bench, Mishap
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import Listener, buy, look_for, new_id, place, reach, resting, show
from tests.fixtures.permits import permit

OVER = (State.CANCELED, State.EXPIRED)


def bracket(bench: Bench) -> OrderTerms:
    """Make an entry far below the price with two exits around it."""
    return resting(
        bench.stock,
        order_class=OrderClass.BRACKET,
        take_profit_limit_price=Decimal(105),
        stop_loss_stop_price=Decimal(80),
    )


def pair(bench: Bench) -> OrderTerms:
    """Make a pair of exits around the price."""
    return OrderTerms(
        symbol=bench.stock,
        side=Side.SELL,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(10),
        order_class=OrderClass.OCO,
        take_profit_limit_price=Decimal(110),
        stop_loss_stop_price=Decimal(95),
    )


@card("C112", OrderClass.BRACKET, Ability.NETWORK)
async def lost_group(bench: Bench, broker: BrokerAdapter) -> None:
    """A group whose answer is lost is unknown, was made once, and is found whole."""
    client_order_id, terms = new_id(), bracket(bench)
    bench.mishap(Mishap.LOST_REPLY)
    assert isinstance(await broker.submit_order(permit(client_order_id), terms), Unknown)
    lookup = await look_for(bench, broker, client_order_id, terms)
    assert isinstance(lookup, Found)
    assert lookup.order.terms == terms
    assert len(lookup.order.legs) == 2
    assert bench.at_broker(client_order_id) == 1


@card("C113", OrderClass.BRACKET)
async def cancelled_group(bench: Bench, broker: BrokerAdapter) -> None:
    """With an entry that waits its exits are cancelled, and nothing is left open."""
    entry = await place(broker, bracket(bench))
    assert isinstance(await broker.cancel_order(entry.broker_order_id), Accepted)
    await reach(bench, broker, entry.broker_order_id, State.CANCELED)
    for leg in entry.legs:
        await reach(bench, broker, leg.broker_order_id, *OVER)
    assert await broker.get_open_orders() == []


@card("C114", OrderClass.OTO, Feature.ORDER_STREAM)
async def group_on_the_stream(bench: Bench, broker: BrokerAdapter) -> None:
    """The stream tells each order of a group under its own id: the entry's fill, then the exit's, each once."""
    async with Listener(bench, broker) as live:
        entry = await place(broker, resting(bench.stock, order_class=OrderClass.OTO, stop_loss_stop_price=Decimal(80)))
        (stop,) = entry.legs
        bench.pin(bench.stock, Decimal(85))
        await live.until(lambda: State.FILLED in live.states(entry.broker_order_id))
        bench.pin(bench.stock, Decimal(79))
        await live.until(lambda: State.FILLED in live.states(stop.broker_order_id))
        assert sum(fill.quantity for fill in live.fills(entry.broker_order_id)) == Decimal(10)
        assert sum(fill.quantity for fill in live.fills(stop.broker_order_id)) == Decimal(10)
    assert await broker.get_position(bench.stock) is None


@card("C115", OrderClass.OCO)
async def cancelled_exit(bench: Bench, broker: BrokerAdapter) -> None:
    """A pair of exits that loses one by a cancel loses both, and what it held is free again."""
    await buy(bench, broker)
    placed = await place(broker, pair(bench))
    (stop,) = (await show(broker, placed.broker_order_id)).legs
    assert isinstance(await broker.cancel_order(stop.broker_order_id), Accepted)
    await reach(bench, broker, placed.broker_order_id, *OVER)
    await reach(bench, broker, stop.broker_order_id, *OVER)
    position = await broker.get_position(bench.stock)
    assert position is not None
    assert position.available_quantity == Decimal(10)
