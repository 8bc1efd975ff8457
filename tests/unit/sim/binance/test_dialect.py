"""What the simulated Binance refuses, and in which words."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from brokergw.sim.dialects.binance import DEFAULT_KEY, DEFAULT_SECRET, BinanceDialect, BinanceOptions
from brokergw.sim.server import SimServer
from brokergw.sim.wire import WireRequest
from tests.fixtures.alpaca_wire import StillClock

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}


class Desk:
    """Asks the dialect, without a wire, by a clock that stands still."""

    def __init__(self, **options: Any) -> None:
        self.clock = StillClock()
        chosen = replace(BinanceOptions(now_ns=self.clock.now_ns, cash=Decimal(1_000_000)), **options)
        dialect = SimServer.of(BinanceDialect, chosen).dialect
        assert isinstance(dialect, BinanceDialect)
        self.dialect = dialect
        for name in ("BTCUSDT", "BTCUSDT.PERP"):
            self.dialect.exchange.set_price(name, Decimal(97_000))

    def ask(
        self,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        *,
        time_ms: int | None = None,
        in_body: str = "",
        sign: Callable[[str], str] | None = None,
        key: str = DEFAULT_KEY,
    ) -> tuple[int, Any]:
        """Send a signed request, some of it in the body, and give status and document."""
        now_ms = self.clock.now // 1_000_000
        query = urlencode({**(params or {}), "timestamp": str(now_ms if time_ms is None else time_ms)})
        signature = (sign or _hmac)(query + in_body)
        query += "&" + urlencode({"signature": signature})
        request = WireRequest(method, path, {}, {"X-MBX-APIKEY": key}, in_body.encode())
        request.query_string = query
        reply = self.dialect.answer(request)
        return reply.status, json.loads(reply.body) if reply.body[:1] in {b"{", b"["} else reply.body


def _hmac(payload: str) -> str:
    return hmac.new(DEFAULT_SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()


def test_query_and_body_are_signed_as_one() -> None:
    """The payload is the query immediately followed by the body; the same signature over anything else is wrong."""
    desk = Desk()
    body = urlencode({**ORDER, "price": "90000"})
    assert desk.ask("POST", "/api/v3/order/test", in_body=body) == (200, {})
    status, refusal = desk.ask("POST", "/api/v3/order/test", in_body=body, sign=lambda payload: _hmac("&" + payload))
    assert (status, refusal["code"]) == (400, -1022)


def test_ed25519_signatures_are_verified() -> None:
    """A key that was registered by its public half signs in base64, and another one's signature is wrong."""
    mine, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = mine.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    desk = Desk(public_keys={"edkey": public})
    for key, expected in ((mine, 200), (other, 400)):

        def sign(payload: str, key: Ed25519PrivateKey = key) -> str:
            return base64.b64encode(key.sign(payload.encode())).decode()

        assert desk.ask("GET", "/api/v3/account", sign=sign, key="edkey")[0] == expected


@pytest.mark.parametrize(
    ("offset_ms", "window", "good"),
    [(999, "5000", True), (1000, "5000", False), (-5000, "5000", True), (-5001, "5000", False), (-61, "60", False)],
)
def test_a_request_is_good_for_its_window(offset_ms: int, window: str, good: bool) -> None:  # noqa: FBT001 - a case
    """It may be less than a second ahead, and as old as its window, to the millisecond."""
    desk = Desk()
    time_ms = desk.clock.now // 1_000_000 + offset_ms
    status, answer = desk.ask("GET", "/api/v3/openOrderList", {"recvWindow": window}, time_ms=time_ms)
    assert (status == 200) is good
    assert good or answer["code"] == -1021


