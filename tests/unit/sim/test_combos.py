"""Multi-leg option orders."""

from typing import Any

import pytest

from tests.fixtures.sim_wire import Wire

CALL, PUT = "AAPL270115C00230000", "AAPL270115P00230000"
START_CALL, START_PUT = "20", "10"


@pytest.fixture
def priced(wire: Wire) -> Wire:
    """Options at round prices: the call at 20 (19.92 to 20.08), the put at 10 (9.96 to 10.04)."""
    wire.price(START_CALL, CALL)
    wire.price(START_PUT, PUT)
    return wire


def straddle(intent: str = "buy_to_open", **fields: Any) -> dict[str, Any]:
    """Write an order for both options."""
    legs = [{"symbol": symbol, "ratio_qty": "1", "position_intent": intent} for symbol in (CALL, PUT)]
    return {"order_class": "mleg", "symbol": None, "side": None, "qty": 2, "legs": legs, **fields}


async def test_all_legs_trade_in_one_go(priced: Wire) -> None:
    """The parent has no symbol and side, its legs carry ratios; one fill at the net price brings both positions."""
    async with priced.listening() as stream:
        order = await priced.placed(**straddle())
        assert (order["order_class"], order["symbol"], order["side"], order["status"]) == (
            "mleg",
            "",
            "",
            "pending_new",
        )
        assert [(leg["symbol"], leg["type"], leg["ratio_qty"]) for leg in order["legs"]] == [
            (CALL, "", "1"),
            (PUT, "", "1"),
        ]
        assert await stream.hear_events(3) == ["pending_new", "new", "fill"]
    filled = await priced.found(order["id"])
    assert (filled["status"], filled["filled_avg_price"]) == ("filled", "30.12")
    positions = (await priced.ask("GET", "/v2/positions")).document
    assert {row["symbol"]: (row["qty"], row["exchange"]) for row in positions} == {CALL: ("2", ""), PUT: ("2", "")}
    fills = (await priced.ask("GET", "/v2/account/activities/FILL")).document
    assert {row["order_id"] for row in fills} == {leg["id"] for leg in order["legs"]}
    assert (await priced.ask("GET", "/v2/account")).document["cash"] == "93976"


async def test_a_net_limit_waits_for_its_price(priced: Wire) -> None:
    """The order rests until the legs together cost no more than the limit; it is listed, replaced and canceled."""
    order = await priced.placed(**straddle(type="limit", limit_price=25, client_order_id="mine"))
    assert (await priced.ask("GET", "/v2/orders:by_client_order_id", client_order_id="mine")).document[
        "status"
    ] == "new"
    assert [row["id"] for row in (await priced.ask("GET", "/v2/orders")).document] == [order["id"]]
    changed = await priced.ask("PATCH", f"/v2/orders/{order['id']}", {"limit_price": 26})
    assert (changed.status, changed.document["replaces"]) == (200, order["id"])
    assert (await priced.found(order["id"]))["status"] == "replaced"
    priced.price("14", CALL)
    assert (await priced.found(changed.document["id"]))["status"] == "filled"
    resting = await priced.placed(**straddle(type="limit", limit_price=5))
    assert (await priced.ask("DELETE", f"/v2/orders/{resting['id']}")).status == 204
    assert (await priced.found(resting["id"]))["canceled_at"] is not None
    assert (await priced.ask("GET", "/v2/orders")).document == []


async def test_positions_are_closed_together(priced: Wire) -> None:
    """Selling what was bought brings the money back and leaves no position."""
    await priced.placed(**straddle())
    await priced.placed(**straddle("sell_to_close", type="limit", limit_price=-29))
    assert (await priced.ask("GET", "/v2/positions")).document == []


async def test_canceling_everything_takes_them_along(priced: Wire) -> None:
    """DELETE /v2/orders reports them like any other."""
    order = await priced.placed(**straddle(type="limit", limit_price=5))
    reply = await priced.ask("DELETE", "/v2/orders")
    assert (reply.status, reply.document) == (207, [{"id": order["id"], "status": 200}])


def legs(*rows: tuple[str, str, str]) -> list[dict[str, str]]:
    """Write legs as symbol, ratio and intent."""
    return [{"symbol": symbol, "ratio_qty": ratio, "position_intent": intent} for symbol, ratio, intent in rows]


OPEN = "buy_to_open"


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"symbol": "AAPL"}, 422, "symbol is not allowed for mleg order"),
        ({"qty": None}, 422, "qty is required for mleg order"),
        ({"qty": "1.5"}, 422, "qty must be a whole number for mleg order"),
        ({"type": "stop", "stop_price": ""}, 422, "mleg orders must be market or limit orders"),
        ({"time_in_force": "gtc"}, 422, "mleg orders must be DAY orders"),
        ({"type": "limit"}, 422, "limit orders require a limit price"),
        ({"limit_price": 3}, 422, "market orders require no stop or limit price"),
        ({"legs": legs((CALL, "1", OPEN))}, 422, "mleg orders require between 2 and 4 legs"),
        ({"legs": legs((CALL, "1", OPEN), (CALL, "1", OPEN))}, 422, "mleg orders require unique leg symbols"),
        ({"legs": legs((CALL, "2", OPEN), (PUT, "4", OPEN))}, 422, "leg ratio quantities must be relatively prime"),
        ({"legs": legs((CALL, "1", OPEN), (PUT, "1", ""))}, 422, "leg.1 position intent is required"),
        ({"legs": legs((CALL, "1", OPEN), ("ZZZZ", "1", OPEN))}, 422, 'asset "ZZZZ" not found'),
        ({"legs": legs((CALL, "1", OPEN), (PUT, "0", OPEN))}, 422, "leg.1 ratio_qty must be a whole number > 0"),
        (
            {"legs": legs((CALL, "1", OPEN), (PUT, "1", "sell_to_close"))},
            422,
            "position intent mismatch, inferred: sell_to_open, specified: sell_to_close",
        ),
        (
            {"legs": legs((CALL, "1", "sell_to_open"), (PUT, "1", OPEN))},
            403,
            "account not eligible to trade uncovered option contracts",
        ),
        (
            {"qty": 100},
            403,
            "insufficient options buying power (required: 301200, available: 100000)",
        ),
    ],
)
async def test_a_bad_combination_is_refused(priced: Wire, fields: dict[str, Any], status: int, message: str) -> None:
    """Each rule has its own words, and nothing is booked."""
    reply = await priced.order(**straddle(**fields))
    assert (reply.status, reply.document["message"]) == (status, message)
    assert (await priced.ask("GET", "/v2/orders", status="all")).document == []


async def test_client_order_ids_are_shared_with_single_orders(priced: Wire) -> None:
    """An id is taken whichever kind of order took it."""
    await priced.placed(**straddle(client_order_id="one"))
    await priced.placed(client_order_id="two")
    for refused in (await priced.order(client_order_id="one"), await priced.order(**straddle(client_order_id="two"))):
        assert refused.document["message"] == "client_order_id must be unique"
