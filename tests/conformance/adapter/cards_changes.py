"""Cards about changing, cancelling and closing."""

from decimal import Decimal

from brokergw.model.capability import Feature
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, Rejected
from brokergw.model.terms import Side
from brokergw.ports.broker import BrokerAdapter, Change
from tests.conformance.adapter.bench import Ability, Bench
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import accepted, buy, eventually, new_id, place, reach, rejected, resting, show
from tests.fixtures.permits import permit


@card("C63", Feature.MODIFY)
async def change_of_price_and_quantity(bench: Bench, broker: BrokerAdapter) -> None:
    """A change gives an order of the new terms, and where that is a new generation each names the other."""
    old = await place(broker, resting(bench.stock))
    await reach(bench, broker, old.broker_order_id, State.WORKING)
    change = Change(limit_price=Decimal(91), quantity=Decimal(12))
    new = accepted(await broker.modify_order(permit(new_id()), old.broker_order_id, change))
    shown = await show(broker, new.broker_order_id)
    assert (shown.terms.limit_price, shown.terms.quantity) == (Decimal(91), Decimal(12))
    if new.broker_order_id != old.broker_order_id:
        assert new.replaces == old.broker_order_id
        assert (await show(broker, old.broker_order_id)).replaced_by == new.broker_order_id
    assert [order.broker_order_id for order in await broker.get_open_orders()] == [new.broker_order_id]


@card("C64", Feature.MODIFY)
async def change_of_a_filled_order(bench: Bench, broker: BrokerAdapter) -> None:
    """What is filled cannot be changed: a refusal, not an error."""
    filled = await buy(bench, broker)
    outcome = await broker.modify_order(permit(new_id()), filled.broker_order_id, Change(quantity=Decimal(20)))
    assert isinstance(outcome, Rejected)
    assert outcome.reason in {"REPLACE_REJECTED", "ORDER_NOT_OPEN"}


@card("C65", Feature.MODIFY)
async def change_of_a_partly_filled_order(bench: Bench, broker: BrokerAdapter) -> None:
    """What was filled before a change still counts: the quantity is the new total."""
    bench.pin(bench.deep, Decimal(10))
    old = await place(broker, resting(bench.deep, "12000", "11"))
    partly = await reach(bench, broker, old.broker_order_id, State.PARTIAL)
    bench.pin(bench.deep, Decimal(20))
    new = accepted(await broker.modify_order(permit(new_id()), old.broker_order_id, Change(quantity=Decimal(11000))))
    shown = await show(broker, new.broker_order_id)
    assert shown.cum_quantity == partly.cum_quantity
    bench.pin(bench.deep, Decimal(10))
    assert (await reach(bench, broker, new.broker_order_id, State.FILLED)).cum_quantity == Decimal(11000)


@card("C66")
async def cancel(bench: Bench, broker: BrokerAdapter) -> None:
    """A cancelled order ends as cancelled and is no longer open."""
    order = await place(broker, resting(bench.stock))
    assert isinstance(await broker.cancel_order(order.broker_order_id), Accepted)
    ended = await reach(bench, broker, order.broker_order_id, State.CANCELED)
    assert ended.cum_quantity == 0
    assert list(await broker.get_open_orders()) == []


