"""What commands come to: once under an id, looked up before any conclusion, and closed one by one."""

from decimal import Decimal

import httpx
import pytest

from brokergw.adapters.binance import BinanceConfig
from brokergw.model.outcome import Absent, Accepted, Found, Inconclusive, NotSent, Rejected, Unknown
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from tests.fixtures.alpaca_wire import answer
from tests.fixtures.binance_wire import ScriptedBinance, refusal, sample
from tests.fixtures.permits import permit

ORDER = "/api/v3/order"
LIMIT = OrderTerms(
    symbol="BTC/USDT",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    quantity=Decimal("0.01"),
    limit_price=Decimal("90000.1"),
)
NONE = refusal(-2013, "Order does not exist.")


async def test_an_unknown_order_is_looked_up_before_its_id_is_used_again() -> None:
    """After silence the same id asks first: found, it is the answer and nothing is sent; absent, it is sent."""
    wire = ScriptedBinance()
    wire.on("POST", ORDER, httpx.ReadTimeout("late"), answer({**sample("http_get_order"), "transactTime": 1}))
    broker = wire.open()
    assert isinstance(await broker.submit_order(permit("gw-2"), LIMIT), Unknown)
    wire.on("GET", ORDER, answer(sample("http_get_order")))
    assert isinstance(await broker.submit_order(permit("gw-2"), LIMIT), Accepted)
    assert len(wire.asked("POST", ORDER)) == 1
    wire.on("GET", ORDER, NONE)
    assert isinstance(await broker.submit_order(permit("gw-2"), LIMIT), Accepted)
    assert len(wire.asked("POST", ORDER)) == 2


async def test_while_the_look_up_fails_nothing_is_sent_again() -> None:
    """Whether an id is used cannot be told, so the order stays here."""
    wire = ScriptedBinance()
    wire.on("POST", ORDER, httpx.ReadTimeout("late"))
    wire.on("GET", ORDER, httpx.Response(502))
    broker = wire.open()
    assert isinstance(await broker.submit_order(permit("gw-2"), LIMIT), Unknown)
    assert isinstance(await broker.submit_order(permit("gw-2"), LIMIT), NotSent)
    assert len(wire.asked("POST", ORDER)) == 1


async def test_a_duplicate_is_ours_if_it_equals_ours() -> None:
    """Binance's duplicate is looked up: ours is accepted, another is refused, and none leaves the order unknown."""
    for found, kind in ((sample("http_get_order"), Accepted), ({**sample("http_get_order"), "price": "1"}, Rejected)):
        wire = ScriptedBinance()
        wire.on("POST", ORDER, refusal(-2010, "Duplicate order sent."))
        wire.on("GET", ORDER, answer(found))
        assert isinstance(await wire.open().submit_order(permit("gw-2"), LIMIT), kind)
    wire = ScriptedBinance()
    wire.on("POST", ORDER, refusal(-2010, "Duplicate order sent."))
    wire.on("GET", ORDER, NONE)
    assert isinstance(await wire.open().submit_order(permit("gw-2"), LIMIT), Unknown)


async def test_an_answer_about_another_order_proves_nothing() -> None:
    """An order under another client order id leaves ours unknown."""
    wire = ScriptedBinance()
    wire.on("POST", ORDER, answer({**sample("http_get_order"), "clientOrderId": "somebody-else"}))
    assert isinstance(await wire.open().submit_order(permit("gw-2"), LIMIT), Unknown)


async def test_without_a_symbol_an_order_is_not_called_absent() -> None:
    """An id that neither this process nor the record knows is found among open orders, or its look-up says nothing."""
    wire = ScriptedBinance()
    wire.on("GET", "/api/v3/openOrders", answer([sample("http_get_order")]))
    broker = wire.open()
    assert isinstance(await broker.find_order("gw-2"), Found)
    assert isinstance(await broker.find_order("gw-9"), Inconclusive)


