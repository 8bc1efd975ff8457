"""Cards about a wire that fails: what is unknown is never called refused, and nothing is sent twice."""

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Absent, Found, NotSent, Unknown
from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Ability, Bench, Mishap
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import new_id, place, reach, resting
from tests.fixtures.permits import permit


async def taken_but_unknown(bench: Bench, broker: BrokerAdapter, mishap: Mishap) -> None:
    """Send an order whose answer goes wrong after the broker took it, and find it afterwards."""
    client_order_id, terms = new_id(), resting(bench.stock)
    bench.mishap(mishap)
    assert isinstance(await broker.submit_order(permit(client_order_id), terms), Unknown)
    assert bench.sent() == 1
    lookup = await broker.find_order(client_order_id)
    assert isinstance(lookup, Found)
    assert lookup.order.terms == terms
    assert bench.at_broker(client_order_id) == 1


async def not_taken(bench: Bench, broker: BrokerAdapter, mishap: Mishap, kind: type) -> None:
    """Send an order that the broker does not take, and insist on how that is told."""
    client_order_id = new_id()
    bench.mishap(mishap)
    assert isinstance(await broker.submit_order(permit(client_order_id), resting(bench.stock)), kind)
    assert bench.sent() == 1
    assert bench.at_broker(client_order_id) == 0


@card("C50", Ability.NETWORK)
async def lost_reply(bench: Bench, broker: BrokerAdapter) -> None:
    """An order whose answer is lost is unknown, was sent once, and is found."""
    await taken_but_unknown(bench, broker, Mishap.LOST_REPLY)


@card("C51", Ability.NETWORK)
async def error_after_accept(bench: Bench, broker: BrokerAdapter) -> None:
    """A server error proves nothing: the order was taken all the same, and is found."""
    await taken_but_unknown(bench, broker, Mishap.ERROR_AFTER)


@card("C52", Ability.NETWORK)
async def garbled_reply(bench: Bench, broker: BrokerAdapter) -> None:
    """An answer that cannot be read leaves the order unknown, and it is found."""
    await taken_but_unknown(bench, broker, Mishap.GARBLED_REPLY)


@card("C53", Ability.NETWORK)
async def hanging_reply(bench: Bench, broker: BrokerAdapter) -> None:
    """A broker that never answers is given up in time; the order is unknown, and is found."""
    await taken_but_unknown(bench, broker, Mishap.HANGING_REPLY)


@card("C54", Ability.NETWORK)
async def error_before_accept(bench: Bench, broker: BrokerAdapter) -> None:
    """The same server error without an order behind it is unknown too, and the look-up says absent."""
    await not_taken(bench, broker, Mishap.ERROR_BEFORE, Unknown)


@card("C55", Ability.NETWORK)
async def reset_while_sending(bench: Bench, broker: BrokerAdapter) -> None:
    """A connection cut while sending leaves the order unknown, never not sent."""
    await not_taken(bench, broker, Mishap.RESET, Unknown)


@card("C56", Ability.NETWORK)
async def reset_on_a_used_connection(bench: Bench, broker: BrokerAdapter) -> None:
    """The same on a connection that has served before: no layer sends the order again."""
    await broker.ping()
    await not_taken(bench, broker, Mishap.RESET, Unknown)


@card("C57", Ability.NETWORK)
async def connection_refused(bench: Bench, broker: BrokerAdapter) -> None:
    """Where nobody listens, every command is provably not sent."""
    unreachable = bench.open_unreachable()
    assert isinstance(await unreachable.submit_order(permit(new_id()), resting(bench.stock)), NotSent)
    assert isinstance(await unreachable.cancel_order("any"), NotSent)
    assert isinstance(await unreachable.cancel_all(), NotSent)
    assert isinstance(await unreachable.flatten(bench.stock), NotSent)
    assert isinstance(await unreachable.close_all(), NotSent)
    await unreachable.disconnect()
    assert bench.sent() == bench.orders_at_broker() == 0


@card("C58", Ability.NETWORK)
async def rate_limited(bench: Bench, broker: BrokerAdapter) -> None:
    """A command thrown away for want of budget is not sent, tells when to come back, and leaves nothing."""
    client_order_id = new_id()
    bench.mishap(Mishap.RATE_LIMITED)
    outcome = await broker.submit_order(permit(client_order_id), resting(bench.stock))
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after_s is not None
    assert outcome.retry_after_s > 0
    assert bench.at_broker(client_order_id) == 0


@card("C59", Ability.NETWORK)
async def queries_while_down(bench: Bench, broker: BrokerAdapter) -> None:
    """A broker that cannot be reached is never mistaken for an empty account."""
    unreachable = bench.open_unreachable()
    asks = (
        unreachable.authenticate(),
        unreachable.ping(),
        unreachable.get_positions(),
        unreachable.get_position(bench.stock),
        unreachable.get_open_orders(),
        unreachable.order_history(0, bench.clock.now_ns()),
        unreachable.transactions(0, bench.clock.now_ns()),
        unreachable.get_quotes([bench.stock]),
        unreachable.get_instrument(bench.stock),
    )
    for ask in asks:
        with pytest.raises(GatewayError) as caught:
            await ask
        assert caught.value.reason is Reason.BROKER_UNREACHABLE
    await unreachable.disconnect()


@card("C60", Ability.NETWORK)
async def cancel_with_a_lost_reply(bench: Bench, broker: BrokerAdapter) -> None:
    """A cancel whose answer is lost is unknown; the order tells that it worked."""
    order = await place(broker, resting(bench.stock))
    bench.mishap(Mishap.LOST_REPLY, method="DELETE")
    assert isinstance(await broker.cancel_order(order.broker_order_id), Unknown)
    await reach(bench, broker, order.broker_order_id, State.CANCELED)


@card("C61", Ability.NETWORK)
async def closing_with_a_lost_reply(bench: Bench, broker: BrokerAdapter) -> None:
    """Closing a position whose answer is lost is unknown and is not sent again: one order, not two."""
    order = await place(broker, resting(bench.stock, price="110"))
    await reach(bench, broker, order.broker_order_id, State.FILLED)
    before = bench.orders_at_broker()
    bench.mishap(Mishap.LOST_REPLY, method=bench.closing_method)
    assert isinstance(await broker.flatten(bench.stock), Unknown)
    assert bench.orders_at_broker() == before + 1


@card("C62", Ability.NETWORK)
async def absent_after_not_taken(bench: Bench, broker: BrokerAdapter) -> None:
    """After an unknown that came to nothing the look-up says absent, and the same id may be used again."""
    client_order_id = new_id()
    bench.mishap(Mishap.ERROR_BEFORE)
    assert isinstance(await broker.submit_order(permit(client_order_id), resting(bench.stock)), Unknown)
    assert await broker.find_order(client_order_id) == Absent()
    await broker.submit_order(permit(client_order_id), resting(bench.stock))
    assert bench.at_broker(client_order_id) == 1
