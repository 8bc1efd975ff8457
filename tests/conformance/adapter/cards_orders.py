"""Cards about orders of every kind that a broker may claim."""

from decimal import Decimal

from brokergw.model.capability import Feature
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.outcome import BrokerOrder
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Ability, Bench
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import (
    PRICE,
    Listener,
    accepted,
    buy,
    market,
    new_id,
    place,
    reach,
    resting,
    show,
    told_as,
)
from tests.fixtures.permits import permit

SECOND_NS = 10**9
LIVE = (State.ACKED, State.WORKING)


async def rests(bench: Bench, broker: BrokerAdapter, terms: OrderTerms) -> BrokerOrder:
    """Place an order that cannot trade, and insist that the broker tells it back as it was meant."""
    client_order_id = new_id()
    placed = accepted(await broker.submit_order(permit(client_order_id), terms))
    assert bench.at_broker(client_order_id) == 1
    listed = await broker.get_open_orders()
    (order,) = [each for each in listed if each.broker_order_id == placed.broker_order_id]
    assert order.client_order_id == told_as(bench, client_order_id)
    assert order.terms == terms
    assert order.state in LIVE
    assert order.cum_quantity == 0
    assert order.average_price is None
    return order


@card("C11", OrderType.MARKET)
async def market_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A market order is filled near the price, exactly once, with total and average told."""
    order = await place(broker, market(bench.stock))
    filled = await reach(bench, broker, order.broker_order_id, State.FILLED)
    assert filled.cum_quantity == Decimal(10)
    assert filled.average_price is not None
    assert abs(filled.average_price - PRICE) <= 1
    assert filled.terms == market(bench.stock)
    assert bench.orders_at_broker() == 1


@card("C12", OrderType.LIMIT)
async def limit_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A limit order away from the price rests, and trades when the price comes, no worse than its limit."""
    order = await rests(bench, broker, resting(bench.stock))
    bench.pin(bench.stock, Decimal(85))
    filled = await reach(bench, broker, order.broker_order_id, State.FILLED)
    assert filled.average_price is not None
    assert filled.average_price <= 90


@card("C13", OrderType.STOP)
async def stop_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A stop rests until the price passes it."""
    terms = market(bench.stock, type=OrderType.STOP, stop_price=Decimal(110), time_in_force=TimeInForce.GTC)
    order = await rests(bench, broker, terms)
    bench.pin(bench.stock, Decimal(111))
    await reach(bench, broker, order.broker_order_id, State.FILLED)


@card("C14", OrderType.STOP_LIMIT)
async def stop_limit_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A stop-limit, once passed, does not trade beyond its limit."""
    terms = resting(bench.stock, type=OrderType.STOP_LIMIT, stop_price=Decimal(110), limit_price=Decimal(112))
    order = await rests(bench, broker, terms)
    bench.pin(bench.stock, Decimal(115))
    bench.tick()
    assert (await show(broker, order.broker_order_id)).cum_quantity == 0
    bench.pin(bench.stock, Decimal(111))
    filled = await reach(bench, broker, order.broker_order_id, State.FILLED)
    assert filled.average_price is not None
    assert filled.average_price <= 112


@card("C15", OrderType.TRAILING_STOP, Ability.TRAIL_BY_AMOUNT)
async def trailing_stop_by_amount(bench: Bench, broker: BrokerAdapter) -> None:
    """A stop that trails by an amount follows the price up and fires on the way down."""
    await buy(bench, broker)
    terms = market(bench.stock, Side.SELL, type=OrderType.TRAILING_STOP, trail_amount=Decimal(5))
    order = await rests(bench, broker, terms)
    bench.pin(bench.stock, Decimal(120))
    bench.tick()
    assert (await show(broker, order.broker_order_id)).cum_quantity == 0
    bench.pin(bench.stock, Decimal(114))
    await reach(bench, broker, order.broker_order_id, State.FILLED)


@card("C16", OrderType.TRAILING_STOP)
async def trailing_stop_by_percent(bench: Bench, broker: BrokerAdapter) -> None:
    """A stop that trails by percent is told back with its percentage."""
    await buy(bench, broker)
    terms = market(
        bench.stock,
        Side.SELL,
        type=OrderType.TRAILING_STOP,
        trail_percent=Decimal("2.5"),
        time_in_force=TimeInForce.GTC,
    )
    await rests(bench, broker, terms)


@card("C17", TimeInForce.DAY)
async def day_order(bench: Bench, broker: BrokerAdapter) -> None:
    """An order for the day is told back as one."""
    await rests(bench, broker, resting(bench.stock, time_in_force=TimeInForce.DAY))