async def test_at_futures_an_order_is_absent_in_both_places_or_not_at_all() -> None:
    """Plain and conditional orders must both deny it; a failure of the second look-up leaves it open."""
    wire = ScriptedBinance(BinanceConfig.futures())
    wire.on("POST", "/fapi/v1/order", httpx.ReadTimeout("late"))
    wire.on("GET", "/fapi/v1/order", NONE)
    wire.on("GET", "/fapi/v1/algoOrder", httpx.Response(502))
    broker = wire.open()
    assert isinstance(await broker.submit_order(permit("gw-2"), LIMIT), Unknown)
    assert isinstance(await broker.find_order("gw-2"), Inconclusive)
    wire.on("GET", "/fapi/v1/algoOrder", NONE)
    assert await broker.find_order("gw-2") == Absent()


async def test_a_cancel_keeps_the_orders_name() -> None:
    """The cancel carries the order's own client order id, which is asked for where it is not known."""
    wire = ScriptedBinance()
    wire.on("GET", ORDER, answer(sample("http_get_order")))
    wire.on("DELETE", ORDER, answer(sample("http_delete_order")))
    assert isinstance(await wire.open().cancel_order("BTCUSDT:29"), Accepted)
    (sent,) = wire.asked("DELETE", ORDER)
    assert (sent["orderId"], sent["newClientOrderId"]) == ("29", "gw-2")


@pytest.mark.parametrize(
    ("found", "reason"),
    [(answer({**sample("http_get_order"), "status": "FILLED"}), "ORDER_NOT_OPEN"), (NONE, "NOT_FOUND")],
)
async def test_a_refused_cancel_is_looked_into(found: httpx.Response, reason: str) -> None:
    """-2011 says little: the order itself tells whether it has ended or never was."""
    wire = ScriptedBinance()
    wire.on("GET", ORDER, answer(sample("http_get_order")), found)
    wire.on("DELETE", ORDER, refusal(-2011, "Unknown order sent."))
    outcome = await wire.open().cancel_order("BTCUSDT:29")
    assert isinstance(outcome, Rejected)
    assert outcome.reason == reason


async def test_closing_everything_goes_on_over_what_is_too_small() -> None:
    """Dust that Binance would refuse stays, coins that orders lock are told, and the rest is sold down to its step."""
    wire = ScriptedBinance()
    wire.on("GET", "/api/v3/openOrders", answer([]))
    balances = [
        {"asset": "USDT", "free": "5", "locked": "0"},
        {"asset": "BTC", "free": "0.123456789", "locked": "0"},
    ]
    wire.on("GET", "/api/v3/account", answer({"uid": 1, "canTrade": True, "balances": balances}))
    wire.on("POST", ORDER, answer(sample("http_post_order_full")))
    broker = wire.open()
    assert isinstance(await broker.close_all(), Accepted)
    assert [each["quantity"] for each in wire.asked("POST", ORDER)] == ["0.12345"]
    wire.on("POST", ORDER, refusal(-1013, "Filter failure: NOTIONAL"))
    assert isinstance(await broker.close_all(), Accepted)
    locked = [{"asset": "BTC", "free": "0", "locked": "1"}]
    wire.on("GET", "/api/v3/account", answer({"uid": 1, "canTrade": True, "balances": locked}))
    outcome = await broker.flatten("BTC/USDT")
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "INSUFFICIENT_POSITION"


async def test_hedged_positions_are_one_net_position_and_are_closed_apart() -> None:
    """Both sides of a symbol are told as their sum; closing sends one order for each, named by its side."""
    wire = ScriptedBinance(BinanceConfig.futures())
    wire.on("GET", "/fapi/v3/positionRisk", answer(sample("http_get_position_risk")))
    wire.on("POST", "/fapi/v1/order", answer(sample("http_get_futures_order")))
    broker = wire.open()
    (position,) = await broker.get_positions()
    assert (position.quantity, position.unrealized_profit) == (Decimal("0.02"), Decimal(40))
    assert [(part.part_id, part.quantity) for part in position.parts] == [
        ("LONG", Decimal("0.03")),
        ("SHORT", Decimal("-0.01")),
    ]
    assert isinstance(await broker.flatten("BTC/USDT:PERP"), Accepted)
    sent = [(each["side"], each["positionSide"], each["quantity"]) for each in wire.asked("POST", "/fapi/v1/order")]
    assert sent == [("SELL", "LONG", "0.03"), ("BUY", "SHORT", "0.01")]
