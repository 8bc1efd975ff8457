"""Signatures, budgets, bans and the clock, over a scripted wire."""

import hashlib
import hmac
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest

from brokergw.adapters.binance import BinanceConfig
from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.model.outcome import Accepted, NotSent
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from tests.fixtures.alpaca_wire import answer
from tests.fixtures.binance_wire import SECRET, ScriptedBinance, refusal, sample
from tests.fixtures.permits import permit

ORDER = "/api/v3/order"
MARKET = OrderTerms(
    symbol="BTC/USDT", side=Side.BUY, type=OrderType.MARKET, time_in_force=TimeInForce.GTC, quantity=Decimal(10)
)


def signed(text: str) -> str:
    """Give what the secret makes of a payload."""
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


async def test_a_command_is_signed_over_its_body() -> None:
    """The whole form but the signature is the payload, the query is empty, and the time is the broker's."""
    wire = ScriptedBinance()
    theirs_ms = wire.clock.now // 1_000_000 + 70_000
    wire.on("GET", "/api/v3/time", answer({"serverTime": theirs_ms}))
    wire.on("POST", ORDER, answer(sample("http_post_order_full")))
    outcome = await wire.open().submit_order(permit("gw-1"), MARKET)
    assert isinstance(outcome, Accepted)
    request = wire.requests[-1]
    payload, _, signature = request.content.decode().partition("&signature=")
    assert signature == signed(payload)
    assert request.url.query == b""
    (sent,) = wire.asked("POST", ORDER)
    assert sent["timestamp"] == str(theirs_ms)
    assert sent["newClientOrderId"] == "gw-1"
    assert "price" not in sent


async def test_a_query_is_signed_over_its_query() -> None:
    """A look-up carries everything in its query, signature last."""
    wire = ScriptedBinance()
    wire.on("GET", ORDER, answer(sample("http_get_order")))
    await wire.open().get_order("BTCUSDT:29")
    payload, _, signature = wire.requests[-2].url.query.decode().partition("&signature=")
    assert wire.requests[-2].url.path == ORDER
    assert signature == signed(payload)


async def test_an_order_at_the_wrong_time_is_not_sent_and_the_clock_is_measured_anew() -> None:
    """-1021 to an order is NotSent, the order is not repeated, and the next request asks for the time first."""
    wire = ScriptedBinance()
    wire.on("POST", ORDER, refusal(-1021, "Timestamp for this request is outside of the recvWindow."))
    broker = wire.open()
    assert isinstance(await broker.submit_order(permit("gw-1"), MARKET), NotSent)
    assert len(wire.asked("POST", ORDER)) == 1
    before = len(wire.asked("GET", "/api/v3/time"))
    wire.on("GET", "/api/v3/openOrderList", answer([]))
    await broker.ping()
    assert len(wire.asked("GET", "/api/v3/time")) == before + 1


async def test_a_query_at_the_wrong_time_is_asked_again_once() -> None:
    """A query is repeated after the clock was measured, and fails when it is refused again."""
    wire = ScriptedBinance()
    late = refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    wire.on("GET", "/api/v3/openOrderList", late, answer([]))
    await wire.open().ping()
    assert len(wire.asked("GET", "/api/v3/openOrderList")) == 2
    wire.on("GET", "/api/v3/openOrderList", late)
    with pytest.raises(GatewayError):
        await wire.open().ping()
    assert len(wire.asked("GET", "/api/v3/openOrderList")) == 4


