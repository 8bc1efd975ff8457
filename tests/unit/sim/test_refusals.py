"""What the Alpaca dialect refuses, and in which words."""

from typing import Any

import pytest

from brokergw.sim.faults import Fault, FaultName
from tests.fixtures.sim_wire import MakeWire, Wire

MALFORMED, UNPROCESSABLE, FORBIDDEN = (422, 40010001), (422, 42210000), (403, 40310000)
BRACKET = {"order_class": "bracket", "time_in_force": "gtc"}
CALL = "AAPL270115C00230000"

REFUSED: dict[str, tuple[dict[str, Any], tuple[int, int], str]] = {
    "zero": ({"qty": "0"}, MALFORMED, "qty must be > 0"),
    "negative": ({"qty": -1}, MALFORMED, "qty must be > 0"),
    "words": ({"qty": "many"}, MALFORMED, "invalid qty"),
    "no size": ({"qty": ""}, MALFORMED, "qty or notional is required"),
    "two sizes": ({"notional": 5}, MALFORMED, "only one of qty or notional is accepted"),
    "ten places": ({"qty": "1.0000000001"}, MALFORMED, "qty must have no more than 9 decimal places"),
    "small money": ({"qty": None, "notional": 0.5}, UNPROCESSABLE, "notional must be >= 1.00"),
    "money at a limit": (
        {"qty": None, "notional": 5, "type": "limit", "limit_price": 150},
        UNPROCESSABLE,
        "notional orders must be market orders",
    ),
    "limit without price": ({"type": "limit"}, MALFORMED, "limit orders require a limit price"),
    "market with price": ({"limit_price": 5}, MALFORMED, "market orders require no stop or limit price"),
    "stop without price": ({"type": "stop"}, MALFORMED, "stop orders require a stop price"),
    "half a stop limit": (
        {"type": "stop_limit", "stop_price": 250},
        MALFORMED,
        "stop limit orders require both stop and limit price",
    ),
    "no trail": (
        {"type": "trailing_stop"},
        MALFORMED,
        "trailing stop orders must specify one of trail_price or trail_percent",
    ),
    "narrow trail": ({"type": "trailing_stop", "trail_percent": 0.05}, UNPROCESSABLE, "trail_percent must be >= 0.1"),
    "no time in force": ({"time_in_force": ""}, MALFORMED, "invalid time_in_force"),
    "odd time in force": ({"time_in_force": "gtd"}, MALFORMED, "invalid time_in_force"),
    "odd side": ({"side": "hold"}, MALFORMED, "invalid side"),
    "odd type": ({"type": "iceberg"}, MALFORMED, "invalid order type"),
    "odd class": ({"order_class": "otoco"}, MALFORMED, "invalid order_class"),
    "long id": (
        {"client_order_id": "x" * 129},
        MALFORMED,
        "client_order_id must be no more than 128 characters",
    ),
    "no symbol": ({"symbol": None}, MALFORMED, "symbol is required"),
    "unknown symbol": ({"symbol": "ZZZZ"}, UNPROCESSABLE, 'asset "ZZZZ" not found'),
    "halted": ({"symbol": "HALT"}, UNPROCESSABLE, 'asset "HALT" is not tradable'),
    "sub-penny": (
        {"type": "limit", "limit_price": "290.123"},
        UNPROCESSABLE,
        "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    "extended market": (
        {"extended_hours": True},
        UNPROCESSABLE,
        "extended hours order must be DAY or GTC limit orders",
    ),
    "lasting fraction": (
        {"qty": "0.5", "type": "limit", "limit_price": 150, "time_in_force": "gtc"},
        UNPROCESSABLE,
        "fractional orders must be DAY orders",
    ),
    "bracketed fraction": (
        {**BRACKET, "qty": "0.5", "take_profit": {"limit_price": 220}, "stop_loss": {"stop_price": 180}},
        UNPROCESSABLE,
        "fractional orders must be simple orders",
    ),
    "short fraction": ({"qty": "0.5", "side": "sell"}, UNPROCESSABLE, "fractional orders cannot be sold short"),
    "whole shares only": ({"qty": "0.5", "symbol": "OCGN"}, FORBIDDEN, 'asset "OCGN" is not fractionable'),
    "not to be shorted": ({"symbol": "OCGN", "side": "sell"}, UNPROCESSABLE, 'asset "OCGN" cannot be sold short'),
    "too dear": ({"qty": 10_000}, FORBIDDEN, "insufficient buying power"),
    "stop above the market": (
        {"type": "stop", "side": "sell", "stop_price": 201},
        UNPROCESSABLE,
        "stop price must be less than current price",
    ),
    "stop below the market": (
        {"type": "stop", "stop_price": 199},
        UNPROCESSABLE,
        "stop price must be greater than current price",
    ),
    "bracket without profit": (
        {**BRACKET, "stop_loss": {"stop_price": 180}},
        UNPROCESSABLE,
        "bracket orders require take_profit.limit_price",
    ),
    "bracket without loss": (
        {**BRACKET, "take_profit": {"limit_price": 220}},
        UNPROCESSABLE,
        "bracket orders require stop_loss.stop_price",
    ),
    "close stop": (
        {**BRACKET, "take_profit": {"limit_price": 220}, "stop_loss": {"stop_price": 200}},
        UNPROCESSABLE,
        "stop_loss.stop_price must be <= base_price - 0.01",
    ),
    "close profit": (
        {**BRACKET, "take_profit": {"limit_price": 200}, "stop_loss": {"stop_price": 180}},
        UNPROCESSABLE,
        "take_profit.limit_price must be >= base_price + 0.01",
    ),
    "exits by the market": (
        {"order_class": "oco", "take_profit": {"limit_price": 220}, "stop_loss": {"stop_price": 180}},
        UNPROCESSABLE,
        "oco orders must be limit orders",
    ),
    "two triggered": (
        {**BRACKET, "order_class": "oto", "take_profit": {"limit_price": 220}, "stop_loss": {"stop_price": 180}},
        UNPROCESSABLE,
        "oto orders require either take_profit or stop_loss",
    ),
    "coins by the day": ({"symbol": "BTC/USD"}, UNPROCESSABLE, "invalid crypto time_in_force"),
    "coins by a stop": (
        {"symbol": "BTC/USD", "type": "stop", "stop_price": 1, "time_in_force": "gtc"},
        MALFORMED,
        "invalid order type for crypto order",
    ),
    "few coins": (
        {"symbol": "BTC/USD", "qty": "0.0001", "type": "limit", "limit_price": 9, "time_in_force": "gtc"},
        FORBIDDEN,
        "cost basis must be >= minimal amount of order 10",
    ),
    "coins not there": (
        {"symbol": "ETH/USD", "side": "sell", "time_in_force": "gtc"},
        FORBIDDEN,
        "insufficient balance for ETH (requested: 1, available: 0)",
    ),
    "lasting option": (
        {"symbol": CALL, "time_in_force": "gtc", "type": "limit", "limit_price": 1},
        UNPROCESSABLE,
        "order_time_in_force provided not supported for options trading",
    ),
    "dear options": (
        {"symbol": CALL, "qty": 100, "type": "limit", "limit_price": 50},
        FORBIDDEN,
        "insufficient options buying power (required: 500000, available: 100000)",
    ),
    "wrong intent": (
        {"position_intent": "buy_to_close"},
        UNPROCESSABLE,
        "position intent mismatch, inferred: buy_to_open, specified: buy_to_close",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_bad_order_is_refused_in_alpacas_words(wire: Wire, name: str) -> None:
    """Status, code and message are those the facts name, and nothing is booked."""
    fields, (status, code), message = REFUSED[name]
    reply = await wire.order(**fields)
    assert (reply.status, reply.document["code"], reply.document["message"]) == (status, code, message)
    assert (await wire.ask("GET", "/v2/orders", status="all")).document == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"qty": NaN}'])
async def test_a_body_that_is_no_object_is_refused(wire: Wire, body: bytes) -> None:
    """Anything but a JSON object is a 400."""
    reply = await wire.ask("POST", "/v2/orders", body)
    assert (reply.status, reply.document["code"]) == (400, 40010000)


@pytest.mark.parametrize(
    "fields",
    [
        {"qty": 1, "limit_price": 150.5},
        {"qty": "1", "limit_price": "150.50", "stop_price": None, "client_order_id": ""},
        {"qty": 1.0, "limit_price": "150.5", "notional": "", "order_class": "", "take_profit": None},
    ],
)
async def test_numbers_texts_nulls_and_empty_texts_mean_the_same(wire: Wire, fields: dict[str, Any]) -> None:
    """SDKs send floats, decimal strings, explicit nulls and empty strings; all are understood."""
    body = {"symbol": "AAPL", "side": "buy", "type": "limit", "time_in_force": "day", **fields}
    order = (await wire.ask("POST", "/v2/orders", body)).document
    assert (order["qty"], order["limit_price"], order["notional"]) == ("1", "150.5", None)


async def test_missing_money_is_named(wire: Wire) -> None:
    """The body of a refusal for money carries buying power and cost as strings."""
    refused = (await wire.order(qty=10_000)).document
    assert (refused["buying_power"], refused["cost_basis"]) == ("400000", "2000200")


async def test_missing_shares_are_named(wire: Wire) -> None:
    """The body of a refusal for shares carries what exists and what other orders hold."""
    await wire.placed(qty=5)
    await wire.placed(qty=3, side="sell", type="limit", limit_price=250)
    refused = await wire.order(qty=4, side="sell", type="limit", limit_price=250)
    assert (refused.status, refused.document) == (
        403,
        {
            "code": 40310000,
            "message": "insufficient qty available for order (requested: 4, available: 2)",
            "symbol": "AAPL",
            "existing_qty": "5",
            "held_for_orders": "3",
            "available": "2",
        },
    )


async def test_an_order_against_an_own_one_is_refused(wire: Wire) -> None:
    """A wash trade names the order it would have met and its kind."""
    resting = await wire.placed(side="sell", type="limit", limit_price=250)
    refused = await wire.order()
    assert (refused.status, refused.document["message"]) == (
        403,
        "potential wash trade detected. use complex orders",
    )
    assert refused.document["existing_order_id"] == resting["id"]
    assert refused.document["reject_reason"] == "opposite side limit order exists"


async def test_a_stop_on_the_wrong_side_names_both_prices(wire: Wire) -> None:
    """The body carries the market price and the stop price."""
    refused = (await wire.order(type="stop", side="sell", stop_price=201)).document
    assert (refused["market_price"], refused["stop_price"]) == ("200", "201")


async def test_without_shorting_no_share_is_sold_short(make_wire: MakeWire) -> None:
    """An account that may not short is told so."""
    refused = await (await make_wire(shorting=False)).order(side="sell")
    assert (refused.status, refused.document["message"]) == (403, "account is not allowed to short")


async def test_a_suspended_account_takes_no_orders(wire: Wire) -> None:
    """After the owner suspended trading every order is refused."""
    await wire.ask("PATCH", "/v2/account/configurations", {"suspend_trade": True})
    assert (await wire.order()).status == 403
    assert (await wire.ask("GET", "/v2/account")).document["trade_suspended_by_user"] is True


async def test_an_unknown_setting_is_refused(wire: Wire) -> None:
    """A configuration that does not exist, or a value it cannot have, changes nothing."""
    for change in ({"colour": "red"}, {"no_shorting": "yes"}, {"no_shorting": 1}, {"max_margin_multiplier": "9"}):
        assert (await wire.ask("PATCH", "/v2/account/configurations", change)).status == 422


async def test_what_is_not_there_is_not_found(wire: Wire) -> None:
    """Orders, positions, assets, contracts and endpoints that do not exist are 404 in their own words."""
    expected = {
        "/v2/orders/f1a08ee3-0000-4000-8000-000000000000": "order not found for f1a08ee3-0000-4000-8000-000000000000",
        "/v2/orders:by_client_order_id?client_order_id=x": "order not found for x",
        "/v2/positions/AAPL": "position does not exist",
        "/v2/assets/ZZZZ": "asset not found for ZZZZ",
        "/v2/options/contracts/ZZZZ": "option contract not found for ZZZZ",
        "/v2/nowhere": "endpoint not found.",
    }
    for path, message in expected.items():
        reply = await wire.ask("GET", path)
        assert (reply.status, reply.document) == (404, {"code": 40410000, "message": message})


async def test_credentials_are_asked_for(wire: Wire) -> None:
    """A wrong key gets JSON without a code, no key at all a web page, another scheme the JSON again."""
    wrong = await wire.ask("GET", "/v2/account", headers={"APCA-API-KEY-ID": "PKX", "APCA-API-SECRET-KEY": "y"})
    assert (wrong.status, wrong.document) == (401, {"message": "unauthorized."})
    nobody = await wire.ask("GET", "/v2/account", headers={})
    assert nobody.status == 401
    assert nobody.document.startswith("<html>")
    assert (await wire.ask("GET", "/v2/account", headers={"Authorization": "Basic eA=="})).status == 401


async def test_a_bearer_token_opens_its_account(make_wire: MakeWire) -> None:
    """An OAuth token stands for the key it belongs to."""
    wire = await make_wire(oauth_tokens={"token-1": "PKSIMULATOR"})
    good = await wire.ask("GET", "/v2/account", headers={"Authorization": "Bearer token-1"})
    assert good.document["id"] == (await wire.ask("GET", "/v2/account")).document["id"]
    assert (await wire.ask("GET", "/v2/account", headers={"Authorization": "Bearer token-2"})).status == 401


async def test_the_budget_of_a_minute_is_kept(make_wire: MakeWire) -> None:
    """Requests count down in the headers, then get 429 until the minute ends."""
    wire = await make_wire(rate_limit_per_minute=2)
    first = await wire.ask("GET", "/v2/account")
    assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == ("2", "1")
    assert int(first.headers["X-RateLimit-Reset"]) * 1_000_000_000 > wire.clock.now_ns()
    await wire.ask("GET", "/v2/account")
    refused = await wire.order(client_order_id="one")
    assert (refused.status, refused.document) == (429, {"code": 42910000, "message": "rate limit exceeded"})
    wire.later(60)
    assert (await wire.order(client_order_id="one")).status == 200


async def test_orders_that_have_ended_are_not_canceled(wire: Wire) -> None:
    """A filled order refuses a cancel in words; canceling a canceled one again passes silently."""
    filled = await wire.placed()
    refused = await wire.ask("DELETE", f"/v2/orders/{filled['id']}")
    assert (refused.status, refused.document["message"]) == (422, 'order is already in "filled" state')
    resting = await wire.placed(type="limit", limit_price=150)
    for _ in range(2):
        assert (await wire.ask("DELETE", f"/v2/orders/{resting['id']}")).status == 204


async def test_replacing_is_refused_with_its_reason(wire: Wire) -> None:
    """Each order that cannot be replaced, and each change that cannot be made, has its own words."""

    async def said(order: Any, **changes: Any) -> tuple[int, str]:
        reply = await wire.ask("PATCH", f"/v2/orders/{order['id']}", changes)
        return reply.document["code"], reply.document["message"]

    limit = await wire.placed(qty=5, type="limit", limit_price=150)
    assert await said(limit) == (42210000, "order parameters are not changed")
    assert await said(limit, limit_price="150.123") == (
        42210000,
        "invalid limit_price 150.123. sub-penny increment does not fulfill minimum pricing criteria",
    )
    assert await said(limit, qty=0) == (40010001, "qty must be > 0")
    assert await said(limit, qty=4.5) == (42210000, "qty cannot be changed for fractional orders")
    assert await said(limit, stop_price=140) == (40010001, "stop_price cannot be set on this order")
    replaced = (await wire.ask("PATCH", f"/v2/orders/{limit['id']}", {"qty": 6})).document
    assert await said(limit, qty=7) == (42210000, "order already replaced")
    wire.arm(Fault(name=FaultName.SLOW_CANCEL, seconds=60))
    await wire.ask("DELETE", f"/v2/orders/{replaced['id']}")
    assert await said(replaced, qty=7) == (42210000, "cannot replace order in pending_cancel status")
    filled = await wire.placed()
    assert await said(filled, qty=7) == (42210000, "unable to replace order, order is not open")


async def test_exits_change_in_price_only(wire: Wire) -> None:
    """The quantity of a bracket's exit follows its entry; its price may change."""
    exits = {"take_profit": {"limit_price": 220}, "stop_loss": {"stop_price": 180}}
    bracket = await wire.placed(qty=2, **BRACKET, **exits)
    exit_ = bracket["legs"][0]
    refused = await wire.ask("PATCH", f"/v2/orders/{exit_['id']}", {"qty": 1})
    assert refused.document["message"] == "qty cannot be changed for advanced orders"
    changed = await wire.ask("PATCH", f"/v2/orders/{exit_['id']}", {"limit_price": 230})
    assert (changed.status, changed.document["limit_price"]) == (200, "230")


async def test_a_partly_filled_order_keeps_what_it_has(wire: Wire) -> None:
    """A new quantity must be above what is filled."""
    order = await wire.placed(symbol="F", qty=6000, type="limit", limit_price=20)
    assert (await wire.found(order["id"]))["filled_qty"] == "5000"
    refused = await wire.ask("PATCH", f"/v2/orders/{order['id']}", {"qty": 5000})
    assert refused.document["message"] == "qty must be > filled_qty"


async def test_auctions_take_orders_in_their_hours(make_wire: MakeWire) -> None:
    """In New York's hours an order for the opening is refused after 9:28 and taken again from 19:00."""
    wire = await make_wire(always_open=False)
    assert (await wire.order(time_in_force="opg")).status == 200
    wire.later(7 * 3600)
    refused = await wire.order(time_in_force="opg")
    assert (refused.status, refused.document["code"]) == (403, 40310000)
    wire.later(9 * 3600)
    assert (await wire.order(time_in_force="opg")).status == 200