def test_unknown_keys_are_refused_in_binances_words() -> None:
    """A key of the wrong form and one that nobody has are told apart."""
    desk = Desk()
    assert desk.ask("GET", "/api/v3/account", key="no-key")[1]["code"] == -2014
    assert desk.ask("GET", "/api/v3/account", key="NOBODY") == (
        401,
        {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."},
    )


def test_what_is_not_read_and_what_is_empty_is_refused() -> None:
    """Binance reads every parameter or none."""
    desk = Desk()
    assert desk.ask("GET", "/api/v3/account", {"nonsense": "1"})[1]["code"] == -1104
    assert desk.ask("GET", "/api/v3/account", {"omitZeroBalances": ""})[1]["code"] == -1105


@pytest.mark.parametrize(("length", "good"), [(35, True), (36, True), (37, False)])
def test_a_client_order_id_has_36_characters_at_most(length: int, good: bool) -> None:  # noqa: FBT001 - a case
    """Longer ones are refused, with each product's own code."""
    desk = Desk()
    params = {**ORDER, "price": "90000", "newClientOrderId": "x" * length}
    for path, code in (("/api/v3/order", -1100), ("/fapi/v1/order", -4015)):
        status, answer = desk.ask("POST", path, params)
        assert (status == 200) is good
        assert good or answer["code"] == code


def test_an_id_is_free_again_once_its_order_has_ended() -> None:
    """A market order under one id trades twice, which is what makes a blind second attempt dangerous."""
    desk = Desk()
    params = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01", "newClientOrderId": "again"}
    first = desk.ask("POST", "/api/v3/order", params)[1]
    second = desk.ask("POST", "/api/v3/order", params)[1]
    assert first["status"] == second["status"] == "FILLED"
    assert first["orderId"] != second["orderId"]


def test_a_spent_budget_is_429_and_going_on_is_418() -> None:
    """At the limit the last request passes; after it 429 with the window's rest, then a ban for everybody."""
    desk = Desk(spot_weight=20)
    assert desk.ask("GET", "/api/v3/account")[0] == 200
    statuses = [desk.ask("GET", "/api/v3/openOrderList")[0] for _ in range(12)]
    assert statuses == [429] * 10 + [418] * 2
    desk.clock.now += 119 * 1_000_000_000
    assert desk.ask("GET", "/api/v3/account")[0] == 418
    desk.clock.now += 1_000_000_000
    assert desk.ask("GET", "/api/v3/account")[0] == 200


def test_orders_are_counted_by_account() -> None:
    """The order beyond the limit is refused with -1015, and the next ten seconds are free."""
    desk = Desk(orders_10s=2)
    params = {**ORDER, "price": "90000"}
    assert [desk.ask("POST", "/api/v3/order", params)[0] for _ in range(3)] == [200, 200, 429]
    assert desk.ask("POST", "/api/v3/order", params)[1]["code"] == -1015
    desk.clock.now += 10 * 1_000_000_000
    assert desk.ask("POST", "/api/v3/order", params)[0] == 200


def test_listen_keys_are_gone_at_spot() -> None:
    """410 since 2026-02-20, and as before for SDKs that still ask, where that is chosen."""
    assert Desk().ask("POST", "/api/v3/userDataStream")[0] == 410
    request = WireRequest("POST", "/api/v3/userDataStream", {}, {"X-MBX-APIKEY": DEFAULT_KEY})
    assert Desk(listen_keys_on_spot=True).dialect.answer(request).status == 200


def test_cancel_replace_tells_each_half() -> None:
    """Both done is 200, one of two 409, none 400, each with what became of either."""
    desk = Desk()
    old = desk.ask("POST", "/api/v3/order", {**ORDER, "price": "90000"})[1]["orderId"]
    base = {**ORDER, "price": "91000", "cancelReplaceMode": "STOP_ON_FAILURE"}
    status, both = desk.ask("POST", "/api/v3/order/cancelReplace", {**base, "cancelOrderId": str(old)})
    assert (status, both["cancelResult"], both["newOrderResult"]) == (200, "SUCCESS", "SUCCESS")
    status, none = desk.ask("POST", "/api/v3/order/cancelReplace", {**base, "cancelOrderId": str(old)})
    assert (status, none["code"], none["data"]["newOrderResult"]) == (400, -2022, "NOT_ATTEMPTED")
    poor = {**base, "cancelOrderId": str(both["newOrderResponse"]["orderId"]), "quantity": "1000"}
    status, half = desk.ask("POST", "/api/v3/order/cancelReplace", poor)
    assert (status, half["code"], half["data"]["cancelResult"]) == (409, -2021, "SUCCESS")


def test_an_amendment_only_takes_away() -> None:
    """Less than before and more than filled keeps the order's number; anything else changes nothing."""
    desk = Desk()
    order = desk.ask("POST", "/api/v3/order", {**ORDER, "price": "90000"})[1]["orderId"]
    path, base = "/api/v3/order/amend/keepPriority", {"symbol": "BTCUSDT", "orderId": str(order)}
    for quantity, good in (("0.00999", True), ("0.00999", False), ("0.02", False), ("0", False)):
        status, answer = desk.ask("PUT", path, {**base, "newQty": quantity})
        assert (status == 200) is good, answer
        assert not good or answer["amendedOrder"]["orderId"] == order


def test_margin_type_and_mode_do_not_change_under_open_orders() -> None:
    """What is already so is refused as such, and what orders stand on is refused too."""
    desk = Desk()
    assert desk.ask("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "false"})[1]["code"] == -4059
    desk.ask("POST", "/fapi/v1/order", {**ORDER, "price": "90000"})
    assert desk.ask("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "true"})[1]["code"] == -4067
    margin = {"symbol": "BTCUSDT", "marginType": "ISOLATED"}
    assert desk.ask("POST", "/fapi/v1/marginType", margin)[1]["code"] == -4047
    desk.ask("DELETE", "/fapi/v1/allOpenOrders", {"symbol": "BTCUSDT"})
    assert desk.ask("POST", "/fapi/v1/marginType", margin) == (200, {"code": 200, "msg": "success"})
    assert desk.ask("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "true"})[0] == 200
    assert desk.ask("POST", "/fapi/v1/order", {**ORDER, "price": "90000"})[1]["code"] == -4061