@pytest.mark.parametrize(("status", "headers", "wait_s"), [(418, {"retry_after": "300"}, 300), (418, {}, 120)])
async def test_a_ban_holds_for_every_account_of_the_address(status: int, headers: dict[str, str], wait_s: int) -> None:
    """After one account was banned another sends nothing until the ban is over, cancels included."""
    wire = ScriptedBinance()
    wire.on("GET", "/api/v3/openOrderList", refusal(-1003, "banned", status, **headers))
    first, second = wire.open(), wire.open(key="BINANCETESTKEY0002")
    with pytest.raises(Throttled):
        await first.ping()
    sent = len(wire.requests)
    outcome = await second.submit_order(permit("gw-1"), MARKET)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after_s == pytest.approx(wait_s, abs=1)
    with pytest.raises(Throttled) as refused:
        await second.ping()
    assert refused.value.reason is Reason.BROKER_RATE_LIMITED
    assert len(wire.requests) == sent
    wire.clock.now += wait_s * 1_000_000_000
    wire.on("GET", "/api/v3/openOrderList", answer([]))
    await second.ping()


async def test_too_many_orders_hold_back_orders_only() -> None:
    """-1015 is the account's own: its orders wait, its queries and another account's orders go on."""
    wire = ScriptedBinance()
    wire.on("POST", ORDER, refusal(-1015, "Too many new orders", 429, retry_after="7"))
    wire.on("GET", "/api/v3/openOrderList", answer([]))
    first, second = wire.open(), wire.open(key="BINANCETESTKEY0002")
    outcome = await first.submit_order(permit("gw-1"), MARKET)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after_s == 7
    assert isinstance(await first.submit_order(permit("gw-2"), MARKET), NotSent)
    assert len(wire.asked("POST", ORDER)) == 1
    await first.ping()
    wire.on("POST", ORDER, answer({**sample("http_post_order_full"), "clientOrderId": "gw-3"}))
    assert isinstance(await second.submit_order(permit("gw-3"), MARKET), Accepted)


async def test_the_weight_is_what_the_headers_say() -> None:
    """Used weight of the header counts, and at the limit nothing more is sent in the window."""
    wire = ScriptedBinance(replace(BinanceConfig.spot(), weight_per_minute=1000))
    near = {"X-MBX-USED-WEIGHT-1M": "895", "X-MBX-ORDER-COUNT-10S": "3"}
    wire.on("GET", "/api/v3/openOrderList", answer([], headers=near))
    broker = wire.open()
    assert broker.budget().remaining is None
    await broker.ping()
    budget = broker.budget()
    assert (budget.limit, budget.remaining, budget.extra["orders_10s"]) == (1000, 105, "3/50")
    with pytest.raises(Throttled):
        await broker.ping()
    wire.on("POST", ORDER, answer(sample("http_post_order_full")))
    assert isinstance(await broker.submit_order(permit("gw-1"), MARKET), Accepted)


async def test_refused_keys_are_told_as_such() -> None:
    """A wrong key says nothing of the order, which is not sent in the broker's words, and is the error of a query."""
    wire = ScriptedBinance()
    wrong = refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    wire.on("POST", ORDER, wrong)
    wire.on("GET", "/api/v3/openOrderList", wrong)
    broker = wire.open()
    outcome = await broker.submit_order(permit("gw-1"), MARKET)
    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retry_after_s) == (Reason.BROKER_CREDENTIALS_REFUSED, None)
    assert outcome.why.endswith("Invalid API-key, IP, or permissions for action.")
    with pytest.raises(GatewayError) as refused:
        await broker.ping()
    assert refused.value.reason is Reason.BROKER_CREDENTIALS_REFUSED


def test_a_key_that_is_no_key_opens_nothing() -> None:
    """Half a private key is refused when the connection is made, with words that hold nothing of it."""
    with pytest.raises(GatewayError) as refused:
        ScriptedBinance().open(secret="-----BEGIN PRIVATE KEY-----\nabc")
    assert refused.value.reason is Reason.CONNECTION_NOT_USABLE
    assert "abc" not in refused.value.message


async def test_an_order_that_was_thrown_away_for_want_of_room_is_not_sent() -> None:
    """-1008 means that nothing was done."""
    wire = ScriptedBinance()
    wire.on("POST", ORDER, httpx.Response(503, content=b'{"code":-1008,"msg":"Server is currently overloaded"}'))
    assert isinstance(await wire.open().submit_order(permit("gw-1"), MARKET), NotSent)
