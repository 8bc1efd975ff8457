"""Leverage, margin type and position mode at Binance: what is read, what is sent, and what the answers come to."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from brokergw.adapters.binance import BinanceConfig
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.terms import OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.model.trading_settings import MarginType, PositionMode
from tests.fixtures.alpaca_wire import answer
from tests.fixtures.binance_wire import ScriptedBinance, refusal, sample
from tests.fixtures.permits import expired_permit, permit

BTC = "BTC/USDT:PERP"
CONFIG = {"symbol": "BTCUSDT", "marginType": "ISOLATED", "isAutoAddMargin": False, "leverage": 21}
BRACKETS = {
    "symbol": "BTCUSDT",
    "brackets": [{"bracket": 2, "initialLeverage": 100}, {"bracket": 1, "initialLeverage": 125}],
}


def scripted(brackets: Any = BRACKETS, *, hedged: bool = False, **config: Any) -> ScriptedBinance:
    """Make a wire on which the settings of BTCUSDT can be read."""
    wire = ScriptedBinance(BinanceConfig.futures())
    row = {**CONFIG, "maxNotionalValue": "1000000", **config}
    wire.on("GET", "/fapi/v1/symbolConfig", answer([{**row, "symbol": "ETHUSDT", "leverage": 3}, row]))
    wire.on("GET", "/fapi/v1/leverageBracket", answer(brackets))
    wire.on("GET", "/fapi/v1/accountConfig", answer({"dualSidePosition": hedged, "canTrade": True}))
    return wire


@pytest.mark.parametrize("brackets", [BRACKETS, [BRACKETS]], ids=["object", "list"])
@pytest.mark.parametrize("hedged", [False, True])
async def test_the_settings_of_one_contract_are_read(brackets: Any, *, hedged: bool) -> None:
    """Leverage, its highest, margin type, position mode and worth come from what Binance tells of that symbol."""
    wire = scripted(brackets, hedged=hedged)
    told = await wire.open().get_trading_settings(BTC)
    assert (told.symbol, told.leverage, told.leverage_max, told.notional_max) == (BTC, 21, 125, Decimal(1_000_000))
    assert told.margin_type is MarginType.ISOLATED
    assert told.position_mode is (PositionMode.HEDGE if hedged else PositionMode.ONE_WAY)
    assert [each["symbol"] for each in wire.asked("GET", "/fapi/v1/leverageBracket")] == ["BTCUSDT"]


@pytest.mark.parametrize(
    "wire",
    [
        scripted({"symbol": "BTCUSDT", "brackets": []}),
        scripted([]),
        scripted({"symbol": "ETHUSDT", "brackets": BRACKETS["brackets"]}),
        scripted(leverage="many"),
        scripted(marginType="PORTFOLIO"),
        scripted(maxNotionalValue=None),
        scripted(symbol="BTCUSDC"),
    ],
    ids=["no-bracket", "no-row", "other-symbol", "no-number", "new-type", "no-worth", "no-config"],
)
async def test_settings_that_make_no_sense_are_none(wire: ScriptedBinance) -> None:
    """What is missing or not documented is never guessed."""
    with pytest.raises(GatewayError) as caught:
        await wire.open().get_trading_settings(BTC)
    assert caught.value.reason is Reason.BROKER_ANSWER_UNUSABLE


async def test_what_is_chosen_is_sent_once_in_binances_words() -> None:
    """Each choice is one POST with the symbol and the value."""
    wire = scripted()
    for path in ("leverage", "marginType", "positionSide/dual"):
        wire.on("POST", f"/fapi/v1/{path}", answer({"code": 200, "msg": "success"}))
    broker = wire.open()
    assert isinstance(await broker.set_leverage(permit(""), BTC, 5), Accepted)
    assert isinstance(await broker.set_margin_type(permit(""), BTC, MarginType.CROSS), Accepted)
    assert isinstance(await broker.set_position_mode(permit(""), PositionMode.HEDGE), Accepted)
    (leverage,) = wire.asked("POST", "/fapi/v1/leverage")
    assert (leverage["symbol"], leverage["leverage"]) == ("BTCUSDT", "5")
    (margin,) = wire.asked("POST", "/fapi/v1/marginType")
    assert (margin["symbol"], margin["marginType"]) == ("BTCUSDT", "CROSSED")
    (mode,) = wire.asked("POST", "/fapi/v1/positionSide/dual")
    assert mode["dualSidePosition"] == "true"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (refusal(-4046, "No need to change margin type."), Accepted()),
        (refusal(-4059, "No need to change position side."), Accepted()),
        (refusal(-4028, "Leverage 500 is not valid"), "LEVERAGE_LIMIT"),
        (refusal(-4161, "Leverage reduction is not supported"), "LEVERAGE_LIMIT"),
        (refusal(-2028, "Leverage is smaller than permitted"), "LEVERAGE_LIMIT"),
        (refusal(-4047, "there exists open orders"), "NOT_WHILE_OPEN"),
        (refusal(-4048, "there exists position"), "NOT_WHILE_OPEN"),
        (refusal(-4067, "there exists open orders"), "NOT_WHILE_OPEN"),
        (refusal(-4068, "there exists position"), "NOT_WHILE_OPEN"),
        (refusal(-1008, "Server is busy", 503), NotSent),
        (refusal(-9999, "what is that"), Unknown),
        (httpx.ReadTimeout("late"), Unknown),
    ],
    ids=[*["4046", "4059", "4028", "4161", "2028", "4047", "4048", "4067", "4068", "1008", "unknown-code", "silence"]],
)
async def test_what_the_answers_come_to(given: Any, expected: Outcome | str | type) -> None:
    """What is so already is done; only what the table names is a refusal; whatever else is left open."""
    wire = scripted()
    wire.on("POST", "/fapi/v1/leverage", given)
    outcome = await wire.open().set_leverage(permit(""), BTC, 500)
    if isinstance(expected, str):
        assert isinstance(outcome, Rejected)
        assert outcome.reason == expected
    elif isinstance(expected, type):
        assert isinstance(outcome, expected)
    else:
        assert outcome == expected
    assert len(wire.asked("POST", "/fapi/v1/leverage")) == 1


async def test_without_a_good_permit_nothing_is_chosen() -> None:
    """The permit is spent before the first byte, as an order's."""
    wire = scripted()
    assert isinstance(await wire.open().set_leverage(expired_permit(""), BTC, 5), NotSent)
    assert wire.asked("POST", "/fapi/v1/leverage") == []


