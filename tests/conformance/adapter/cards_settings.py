"""Cards about leverage, margin type and position mode, for brokers where they can be chosen."""

from dataclasses import replace

from brokergw.model.capability import Feature
from brokergw.model.outcome import Accepted, NotSent, Rejected, Unknown
from brokergw.model.terms import PositionEffect, Side
from brokergw.model.trading_settings import MarginType, PositionMode
from brokergw.ports.broker import BrokerAdapter
from brokergw.ports.trading_settings import AdjustableBroker, adjustable
from tests.conformance.adapter.bench import Ability, Bench, Mishap
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import buy, market, new_id, place, resting
from tests.fixtures.permits import expired_permit, permit


@card("C180")
async def who_claims_it_can(bench: Bench, broker: BrokerAdapter) -> None:
    """Settings can be chosen exactly where the broker claims it."""
    able = isinstance(broker, AdjustableBroker) and Feature.LEVERAGE in broker.capabilities.features
    assert able == (Feature.LEVERAGE in bench.capabilities.features)


@card("C181", Feature.LEVERAGE)
async def leverage_is_chosen_by_symbol(bench: Bench, broker: BrokerAdapter) -> None:
    """The least and the highest leverage are taken, one above it is refused, and another symbol keeps its own."""
    chosen = adjustable(broker)
    before, other = await chosen.get_trading_settings(bench.stock), await chosen.get_trading_settings(bench.deep)
    assert 1 <= before.leverage <= before.leverage_max
    for leverage in (1, before.leverage_max - 1, before.leverage_max):
        assert await chosen.set_leverage(permit(new_id()), bench.stock, leverage) == Accepted()
        assert (await chosen.get_trading_settings(bench.stock)).leverage == leverage
    refused = await chosen.set_leverage(permit(new_id()), bench.stock, before.leverage_max + 1)
    assert isinstance(refused, Rejected)
    assert (await chosen.get_trading_settings(bench.stock)).leverage == before.leverage_max
    assert (await chosen.get_trading_settings(bench.deep)).etag == other.etag


@card("C182", Feature.LEVERAGE)
async def margin_type_is_chosen_without_positions(bench: Bench, broker: BrokerAdapter) -> None:
    """Either type is taken and told, again is as good as once, and with a position the change is refused."""
    chosen = adjustable(broker)
    for margin in (MarginType.ISOLATED, MarginType.ISOLATED, MarginType.CROSS):
        assert await chosen.set_margin_type(permit(new_id()), bench.stock, margin) == Accepted()
        assert (await chosen.get_trading_settings(bench.stock)).margin_type is margin
    await buy(bench, broker)
    refused = await chosen.set_margin_type(permit(new_id()), bench.stock, MarginType.ISOLATED)
    assert isinstance(refused, Rejected)
    assert (await chosen.get_trading_settings(bench.stock)).margin_type is MarginType.CROSS


@card("C183", Feature.LEVERAGE)
async def position_mode_is_the_accounts(bench: Bench, broker: BrokerAdapter) -> None:
    """The mode is told for every symbol and with the account; orders go by it at once; open orders keep it."""
    chosen = adjustable(broker)
    for mode in (PositionMode.HEDGE, PositionMode.HEDGE):
        assert await chosen.set_position_mode(permit(new_id()), mode) == Accepted()
    assert (await chosen.get_trading_settings(bench.deep)).position_mode is PositionMode.HEDGE
    assert (await broker.get_account()).hedged
    assert isinstance(await broker.submit_order(permit(new_id()), market(bench.stock)), Rejected)
    opening = replace(resting(bench.stock, "1", "50"), position_effect=PositionEffect.OPEN)
    order = await place(broker, opening)
    refused = await chosen.set_position_mode(permit(new_id()), PositionMode.ONE_WAY)
    assert isinstance(refused, Rejected)
    assert isinstance(await broker.cancel_order(order.broker_order_id), Accepted)
    assert await chosen.set_position_mode(permit(new_id()), PositionMode.ONE_WAY) == Accepted()
    assert not (await broker.get_account()).hedged
    await place(broker, market(bench.stock, Side.BUY, "1"))


@card("C184", Feature.LEVERAGE, Ability.NETWORK)
async def a_choice_whose_answer_is_lost_is_unknown(bench: Bench, broker: BrokerAdapter) -> None:
    """A lost answer is Unknown and reading tells what became of it; without a good permit nothing leaves."""
    chosen = adjustable(broker)
    assert isinstance(await chosen.set_leverage(expired_permit(new_id()), bench.stock, 3), NotSent)
    before = await chosen.get_trading_settings(bench.stock)
    assert before.leverage != 3
    bench.mishap(Mishap.LOST_REPLY)
    assert isinstance(await chosen.set_leverage(permit(new_id()), bench.stock, 3), Unknown)
    assert (await chosen.get_trading_settings(bench.stock)).leverage == 3
    bench.mishap(Mishap.ERROR_BEFORE)
    assert not isinstance(await chosen.set_leverage(permit(new_id()), bench.stock, 4), Accepted | Rejected)
    assert (await chosen.get_trading_settings(bench.stock)).leverage == 3
