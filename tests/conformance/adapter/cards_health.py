"""Cards about a broker that says no to everything: one reason, one word for the person, nothing sent, and a way back.

While it lasts the broker gives the answer of its own (`Bench.says`). What it comes to is read as the gateway reads it,
so that the words are those of the connection's card. A wrong symbol, a price between two ticks and an order without
funds are cards C36, C39 and C35.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from brokergw.desk.ailment import ailment_of
from brokergw.desk.telling import nothing_sent
from brokergw.model.capability import Feature
from brokergw.model.errors import GatewayError, OrderEffect, Reason, Retry
from brokergw.model.outcome import Absent, Accepted, FeedDown, FeedUp, NotSent, Rejected
from brokergw.model.remedy import WORDS, Remedy, health_of
from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Ability, Ail, Bench, Saying
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import Listener, eventually, look_for, market, new_id, place, rejected, resting
from tests.fixtures.half_open import half_open_wire
from tests.fixtures.permits import permit

_WAIT_S = 30
_HEALED_S = 30.0
"""Within which a broker that is well again is used again: each connection that died costs its own time to notice."""


@asynccontextmanager
async def ailing(bench: Bench, broker: BrokerAdapter, saying: Saying) -> AsyncIterator[GatewayError]:
    """Let the broker say one thing to everything, give what a question comes to meanwhile, and see it heal."""
    await broker.get_open_orders()
    before = bench.orders_at_broker()
    bench.say(saying)
    with pytest.raises(GatewayError) as caught:
        await broker.get_open_orders()
    yield caught.value
    assert bench.orders_at_broker() == before
    bench.recover()
    await heals(bench, broker)


async def heals(bench: Bench, broker: BrokerAdapter) -> None:
    """Insist that the same adapter works again as soon as its broker does, for questions and for orders."""

    async def answered() -> bool | None:
        try:
            await broker.get_account()
        except GatewayError:
            return None
        return True

    async def taken() -> bool | None:
        return isinstance(await broker.submit_order(permit(new_id()), resting(bench.stock)), Accepted) or None

    await eventually(bench, answered, _HEALED_S)
    await eventually(bench, taken, _HEALED_S)


def told(bench: Bench, error: GatewayError, reason: Reason, remedy: Remedy) -> str:
    """Insist on the reason and on what a person reads, and give all of that."""
    assert error.reason is reason, error
    ailment = ailment_of(error, bench.clock.now_ns())
    assert ailment is not None
    assert (ailment.remedy, ailment.health) == (remedy, health_of(remedy))
    assert not any(secret in ailment.words for secret in bench.secrets)
    return ailment.words


async def not_sent(broker: BrokerAdapter, bench: Bench, reason: Reason) -> NotSent:
    """Insist that an order is not sent, for a reason under which its key may be used again."""
    outcome = await broker.submit_order(permit(new_id()), resting(bench.stock))
    assert isinstance(outcome, NotSent), outcome
    assert outcome.reason is reason
    error = nothing_sent(outcome, "ord_exam")
    assert (error.reason, error.effect, error.retry) == (reason, OrderEffect.NONE, Retry.SAME_KEY)
    return outcome


async def refused(bench: Bench, broker: BrokerAdapter, ail: Ail) -> None:
    """Let every way in which the broker refuses the credentials be told as one."""
    for saying in bench.says[ail]:
        async with ailing(bench, broker, saying) as error:
            words = told(bench, error, Reason.BROKER_CREDENTIALS_REFUSED, bench.renewal)
            assert words.endswith(f": {WORDS[bench.renewal]}")
            outcome = await not_sent(broker, bench, Reason.BROKER_CREDENTIALS_REFUSED)
            assert outcome.retry_after_s is None


async def thrown_back(bench: Bench, broker: BrokerAdapter, ail: Ail) -> None:
    """Let a broker that wants to be left alone be left alone until the time that it has named.

    Orders may have a budget of their own, which one cancel finds spent; after that nothing goes out any more.
    """
    order = await place(broker, resting(bench.stock))
    for saying in bench.says[ail]:
        async with ailing(bench, broker, saying) as error:
            words = told(bench, error, Reason.BROKER_RATE_LIMITED, Remedy.WAIT)
            assert ": wait until " in words
            assert error.retry_after_s is not None
            assert _WAIT_S - 5 < error.retry_after_s <= _WAIT_S
            assert isinstance(await broker.cancel_order(order.broker_order_id), NotSent)
            arrived = bench.arrived()
            outcome = await not_sent(broker, bench, Reason.BROKER_RATE_LIMITED)
            assert outcome.retry_after_s is not None
            assert _WAIT_S - 5 < outcome.retry_after_s <= _WAIT_S
            assert isinstance(await broker.cancel_order(order.broker_order_id), NotSent)
            with pytest.raises(GatewayError) as again:
                await broker.get_positions()
            assert again.value.reason is Reason.BROKER_RATE_LIMITED
            assert bench.arrived() == arrived
            bench.clock.leap(_WAIT_S)


@card("C120", Ability.NETWORK, Ail.EXPIRED_TOKEN)
async def expired_token(bench: Bench, broker: BrokerAdapter) -> None:
    """A token or login whose time is over asks for a person, lets no order out, and works again once renewed."""
    await refused(bench, broker, Ail.EXPIRED_TOKEN)


@card("C121", Ability.NETWORK, Ail.REVOKED_TOKEN)
async def revoked_token(bench: Bench, broker: BrokerAdapter) -> None:
    """A key or token that was taken back asks for a person, lets no order out, and works again once it is good."""
    await refused(bench, broker, Ail.REVOKED_TOKEN)


@card("C122", Ability.NETWORK, Ail.COMPETING_SESSION)
async def competing_session(bench: Bench, broker: BrokerAdapter) -> None:
    """A session elsewhere is named as what to end, is not taken over, and lets no order out until it has ended."""
    for saying in bench.says[Ail.COMPETING_SESSION]:
        async with ailing(bench, broker, saying) as error:
            words = told(bench, error, Reason.BROKER_SESSION_DOWN, Remedy.END_OTHER_SESSION)
            assert words.endswith(": end the other session")
            await not_sent(broker, bench, Reason.BROKER_SESSION_DOWN)


@card("C123", Ability.NETWORK, Ail.RATE_LIMITED)
async def told_to_wait(bench: Bench, broker: BrokerAdapter) -> None:
    """After a 429 with its time nothing at all is sent until then, and everybody is told until when."""
    await thrown_back(bench, broker, Ail.RATE_LIMITED)


@card("C124", Ability.NETWORK, Ail.BANNED)
async def banned(bench: Bench, broker: BrokerAdapter) -> None:
    """After a 418 with its time nothing at all is sent until then: who goes on is banned for longer."""
    await thrown_back(bench, broker, Ail.BANNED)


@card("C125", Ability.NETWORK, Ail.MAINTENANCE)
async def maintenance(bench: Bench, broker: BrokerAdapter) -> None:
    """A broker that is being maintained is away: nobody has to do anything, and an order is never called refused."""
    for saying in bench.says[Ail.MAINTENANCE]:
        client_order_id, terms = new_id(), resting(bench.stock)
        async with ailing(bench, broker, saying) as error:
            words = told(bench, error, Reason.BROKER_UNREACHABLE, Remedy.WAIT)
            if saying.retry_after_s is None:
                assert words.endswith(f": {WORDS[Remedy.WAIT]}")
            else:
                assert error.retry_after_s is not None
                assert saying.retry_after_s - 5 < error.retry_after_s <= saying.retry_after_s
                assert ": wait until " in words
            outcome = await broker.submit_order(permit(client_order_id), terms)
            assert not isinstance(outcome, Accepted | Rejected)
        assert bench.at_broker(client_order_id) == 0


@card("C126", Ability.NETWORK)
async def half_open_socket(bench: Bench, _: BrokerAdapter) -> None:
    """Where the other end has died without a word, questions end in time, and no order is taken for refused."""
    async with half_open_wire(bench.port) as wire:
        broker = bench.open_behind(wire.port)
        try:
            await broker.get_account()
            wire.hang()
            client_order_id, terms = new_id(), resting(bench.stock)
            outcome = await broker.submit_order(permit(client_order_id), terms)
            assert not isinstance(outcome, Accepted | Rejected)
            with pytest.raises(GatewayError) as caught:
                await broker.get_account()
            words = told(bench, caught.value, Reason.BROKER_UNREACHABLE, Remedy.WAIT)
            assert words.endswith(f": {WORDS[Remedy.WAIT]}")
            assert bench.sent() == bench.at_broker(client_order_id) == 0
            wire.heal()
            await heals(bench, broker)
            assert bench.at_broker(client_order_id) == 0
        finally:
            await broker.disconnect()


@card("C127", Ability.NETWORK, Feature.ORDER_STREAM)
async def silent_stream(bench: Bench, _: BrokerAdapter) -> None:
    """A stream that stands and says nothing, not even to a ping, is told as down, and comes back by itself."""
    async with half_open_wire(bench.port) as wire:
        broker = bench.open_behind(wire.port)
        try:
            async with Listener(bench, broker) as listener:
                wire.hang()
                await listener.until(lambda: listener.feed()[-1] is FeedDown, _HEALED_S)
                wire.heal()
                await listener.until(lambda: listener.feed()[-1] is FeedUp, _HEALED_S)
        finally:
            await broker.disconnect()


@card("C128", Ability.NETWORK, Ail.MARKET_CLOSED)
async def closed_market(bench: Bench, broker: BrokerAdapter) -> None:
    """An order that the broker refuses because its market is closed is refused as such, and leaves nothing."""
    for saying in bench.says[Ail.MARKET_CLOSED]:
        client_order_id, terms = new_id(), market(bench.stock)
        bench.say(saying, orders=True)
        rejected(await broker.submit_order(permit(client_order_id), terms), "MARKET_CLOSED")
        bench.recover()
        assert bench.at_broker(client_order_id) == 0
        assert await look_for(bench, broker, client_order_id, terms) == Absent()
        await heals(bench, broker)
