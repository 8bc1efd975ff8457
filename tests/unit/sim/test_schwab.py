"""Schwab's dialect where its SDKs do not look: who is refused, in which words, and what its stream does."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, Final

import aiohttp
import pytest

from brokergw.sim.dialects.schwab import DEFAULT_NUMBER, DEFAULT_TOKEN, SchwabDialect, SchwabOptions, serve_schwab
from brokergw.sim.dialects.schwab.activity import figure
from brokergw.sim.dialects.schwab.shapes import account_hash, broker_symbol
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.server import SimServer

ORDERS: Final = f"/trader/v1/accounts/{account_hash(DEFAULT_NUMBER)}/orders"


def order(**changes: Any) -> dict[str, Any]:
    """Write a limit order far below the price."""
    leg = {"instruction": "BUY", "quantity": 1, "instrument": {"symbol": "AAPL", "assetType": "EQUITY"}}
    base = {"session": "NORMAL", "duration": "DAY", "orderType": "LIMIT", "price": "10.00"}
    return {**base, "orderStrategyType": "SINGLE", "orderLegCollection": [leg], **changes}


@pytest.fixture
async def server() -> AsyncIterator[SimServer]:
    async with await serve_schwab(options=SchwabOptions(tick_interval_s=None)) as running:
        yield running


@pytest.fixture
async def http(server: SimServer) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:
        yield session


async def ask(http: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, str, Any]:
    """Make one request; gives status, body and headers."""
    async with http.request(method, path, json=body) as reply:
        return reply.status, await reply.text(), reply.headers


@pytest.mark.parametrize("header", ["", "Bearer I0.wrong", f"Basic {DEFAULT_TOKEN}", DEFAULT_TOKEN])
async def test_nobody_passes_without_a_token(server: SimServer, header: str) -> None:
    """A missing, wrong or misplaced token is refused as the API does, and nothing is done."""
    async with aiohttp.ClientSession(server.url, headers={"Authorization": header}) as stranger:
        status, text, _ = await ask(stranger, "POST", ORDERS, order())
    assert (status, "message" in json.loads(text)) == (401, True)
    assert server.dialect.state()["accounts"][0]["orders"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"session": "NIGHT"},
        {"duration": "FOREVER"},
        {"orderType": "GUESS"},
        {"orderStrategyType": "TRIGGER"},
        {"orderStrategyType": "OCO"},
        {"orderLegCollection": []},
        {"price": "ten"},
        {"price": "10.001"},
        {"price": None},
        {"orderLegCollection": [{**order()["orderLegCollection"][0], "quantity": 0}]},
        {"orderLegCollection": [{**order()["orderLegCollection"][0], "quantity": 1.5}]},
        {"orderLegCollection": [{**order()["orderLegCollection"][0], "instruction": "BUY_TO_OPEN"}]},
        {"orderLegCollection": [{**order()["orderLegCollection"][0], "instrument": {"symbol": "ZZZZ"}}]},
    ],
    ids=lambda changes: json.dumps(changes)[:70],
)
async def test_what_is_malformed_is_refused_at_once(
    server: SimServer, http: aiohttp.ClientSession, changes: dict[str, Any]
) -> None:
    """400 with words, and no order with a number."""
    status, text, _ = await ask(http, "POST", ORDERS, order(**changes))
    assert status == 400
    assert json.loads(text)["errors"]
    assert server.dialect.state()["accounts"][0]["orders"] == []


async def test_of_a_budget_the_last_request_passes_and_the_next_does_not() -> None:
    """Orders have a budget of their own by account: at its limit one passes, above it none."""
    options = SchwabOptions(tick_interval_s=None, orders_per_minute=2, now_ns=lambda: 1_800_000_000 * 10**9)
    async with (
        await serve_schwab(options=options) as server,
        aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {DEFAULT_TOKEN}"}) as http,
    ):
        statuses = [(await ask(http, "POST", ORDERS, order()))[0] for _ in range(3)]
        assert statuses == [201, 201, 429]
        assert (await ask(http, "GET", f"{ORDERS.removesuffix('/orders')}"))[0] == 200


async def test_a_place_may_name_another_order(server: SimServer, http: aiohttp.ClientSession) -> None:
    """The fault answers a submit with the id of an order that is not there; the order itself was taken."""
    server.faults.arm(Fault(name=FaultName.OTHER_ORDER))
    _, _, headers = await ask(http, "POST", ORDERS, order())
    named = headers["Location"].rpartition("/")[2]
    assert (await ask(http, "GET", f"{ORDERS}/{named}"))[0] == 404
    (taken,) = server.dialect.state()["accounts"][0]["orders"]
    assert str(taken["orderId"]) != named


async def test_a_second_connection_ends_the_first(server: SimServer, http: aiohttp.ClientSession) -> None:
    """A login has one stream: the older one hears code 12 and is closed, a wrong token hears code 3."""
    _, text, _ = await ask(http, "GET", "/trader/v1/userPreference")
    (info,) = json.loads(text)["streamerInfo"]

    async def log_in(token: str) -> tuple[aiohttp.ClientWebSocketResponse, int]:
        socket = await http.ws_connect(info["streamerSocketUrl"])
        await socket.send_json(
            {
                "service": "ADMIN",
                "requestid": 1,
                "command": "LOGIN",
                "SchwabClientCustomerId": info["schwabClientCustomerId"],
                "SchwabClientCorrelId": "c",
                "parameters": {"Authorization": token, "SchwabClientChannel": "N9"},
            }
        )
        return socket, (await socket.receive_json())["response"][0]["content"]["code"]

    first, code = await log_in(DEFAULT_TOKEN)
    assert code == 0
    second, code = await log_in(DEFAULT_TOKEN)
    assert code == 0
    assert (await first.receive_json())["response"][0]["content"]["code"] == 12
    assert (await first.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    third, code = await log_in("I0.wrong")
    assert code == 3
    for socket in (first, second, third):
        await socket.close()


async def test_a_forced_fill_and_a_bust_show_in_the_orders_row(server: SimServer, http: aiohttp.ClientSession) -> None:
    """What is done by hand stands in the row as it does in the account."""
    _, _, headers = await ask(http, "POST", ORDERS, order())
    order_id = headers["Location"].rpartition("/")[2]
    dialect = server.dialect
    assert isinstance(dialect, SchwabDialect)
    filled = dialect.force_fill(order_id, None, Decimal("9.99"))
    assert (filled["status"], filled["orderActivityCollection"][0]["executionLegs"][0]["price"]) == ("FILLED", 9.99)
    busted = dialect.amend(order_id, "", Decimal(0), None)
    assert busted["filledQuantity"] == 0
    with pytest.raises(ValueError, match="no order"):
        dialect.force_fill("1", None, None)


@pytest.mark.parametrize(("value", "told"), [("220.47", "220470000"), ("0", "0"), ("-1.5", "1500000")])
def test_figures_of_the_stream_carry_scale_and_sign(value: str, told: str) -> None:
    """Digits, and twice the decimal places with the sign in the lowest bit."""
    written = figure(Decimal(value))
    assert (written["lo"], written["signScale"]) == (told, 13 if value.startswith("-") else 12)


def test_contracts_have_twenty_one_characters() -> None:
    """The root is filled up to six."""
    assert broker_symbol("SPY270115C00590000") == "SPY   270115C00590000"
    assert broker_symbol("GOOGL") == "GOOGL"