async def test_spot_has_nothing_to_choose() -> None:
    """Asked all the same, it refuses without asking Binance."""
    wire = ScriptedBinance()
    assert isinstance(await wire.open().set_leverage(permit(""), "BTC/USDT", 5), Rejected)
    assert wire.requests == []


async def test_a_mode_that_was_changed_elsewhere_is_known_from_the_account() -> None:
    """The account tells the mode before each order, and the order after it is sent as that mode wants it."""
    wire = scripted(hedged=False)
    wire.on(
        "GET",
        "/fapi/v3/account",
        answer({"totalMarginBalance": "10", "totalWalletBalance": "10", "availableBalance": "10", "assets": []}),
    )
    wire.on("GET", "/fapi/v3/balance", answer([{"accountAlias": "Sg0001"}]))
    wire.on("POST", "/fapi/v1/order", answer(sample("http_get_futures_order")))
    broker = wire.open()
    assert not (await broker.get_account()).hedged
    wire.on("GET", "/fapi/v1/accountConfig", answer({"dualSidePosition": True, "canTrade": True}))
    assert (await broker.get_account()).hedged
    order = OrderTerms(
        symbol=BTC,
        side=Side.SELL,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(1),
        position_effect=PositionEffect.OPEN,
    )
    await broker.submit_order(permit("gw-1"), order)
    assert [each["positionSide"] for each in wire.asked("POST", "/fapi/v1/order")] == ["SHORT"]