@card("C18", TimeInForce.GTD)
async def good_till_date_order(bench: Bench, broker: BrokerAdapter) -> None:
    """An order with an end is told back with it."""
    # No broker keeps such a time finer than in milliseconds, and some only in seconds.
    expire_ns = (bench.clock.now_ns() // SECOND_NS + 24 * 3600) * SECOND_NS
    await rests(bench, broker, resting(bench.stock, time_in_force=TimeInForce.GTD, expire_time_ns=expire_ns))


@card("C19", TimeInForce.IOC)
async def immediate_or_cancel(bench: Bench, broker: BrokerAdapter) -> None:
    """An immediate-or-cancel order that finds no counterpart ends at once without a fill."""
    order = await place(broker, resting(bench.stock, time_in_force=TimeInForce.IOC))
    ended = await reach(bench, broker, order.broker_order_id, State.CANCELED, State.EXPIRED)
    assert ended.cum_quantity == 0


@card("C20", TimeInForce.FOK)
async def fill_or_kill(bench: Bench, broker: BrokerAdapter) -> None:
    """A fill-or-kill order that can be filled is filled whole, and one that cannot is not filled at all."""
    good = await place(broker, resting(bench.stock, price="110", time_in_force=TimeInForce.FOK))
    assert (await reach(bench, broker, good.broker_order_id, State.FILLED)).cum_quantity == Decimal(10)
    bad = await place(broker, resting(bench.stock, time_in_force=TimeInForce.FOK))
    ended = await reach(bench, broker, bad.broker_order_id, State.CANCELED, State.EXPIRED)
    assert ended.cum_quantity == 0


@card("C21", TimeInForce.AT_OPEN)
async def at_the_open(bench: Bench, broker: BrokerAdapter) -> None:
    """An order for the opening auction is taken as one."""
    order = await place(broker, market(bench.stock, time_in_force=TimeInForce.AT_OPEN))
    assert (await show(broker, order.broker_order_id)).terms.time_in_force is TimeInForce.AT_OPEN


@card("C22", TimeInForce.AT_CLOSE)
async def at_the_close(bench: Bench, broker: BrokerAdapter) -> None:
    """An order for the closing auction is taken as one."""
    order = await place(broker, market(bench.stock, time_in_force=TimeInForce.AT_CLOSE))
    assert (await show(broker, order.broker_order_id)).terms.time_in_force is TimeInForce.AT_CLOSE


@card("C23", Feature.NOTIONAL)
async def notional_order(bench: Bench, broker: BrokerAdapter) -> None:
    """An order for an amount of money has no quantity of its own and buys about that much."""
    order = await place(broker, market(bench.stock, quantity=None, notional=Decimal(250)))
    filled = await reach(bench, broker, order.broker_order_id, State.FILLED)
    assert (filled.terms.notional, filled.terms.quantity) == (Decimal(250), None)
    assert Decimal("2.4") < filled.cum_quantity < Decimal("2.6")


@card("C24", Feature.FRACTIONAL)
async def fractional_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A fraction of a unit trades to the last decimal."""
    filled = await buy(bench, broker, bench.fraction)
    assert filled.cum_quantity == Decimal(bench.fraction)
    position = await broker.get_position(bench.stock)
    assert position is not None
    assert position.quantity == Decimal(bench.fraction)


@card("C25", Feature.EXTENDED_HOURS)
async def extended_hours_order(bench: Bench, broker: BrokerAdapter) -> None:
    """The wish to trade outside regular hours is told back."""
    await rests(bench, broker, resting(bench.stock, time_in_force=TimeInForce.DAY, extended_hours=True))


@card("C26", OrderClass.BRACKET)
async def bracket_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A bracket has two exits; when the profit is taken the stop is cancelled and the position closed."""
    terms = resting(
        bench.stock,
        order_class=OrderClass.BRACKET,
        take_profit_limit_price=Decimal(105),
        stop_loss_stop_price=Decimal(80),
        stop_loss_limit_price=Decimal("79.5"),
    )
    entry = await rests(bench, broker, terms)
    assert len(entry.legs) == 2
    (profit,) = [leg for leg in entry.legs if leg.terms.type is OrderType.LIMIT]
    (stop,) = [leg for leg in entry.legs if leg.terms.type is OrderType.STOP_LIMIT]
    assert (profit.terms.limit_price, stop.terms.stop_price) == (Decimal(105), Decimal(80))
    bench.pin(bench.stock, Decimal(85))
    await reach(bench, broker, entry.broker_order_id, State.FILLED)
    bench.pin(bench.stock, Decimal(106))
    await reach(bench, broker, profit.broker_order_id, State.FILLED)
    await reach(bench, broker, stop.broker_order_id, State.CANCELED, State.EXPIRED)
    assert await broker.get_position(bench.stock) is None


@card("C27", OrderClass.OCO)
async def one_cancels_the_other(bench: Bench, broker: BrokerAdapter) -> None:
    """A pair of exits closes a position once: the stop fills, the limit is gone."""
    await buy(bench, broker)
    terms = OrderTerms(
        symbol=bench.stock,
        side=Side.SELL,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(10),
        order_class=OrderClass.OCO,
        take_profit_limit_price=Decimal(110),
        stop_loss_stop_price=Decimal(95),
    )
    pair = await place(broker, terms)
    shown = await show(broker, pair.broker_order_id)
    assert shown.terms.order_class is OrderClass.OCO
    assert (shown.terms.take_profit_limit_price, shown.terms.stop_loss_stop_price) == (Decimal(110), Decimal(95))
    bench.pin(bench.stock, Decimal(94))
    ended = await reach(bench, broker, pair.broker_order_id, State.CANCELED, State.EXPIRED)
    assert [leg.state for leg in ended.legs] == [State.FILLED]
    assert await broker.get_position(bench.stock) is None


@card("C28", OrderClass.OTO)
async def one_triggers_the_other(bench: Bench, broker: BrokerAdapter) -> None:
    """An entry with one exit: the exit is held until the entry fills, then it works."""
    terms = resting(bench.stock, order_class=OrderClass.OTO, stop_loss_stop_price=Decimal(80))
    entry = await rests(bench, broker, terms)
    (stop,) = entry.legs
    assert stop.state is State.ACKED
    bench.pin(bench.stock, Decimal(85))
    await reach(bench, broker, entry.broker_order_id, State.FILLED)
    bench.pin(bench.stock, Decimal(79))
    await reach(bench, broker, stop.broker_order_id, State.FILLED)


@card("C29", OrderClass.MULTI_LEG)
async def multi_leg_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A spread is one order whose legs are told back, and can be cancelled as one."""
    call, put = bench.spread
    legs = (Leg(call, Side.BUY, 1, PositionEffect.OPEN), Leg(put, Side.BUY, 1, PositionEffect.OPEN))
    terms = resting("", "1", "0.5", order_class=OrderClass.MULTI_LEG, legs=legs, time_in_force=TimeInForce.DAY)
    order = await rests(bench, broker, terms)
    await broker.cancel_order(order.broker_order_id)
    await reach(bench, broker, order.broker_order_id, State.CANCELED)


@card("C33", OrderClass.MULTI_LEG)
async def multi_leg_fill(bench: Bench, broker: BrokerAdapter) -> None:
    """A spread that fills is told as one execution, alike by the stream and afterwards, and both legs are held."""
    call, put = bench.spread
    since_ns = bench.clock.now_ns()
    legs = (Leg(call, Side.BUY, 1, PositionEffect.OPEN), Leg(put, Side.BUY, 1, PositionEffect.OPEN))
    terms = resting("", "2", "90", order_class=OrderClass.MULTI_LEG, legs=legs, time_in_force=TimeInForce.DAY)
    async with Listener(bench, broker) as live:
        order = await place(broker, terms)
        await live.until(lambda: State.FILLED in live.states(order.broker_order_id))
    async with Listener(bench, broker, since_ns) as later:
        pass
    (told,), (again,) = live.fills(), later.fills()
    assert (told.execution_id, told.quantity, told.price) == (again.execution_id, again.quantity, again.price)
    assert told.quantity == Decimal(2)
    assert {held.symbol: held.quantity for held in await broker.get_positions()} == {call: Decimal(2), put: Decimal(2)}


@card("C30", AssetClass.CRYPTO)
async def crypto_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A pair is bought and held under one and the same symbol."""
    bench.pin(bench.crypto, Decimal(50_000))
    order = await place(broker, market(bench.crypto, quantity="0.01", time_in_force=TimeInForce.GTC))
    filled = await reach(bench, broker, order.broker_order_id, State.FILLED)
    assert filled.terms.symbol == bench.crypto
    position = await broker.get_position(bench.crypto)
    assert position is not None
    assert (position.symbol, position.asset_class) == (bench.crypto, AssetClass.CRYPTO)
    # A fee may be taken out of what was bought.
    assert Decimal("0.0099") < position.quantity <= Decimal("0.01")


@card("C31", AssetClass.OPTION)
async def option_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A contract is bought and held under its own symbol."""
    order = await place(broker, market(bench.option, quantity="1", position_effect=PositionEffect.OPEN))
    await reach(bench, broker, order.broker_order_id, State.FILLED)
    position = await broker.get_position(bench.option)
    assert position is not None
    assert (position.quantity, position.asset_class) == (Decimal(1), AssetClass.OPTION)


@card("C32")
async def partial_fills(bench: Bench, broker: BrokerAdapter) -> None:
    """An order larger than the market is partly filled, and its totals rise to the whole."""
    bench.pin(bench.deep, Decimal(10))
    order = await place(broker, resting(bench.deep, "12000", "11"))
    partly = await reach(bench, broker, order.broker_order_id, State.PARTIAL)
    assert Decimal(0) < partly.cum_quantity < Decimal(12000)
    filled = await reach(bench, broker, order.broker_order_id, State.FILLED)
    assert filled.cum_quantity == Decimal(12000)
