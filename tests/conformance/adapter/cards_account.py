"""Cards about the account, its positions, and who may ask."""

import traceback
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from brokergw.model.capability import Feature
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import FeedDown, NotSent
from brokergw.model.terms import Side
from brokergw.ports.broker import BrokerAdapter, BrokerUnavailable, TellsHours
from tests.conformance.adapter.bench import Ability, Bench
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import Listener, buy, market, new_id, place, reach, resting
from tests.fixtures.permits import permit


@card("C01")
async def account_on_sign_in(bench: Bench, broker: BrokerAdapter) -> None:
    """Signing in gives the account, with its money, and no more than four characters of its number."""
    account = await broker.authenticate()
    assert account.cash == account.equity == bench.money
    assert account.buying_power >= account.cash
    assert account.currency == bench.currency
    assert not account.trading_blocked
    assert len(account.masked_number.lstrip("*")) <= 4
    assert abs(account.as_of_ns - bench.clock.now_ns()) < 60_000_000_000


@card("C02")
async def account_is_fresh(bench: Bench, broker: BrokerAdapter) -> None:
    """The account is asked for each time: what a fill cost, or uses as margin, is gone at once."""
    before = await broker.get_account()
    order = await buy(bench, broker)
    assert order.average_price is not None
    after = await broker.get_account()
    if Ability.CASH in bench.abilities:
        assert before.cash - after.cash == Decimal(10) * order.average_price
    else:
        assert before.cash == after.cash
        assert after.buying_power < before.buying_power
    assert after.as_of_ns >= before.as_of_ns


@card("C03")
async def no_positions(bench: Bench, broker: BrokerAdapter) -> None:
    """An account that holds nothing has no positions, and one position is None."""
    assert list(await broker.get_positions()) == []
    assert await broker.get_position(bench.stock) is None


@card("C04")
async def long_position(bench: Bench, broker: BrokerAdapter) -> None:
    """What was bought is a position of that many units, at the price paid."""
    order = await buy(bench, broker)
    position = await broker.get_position(bench.stock)
    assert position is not None
    assert (position.symbol, position.quantity, position.available_quantity) == (bench.stock, Decimal(10), Decimal(10))
    assert position.average_price == (order.average_price if Ability.COST in bench.abilities else None)
    assert [held.symbol for held in await broker.get_positions()] == [bench.stock]


@card("C05", Feature.SHORT)
async def short_position(bench: Bench, broker: BrokerAdapter) -> None:
    """What was sold without being held is a negative position."""
    order = await place(broker, market(bench.stock, Side.SELL, "3"))
    await reach(bench, broker, order.broker_order_id, State.FILLED)
    position = await broker.get_position(bench.stock)
    assert position is not None
    assert position.quantity == Decimal(-3)


@card("C06", Ability.HOLDS)
async def available_quantity(bench: Bench, broker: BrokerAdapter) -> None:
    """What an open order holds of a position is not available."""
    await buy(bench, broker)
    await place(broker, resting(bench.stock, "4", "200", side=Side.SELL))
    position = await broker.get_position(bench.stock)
    assert position is not None
    assert (position.quantity, position.available_quantity) == (Decimal(10), Decimal(6))


@card("C07")
async def ping(bench: Bench, broker: BrokerAdapter) -> None:
    """A broker that is there answers a ping."""
    await broker.ping()


@card("C08")
async def capabilities(bench: Bench, broker: BrokerAdapter) -> None:
    """Adapter and factory claim the same, of a broker that has a name and knows its own environments."""
    assert broker.capabilities == bench.factory.capabilities
    assert broker.capabilities.broker == bench.name
    assert bench.environment in broker.capabilities.environments
    assert broker.capabilities.order_types.keys() == broker.capabilities.asset_classes
    assert broker.capabilities.times_in_force.keys() == broker.capabilities.asset_classes


@card("C09", Ability.CREDENTIALS)
async def wrong_keys(bench: Bench, broker: BrokerAdapter) -> None:
    """Wrong keys are refused as such by sign-in, ping and queries."""
    stranger = bench.open_with_wrong_keys()
    for ask in (stranger.authenticate, stranger.ping, stranger.get_positions):
        with pytest.raises(GatewayError) as caught:
            await ask()
        assert caught.value.reason is Reason.BROKER_CREDENTIALS_REFUSED
    await stranger.disconnect()


@card("C10", Ability.CREDENTIALS)
async def secrets_stay_inside(bench: Bench, broker: BrokerAdapter) -> None:
    """Neither an adapter's print-out nor any error it raises or gives shows a key or a secret."""
    stranger = bench.open_with_wrong_keys()
    unreachable = bench.open_unreachable()
    shown = [repr(broker), repr(stranger), repr(vars(broker))]
    for ask in (stranger.authenticate, unreachable.ping, unreachable.get_open_orders):
        with pytest.raises(GatewayError) as caught:
            await ask()
        error = caught.value
        shown += [repr(error), str(error), str(error.metadata), "".join(traceback.format_exception(error))]
    for adapter in (stranger, unreachable):
        shown.append(repr(await adapter.submit_order(permit(new_id()), market(bench.stock))))
        shown.append(repr(await adapter.find_order("any")))
        await adapter.disconnect()
    for secret in (*bench.secrets, "exam-secret-that-is-wrong"):
        assert not any(secret in text for text in shown)


@card("C34")
async def after_disconnecting(bench: Bench, broker: BrokerAdapter) -> None:
    """A connection that was given up ends its stream, sends nothing any more, and says so; twice is as good as once."""
    async with Listener(bench, broker) as listener:
        await broker.disconnect()
        await listener.ended()
    assert isinstance(listener.events[-1], FeedDown)
    assert isinstance(await broker.submit_order(permit(new_id()), market(bench.stock)), NotSent)
    with pytest.raises(BrokerUnavailable):
        await broker.get_positions()
    await broker.disconnect()
    assert bench.orders_at_broker() == 0


@card("C129")
async def hours_are_told_where_they_are_claimed(bench: Bench, broker: BrokerAdapter) -> None:
    """A connection has its broker's hours exactly where the capabilities say so, and they hold together."""
    told = {rules.calendar for rules in broker.capabilities.markets.values() if rules.told}
    assert isinstance(broker, TellsHours) is bool(told)
    today = datetime.fromtimestamp(bench.clock.now_ns() // 1_000_000_000, UTC).date()
    for calendar in told:
        assert isinstance(broker, TellsHours)
        days = await broker.get_market_days(calendar, today, today + timedelta(days=14))
        assert len(days) >= 7
        assert all(today <= day.date <= today + timedelta(days=14) for day in days)
        clock = await broker.get_market_clock(calendar)
        assert abs(clock.time_ns - bench.clock.now_ns()) < 60_000_000_000
        assert clock.time_ns < min(clock.next_open_ns, clock.next_close_ns)