@card("C67")
async def cancel_of_a_filled_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A cancel that comes too late is a refusal as not open, not an error."""
    filled = await buy(bench, broker)
    rejected(await broker.cancel_order(filled.broker_order_id), "ORDER_NOT_OPEN")
    assert (await show(broker, filled.broker_order_id)).state is State.FILLED


@card("C68")
async def cancel_of_an_unknown_order(bench: Bench, broker: BrokerAdapter) -> None:
    """A cancel of what the broker does not know is refused as not found."""
    rejected(await broker.cancel_order(bench.missing), "NOT_FOUND")


@card("C69")
async def cancel_after_a_partial_fill(bench: Bench, broker: BrokerAdapter) -> None:
    """A cancel ends the rest and keeps what was filled."""
    bench.pin(bench.deep, Decimal(10))
    order = await place(broker, resting(bench.deep, "12000", "11"))
    partly = await reach(bench, broker, order.broker_order_id, State.PARTIAL)
    assert isinstance(await broker.cancel_order(order.broker_order_id), Accepted)
    ended = await reach(bench, broker, order.broker_order_id, State.CANCELED)
    assert ended.cum_quantity == partly.cum_quantity > 0


@card("C70", Feature.CANCEL_ALL)
async def cancel_all(bench: Bench, broker: BrokerAdapter) -> None:
    """Every open order ends, and again with none open nothing is wrong."""
    for price in ("90", "91", "92"):
        await place(broker, resting(bench.stock, price=price))
    assert len(await broker.get_open_orders()) == 3
    assert isinstance(await broker.cancel_all(), Accepted)

    async def none_open() -> bool | None:
        return None if await broker.get_open_orders() else True

    assert await eventually(bench, none_open)
    assert isinstance(await broker.cancel_all(), Accepted)


@card("C71")
async def open_orders_are_the_open_ones(bench: Bench, broker: BrokerAdapter) -> None:
    """The list of open orders has those that may trade, and neither the filled nor the cancelled."""
    await buy(bench, broker)
    gone = await place(broker, resting(bench.stock, price="80"))
    await broker.cancel_order(gone.broker_order_id)
    await reach(bench, broker, gone.broker_order_id, State.CANCELED)
    stays = await place(broker, resting(bench.stock, price="81"))
    assert [order.broker_order_id for order in await broker.get_open_orders()] == [stays.broker_order_id]


@card("C72", Feature.CLOSE_POSITION)
async def flatten(bench: Bench, broker: BrokerAdapter) -> None:
    """Flattening sells what is held and nothing else."""
    await buy(bench, broker)
    await buy(bench, broker, "5", bench.deep)
    assert isinstance(await broker.flatten(bench.stock), Accepted)
    await position_gone(bench, broker, bench.stock)
    other = await broker.get_position(bench.deep)
    assert other is not None
    assert other.quantity == Decimal(5)


@card("C73", Feature.CLOSE_POSITION, Feature.SHORT)
async def flatten_of_a_short_position(bench: Bench, broker: BrokerAdapter) -> None:
    """Flattening a short position buys it back."""
    order = await place(broker, resting(bench.stock, "4", side=Side.SELL))
    await reach(bench, broker, order.broker_order_id, State.FILLED)
    assert isinstance(await broker.flatten(bench.stock), Accepted)
    await position_gone(bench, broker, bench.stock)


@card("C74", Feature.CLOSE_POSITION)
async def flatten_of_nothing(bench: Bench, broker: BrokerAdapter) -> None:
    """Without a position there is nothing to close, and no order is made."""
    rejected(await broker.flatten(bench.stock), "NOT_FOUND")
    assert bench.orders_at_broker() == 0


@card("C75", Feature.CLOSE_POSITION, Ability.HOLDS)
async def flatten_of_what_orders_hold(bench: Bench, broker: BrokerAdapter) -> None:
    """A position that an open order holds is not closed over it."""
    await buy(bench, broker)
    await place(broker, resting(bench.stock, "10", "200", side=Side.SELL))
    rejected(await broker.flatten(bench.stock), "INSUFFICIENT_POSITION")


@card("C76", Feature.CLOSE_POSITION)
async def close_all(bench: Bench, broker: BrokerAdapter) -> None:
    """Everything open is cancelled and everything held is closed."""
    await buy(bench, broker)
    await buy(bench, broker, "5", bench.deep)
    await place(broker, resting(bench.stock, "10", "200", side=Side.SELL))
    assert isinstance(await broker.close_all(), Accepted)
    await position_gone(bench, broker, bench.stock)
    await position_gone(bench, broker, bench.deep)
    assert list(await broker.get_open_orders()) == []
    assert isinstance(await broker.close_all(), Accepted)


async def position_gone(bench: Bench, broker: BrokerAdapter, symbol: str) -> None:
    """Wait until nothing is held of a symbol."""

    async def none_held() -> bool | None:
        return True if await broker.get_position(symbol) is None else None

    assert await eventually(bench, none_held)
