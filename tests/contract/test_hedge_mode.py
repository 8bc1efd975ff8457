"""An account in hedge mode over a real channel: each side is judged by itself, and closed by itself."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from brokerapi.v1 import orders_pb2, positions_pb2, positions_pb2_grpc, trading_pb2

from brokergw.model.account import Position, PositionPart
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import PositionSide, Side
from brokergw.model.whose import everyone
from tests.fixtures.edge import KEY
from tests.fixtures.edge_samples import ACCOUNT
from tests.fixtures.settings_place import SettingsPlace

OPEN, CLOSE = trading_pb2.POSITION_EFFECT_OPEN, trading_pb2.POSITION_EFFECT_CLOSE
D = Decimal


@pytest.fixture
def hedged(place: SettingsPlace) -> SettingsPlace:
    """Give an account that has 800 long and 800 short of one symbol, at 50 each, and so a net position of nothing."""
    place.broker.hedged = place.broker.shorting = True
    place.broker.positions = [
        Position(
            symbol="ACME",
            asset_class=AssetClass.STOCK,
            quantity=D(0),
            available_quantity=D(0),
            average_price=None,
            cost_basis=None,
            market_price=D(50),
            market_value=D(0),
            unrealized_profit=None,
            as_of_ns=place.broker.now_ns(),
            parts=(PositionPart("LONG", D(800), D(50)), PositionPart("SHORT", D(-800), D(50))),
        )
    ]
    return place


def spec(**changes: Any) -> dict[str, Any]:
    return {"position_effect": OPEN, **changes}


@pytest.mark.parametrize(("quantity", "goes"), [("99", True), ("100", True), ("101", False)])
async def test_the_limit_of_a_position_is_a_sides(hedged: SettingsPlace, quantity: str, *, goes: bool) -> None:
    """By a limit of 45,000 the long of 40,000 leaves 100 units at 50, whatever the short of 40,000 is."""
    await hedged.world.limit(position_notional_max="45000")
    if goes:
        order = await hedged.world.place(**spec(quantity=quantity))
        assert order.state == orders_pb2.ORDER_STATE_WORKING
        return
    refusal = await hedged.world.refuse(**spec(quantity=quantity))
    assert refusal.reason == "SYMBOL_POSITION_EXCEEDS_LIMIT"
    assert (refusal.metadata["used"], refusal.metadata["requested"]) == ("40000", "5050")


@pytest.mark.parametrize("side", [trading_pb2.SIDE_BUY, trading_pb2.SIDE_SELL])
@pytest.mark.parametrize(("quantity", "reduces"), [("799", True), ("800", True), ("801", False)])
async def test_closing_a_side_reduces(
    hedged: SettingsPlace, side: trading_pb2.Side.ValueType, quantity: str, *, reduces: bool
) -> None:
    """It passes a limit that lets nothing through as far as that side reaches, although the net is nothing."""
    await hedged.world.limit(order_notional_max="0")
    closing = spec(side=side, position_effect=CLOSE, quantity=quantity, reduce_only=True)
    if reduces:
        assert (await hedged.world.place(**closing)).state == orders_pb2.ORDER_STATE_WORKING
        return
    assert (await hedged.world.refuse(**closing)).reason == "ORDER_NOTIONAL_EXCEEDS_LIMIT"


async def test_flatten_closes_both_sides_each_by_its_own_order(hedged: SettingsPlace) -> None:
    """The long is sold and the short bought back, and the record says which of the two each order closes."""
    request = positions_pb2.FlattenRequest(idempotency_key=str(uuid.uuid4()), account_id=ACCOUNT)
    answer = await positions_pb2_grpc.PositionServiceStub(hedged.world.channel).Flatten(
        request, metadata=KEY, timeout=20
    )
    assert list(answer.residuals) == []
    sent = sorted((terms.side, terms.quantity, terms.reduce_only) for _, terms in hedged.broker.sent)
    assert sent == [(Side.BUY, D(800), True), (Side.SELL, D(800), True)]
    orders = await hedged.world.store.journal.open_orders(everyone("a test looks at all of them"))
    assert {(order.terms.side, order.position_side) for order in orders} == {
        (Side.SELL, PositionSide.LONG),
        (Side.BUY, PositionSide.SHORT),
    }
