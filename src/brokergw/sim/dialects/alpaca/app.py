"""The Alpaca dialect: which path leads to which endpoint, who may pass, and how to serve it."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from brokergw.sim.dialects.alpaca import (
    account,
    activities,
    assets,
    calendar,
    contracts,
    history,
    market_data,
    orders,
    positions,
)
from brokergw.sim.dialects.alpaca.auth import Gate
from brokergw.sim.dialects.alpaca.brokerage import Brokerage
from brokergw.sim.dialects.alpaca.call import Answer, Call
from brokergw.sim.dialects.alpaca.options import AlpacaOptions
from brokergw.sim.dialects.alpaca.refusals import ApiError, failure
from brokergw.sim.dialects.alpaca.stream import Connection, Conversation, Feed
from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.hours import Doors
from brokergw.sim.journal import WireJournal
from brokergw.sim.routes import Routes
from brokergw.sim.server import SimServer
from brokergw.sim.socket import abort_all
from brokergw.sim.wire import Entry, WireReply, WireRequest, encode_json

Endpoint = Callable[[Call], Any]

_ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("POST", "/v2/orders"): orders.submit,
    ("GET", "/v2/orders"): orders.list_orders,
    ("DELETE", "/v2/orders"): orders.cancel_all,
    ("GET", "/v2/orders:by_client_order_id"): orders.get_by_client_order_id,
    ("GET", "/v2/orders/*"): orders.get,
    ("PATCH", "/v2/orders/*"): orders.replace,
    ("DELETE", "/v2/orders/*"): orders.cancel,
    ("GET", "/v2/account"): account.get,
    ("GET", "/v2/account/configurations"): account.get_configurations,
    ("PATCH", "/v2/account/configurations"): account.set_configurations,
    ("GET", "/v2/positions"): positions.list_positions,
    ("DELETE", "/v2/positions"): positions.close_all,
    ("GET", "/v2/positions/*"): positions.get,
    ("DELETE", "/v2/positions/*"): positions.close,
    ("GET", "/v2/assets"): assets.list_assets,
    ("GET", "/v2/assets/*"): assets.get,
    ("GET", "/v2/account/activities"): activities.list_activities,
    ("GET", "/v2/account/activities/*"): activities.list_activities,
    ("GET", "/v2/account/portfolio/history"): history.get,
    ("GET", "/v2/options/contracts"): contracts.list_contracts,
    ("GET", "/v2/options/contracts/*"): contracts.get,
    ("GET", "/v2/clock"): calendar.clock,
    ("GET", "/v2/calendar"): calendar.calendar,
    ("GET", "/v2/stocks/quotes/latest"): market_data.stock_quotes,
    ("GET", "/v2/stocks/*/quotes/latest"): market_data.stock_quote,
    ("GET", "/v2/stocks/trades/latest"): market_data.stock_trades,
    ("GET", "/v2/stocks/*/trades/latest"): market_data.stock_trade,
    ("GET", "/v2/stocks/bars/latest"): market_data.stock_bars,
    ("GET", "/v2/stocks/snapshots"): market_data.stock_snapshots,
    ("GET", "/v2/stocks/*/snapshot"): market_data.stock_snapshot,
    ("GET", "/v1beta3/crypto/*/latest/quotes"): market_data.crypto_quotes,
    ("GET", "/v1beta3/crypto/*/latest/trades"): market_data.crypto_trades,
    ("GET", "/v1beta3/crypto/*/latest/bars"): market_data.crypto_bars,
    ("GET", "/v1beta3/crypto/*/snapshots"): market_data.crypto_snapshots,
    ("GET", "/v1beta1/options/quotes/latest"): market_data.option_quotes,
    ("GET", "/v1beta1/options/trades/latest"): market_data.option_trades,
}
_ROUTES: Final = Routes(_ENDPOINTS)


class AlpacaDialect:
    """Alpaca's Trading API v2, its `/stream`, and the data API's latest quotes on the same port."""

    name = "alpaca"
    stream_path = "/stream"

    def __init__(self, options: AlpacaOptions, faults: Faults, journal: WireJournal) -> None:
        self.brokerage = Brokerage(options, faults)
        self.exchange = self.brokerage.exchange
        self._faults = faults
        self._journal = journal
        self._gate = Gate(options, self.brokerage)
        self._connections: set[Connection] = set()

    def answer(self, request: WireRequest) -> WireReply:
        """Answer one REST request."""
        authorization = self.brokerage.options.authorization
        if authorization is not None and (reply := authorization.answer(request)) is not None:
            return reply
        room = self._gate.admit(request.headers)
        if isinstance(room, WireReply):
            return room
        within, headers = room.budget.spend(self.brokerage.now_ns())
        reply = self._route(Call(self.brokerage, room, request)) if within else failure(429)
        if headers is not None:
            reply.headers = headers
        return reply

    def _route(self, call: Call) -> WireReply:
        method, path = call.request.method, call.request.path.rstrip("/")
        endpoint, call.argument = self._find(method, path)
        if endpoint is None:
            return ApiError(404, 40410000, "endpoint not found.").reply()
        try:
            answer = endpoint(call)
        except ApiError as error:
            return error.reply()
        if not isinstance(answer, Answer):
            return WireReply(200, encode_json(answer))
        if answer.document is None:
            return WireReply(answer.status)
        return WireReply(answer.status, encode_json(answer.document))

    def _find(self, method: str, path: str) -> tuple[Endpoint | None, str]:
        endpoint, arguments = _ROUTES.find(method, path)
        if endpoint is not None:
            return endpoint, "".join(arguments)
        parts = path.split("/")
        if len(parts) > 4 and parts[2] in {"assets", "positions"}:
            # A pair of coins whose slash was not encoded.
            return _ENDPOINTS.get((method, f"/v2/{parts[2]}/*")), "/".join(parts[3:])
        return _ENDPOINTS.get((method, unquote(path))), ""

    def failure(self, status: int) -> WireReply:
        """Word a failure as Alpaca does."""
        reply = failure(status)
        if status == 429:
            seconds = self.brokerage.now_ns() // 1_000_000_000
            reply.headers = {
                "X-RateLimit-Limit": str(self.brokerage.options.rate_limit_per_minute or 200),
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str((seconds // 60 + 1) * 60),
            }
        return reply

    def refuse_stream(self, headers: Mapping[str, str]) -> WireReply | None:
        """Refuse a handshake with 429 when no account it could be for has room for another connection."""
        candidates = self._gate.candidates(headers)
        most = self.brokerage.options.stream_connections_max
        if any(len(room.feed.connections) < most for room in candidates):
            return None
        return failure(429)

    async def converse(self, socket: web.WebSocketResponse, headers: Mapping[str, str]) -> None:
        """Talk on one websocket."""
        packed = headers.get("Content-Type", "") == "application/msgpack"
        connection = Connection(socket, packed=packed)
        await Conversation(connection, self._enter, self._note).run(self._connections)

    def _enter(self, credentials: Mapping[str, Any]) -> Feed | None:
        if self._faults and self._faults.strike(FaultName.UNAUTHORIZED, "WS", self.stream_path):
            return None
        room = self._gate.recognise(credentials)
        if room is None:
            return None
        if len(room.feed.connections) >= self.brokerage.options.stream_connections_max:
            raise ConnectionRefusedError
        return room.feed

    def _note(self, raw: bytes) -> None:
        self._journal.note("WS", self.stream_path, raw)

    async def drop_streams(self) -> int:
        """Cut every websocket."""
        return await abort_all(self._connections)

    def tick(self) -> None:
        """Let time pass."""
        self.brokerage.tick()

    def set_market(self, mode: str) -> None:
        """Hold the market open or shut, or keep New York's hours; raises ValueError for another word."""
        self.brokerage.hours.doors = Doors(mode)

    def force_fill(self, order_id: str, quantity: Decimal | None, price: Decimal | None) -> dict[str, Any]:
        """Trade an open order now; raises Refused, or ValueError when there is no such order."""
        for room in self.brokerage.rooms.values():
            if self.exchange.order(room.account_id, order_id) is not None:
                self.exchange.execute(room.account_id, order_id, quantity=quantity, price=price)
                order = self.exchange.order(room.account_id, order_id)
                return {} if order is None else self.brokerage.shape(room, order)
        raise ValueError(f"no order has the id {order_id}")

    def amend(self, order_id: str, execution_id: str, quantity: Decimal, price: Decimal | None) -> dict[str, Any]:
        """Change an execution, or bust it with quantity 0; raises Refused, or ValueError when there is none."""
        for room in self.brokerage.rooms.values():
            if self.exchange.order(room.account_id, order_id) is not None:
                return self.brokerage.amend(room, order_id, execution_id, quantity, price)
        raise ValueError(f"no order has the id {order_id}")

    def enter(self, entry: Entry) -> dict[str, Any]:
        """Move an account without an order; raises ValueError when there is no such account."""
        return self.brokerage.enter(entry)

    def close(self) -> None:
        """Drop what was to happen later."""
        self.brokerage.close()

    def state(self) -> dict[str, Any]:
        """Describe every account for the control plane."""
        brokerage = self.brokerage
        return {
            "market": brokerage.hours.doors.value,
            "streams": len(self._connections),
            "accounts": [
                {
                    "key_id": room.key_id,
                    "account_id": room.account_id,
                    "account_number": room.number,
                    "positions": {symbol: str(quantity) for symbol, quantity in room.positions.items() if quantity},
                    "orders": [
                        brokerage.shape(room, order, nested=False)
                        for order in brokerage.exchange.orders(room.account_id)
                    ],
                }
                for room in brokerage.rooms.values()
            ],
        }


async def serve_alpaca(host: str = "127.0.0.1", port: int = 0, options: AlpacaOptions | None = None) -> SimServer:
    """Start a simulator in the running event loop; `stop()` ends it. Raises OSError when it cannot listen."""
    return await SimServer.of(AlpacaDialect, options or AlpacaOptions()).listening(host, port)
