"""The Schwab dialect: which path leads to which endpoint, who may pass, and how to serve it."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from brokergw.sim.dialects.schwab import accounts, history, market_data, orders, spreads
from brokergw.sim.dialects.schwab.brokerage import Brokerage
from brokergw.sim.dialects.schwab.call import Answer, Call
from brokergw.sim.dialects.schwab.options import SchwabOptions
from brokergw.sim.dialects.schwab.refusals import ApiError, failure
from brokergw.sim.dialects.schwab.room import Budget, Entry, Room
from brokergw.sim.dialects.schwab.stream import Connection, Conversation, Feed
from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.hours import Doors
from brokergw.sim.journal import WireJournal
from brokergw.sim.routes import Routes
from brokergw.sim.server import SimServer
from brokergw.sim.socket import abort_all
from brokergw.sim.wire import Entry as Movement
from brokergw.sim.wire import WireReply, WireRequest, encode_json

Endpoint = Callable[[Call], Any]

_TRADER: Final = "/trader/v1"
_DATA: Final = "/marketdata/v1"
_ORDERS: Final = f"{_TRADER}/accounts/*/orders"

# A star stands for one part of a path, still percent-encoded.
_ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("GET", f"{_TRADER}/accounts/accountNumbers"): accounts.numbers,
    ("GET", f"{_TRADER}/accounts"): accounts.get_all,
    ("GET", f"{_TRADER}/accounts/*"): accounts.get,
    ("GET", f"{_TRADER}/userPreference"): accounts.preferences,
    ("GET", f"{_TRADER}/orders"): orders.list_all,
    ("GET", _ORDERS): orders.list_orders,
    ("POST", _ORDERS): orders.submit,
    ("GET", f"{_ORDERS}/*"): orders.get,
    ("PUT", f"{_ORDERS}/*"): orders.replace,
    ("DELETE", f"{_ORDERS}/*"): orders.cancel,
    ("POST", f"{_TRADER}/accounts/*/previewOrder"): orders.preview,
    ("GET", f"{_TRADER}/accounts/*/transactions"): history.list_transactions,
    ("GET", f"{_TRADER}/accounts/*/transactions/*"): history.get,
    ("GET", f"{_DATA}/quotes"): market_data.quotes,
    ("GET", f"{_DATA}/*/quotes"): market_data.quote,
    ("GET", f"{_DATA}/instruments"): market_data.instruments,
    ("GET", f"{_DATA}/markets"): market_data.markets,
}
_ROUTES: Final = Routes(_ENDPOINTS)
_COMMANDS: Final = frozenset({"POST", "PUT", "DELETE"})
_BEARER: Final = "Bearer "


class SchwabDialect:
    """Schwab's trader API, its market data and its streamer on one port."""

    name = "schwab"
    stream_path = "/ws"

    def __init__(self, options: SchwabOptions, faults: Faults, journal: WireJournal) -> None:
        self.brokerage = Brokerage(options, faults)
        self.exchange = self.brokerage.exchange
        self.ended_tokens: set[str] = set()
        self._options = options
        self._faults = faults
        self._journal = journal
        self._connections: set[Connection] = set()

    def answer(self, request: WireRequest) -> WireReply:
        """Answer one REST request."""
        authorization = self._options.authorization
        if authorization is not None and (reply := authorization.answer(request)) is not None:
            return reply
        header = request.headers.get("Authorization", "")
        login = self.login_of(header.removeprefix(_BEARER)) if header.startswith(_BEARER) else None
        if login is None:
            return failure(401)
        return self._route(Call(self.brokerage, login, request))

    def login_of(self, token: str) -> str | None:
        """Give whose accounts a token opens; None for one that is not known, or has ended."""
        if token in self.ended_tokens:
            return None
        login = self._options.tokens.get(token)
        if login is None and self._options.authorization is not None:
            login = self._options.authorization.account_of(token)
        return login if login in self._options.logins else None

    def _route(self, call: Call) -> WireReply:
        endpoint, call.arguments = _ROUTES.find(call.request.method, call.request.path.rstrip("/"))
        if endpoint is None:
            path = call.request.path
            words = f"404 Not Found: Requested route ('{path}') does not exist."
            return WireReply(404, words.encode(), content_type="text/plain")
        try:
            if not self._budget_of(call).spend(self.brokerage.now_ns()):
                return failure(429)
            answer = endpoint(call)
        except ApiError as error:
            return error.reply()
        if isinstance(answer, WireReply):
            return answer
        if not isinstance(answer, Answer):
            return WireReply(200, encode_json(answer))
        return WireReply(
            answer.status, b"" if answer.document is None else encode_json(answer.document), answer.headers
        )

    def _budget_of(self, call: Call) -> Budget:
        if call.request.method in _COMMANDS and call.arguments:
            return call.room.budget
        return self.brokerage.budgets[call.login]

    def failure(self, status: int) -> WireReply:
        """Word a failure as Schwab does."""
        return failure(status)

    def refuse_stream(self, headers: Mapping[str, str]) -> WireReply | None:  # noqa: ARG002 - logins come later
        """Let every handshake in: whoever it is says so in its login."""
        return None

    async def converse(self, socket: web.WebSocketResponse, headers: Mapping[str, str]) -> None:  # noqa: ARG002 - as above
        """Talk on one websocket."""
        conversation = Conversation(
            Connection(socket),
            self._enter,
            lambda raw: self._journal.note("WS", self.stream_path, raw),
            now_ns=self.brokerage.now_ns,
            sleep=self._options.sleep,
            heartbeat_s=self._options.heartbeat_s,
        )
        await conversation.run(self._connections)

    def _enter(self, customer: str, token: str) -> Feed | None:
        if self._faults and self._faults.strike(FaultName.UNAUTHORIZED, "WS", self.stream_path):
            return None
        login = self.login_of(token)
        if login is None or accounts.customer_of(login) != customer:
            return None
        return self.brokerage.feeds[login]

    async def drop_streams(self) -> int:
        """Cut every websocket."""
        return await abort_all(self._connections)

    def tick(self) -> None:
        """Let time pass."""
        self.exchange.tick()
        spreads.tick(self.brokerage)
        for feed in self.brokerage.feeds.values():
            feed.release()

    def set_market(self, mode: str) -> None:
        """Hold the market open or shut, or keep New York's hours; raises ValueError for another word."""
        self.brokerage.hours.doors = Doors(mode)

    def force_fill(self, order_id: str, quantity: Decimal | None, price: Decimal | None) -> dict[str, Any]:
        """Trade an open order now; raises Refused, or ValueError when there is no such order."""
        room, entry = self._named(order_id)
        self.exchange.execute(room.number, entry.order_id, quantity=quantity, price=price)
        return self.brokerage.row(room, entry)

    def amend(self, order_id: str, execution_id: str, quantity: Decimal, price: Decimal | None) -> dict[str, Any]:
        """Change an execution, or bust it with quantity 0; raises Refused, or ValueError when there is none.

        What Schwab shows of one is not documented: here the order's row has the executions as they are now.
        """
        room, entry = self._named(order_id)
        executions = self.exchange.executions_of(room.number, entry.order_id)
        named = [each for each in executions if execution_id in {"", each.execution_id} and each.quantity]
        if not named:
            raise ValueError(f"order {order_id} has no such execution")
        old = named[-1]
        self.exchange.amend(room.number, entry.order_id, old.execution_id, quantity=quantity, price=price or old.price)
        return self.brokerage.row(room, entry)

    def enter(self, entry: Movement) -> dict[str, Any]:
        """Move an account without an order; raises ValueError when there is no such account."""
        return self.brokerage.move(entry)

    def close(self) -> None:
        """Drop what was to happen later."""
        self.brokerage.close()

    def state(self) -> dict[str, Any]:
        """Describe every account for the control plane."""
        brokerage = self.brokerage
        return {
            "market": self.brokerage.hours.doors.value,
            "streams": len(self._connections),
            "accounts": [
                {
                    "key_id": room.number,
                    "account_id": room.hash,
                    "account_number": room.number,
                    "positions": {
                        held.symbol: str(held.quantity)
                        for held in self.exchange.positions(room.number)
                        if held.quantity
                    },
                    "orders": [brokerage.row(room, entry) for entry in room.tops()],
                }
                for room in brokerage.rooms.values()
            ],
        }

    def _named(self, order_id: str) -> tuple[Room, Entry]:
        for room in self.brokerage.rooms.values():
            entry = room.entries.get(int(order_id)) if order_id.isdecimal() else None
            if entry is not None and entry.order_id:
                return room, entry
        raise ValueError(f"no order has the id {order_id}")


async def serve_schwab(host: str = "127.0.0.1", port: int = 0, options: SchwabOptions | None = None) -> SimServer:
    """Start a simulator in the running event loop; `stop()` ends it. Raises OSError when it cannot listen."""
    server = await SimServer.of(SchwabDialect, options or SchwabOptions()).listening(host, port)
    assert isinstance(server.dialect, SchwabDialect)
    server.dialect.brokerage.stream_url = server.stream_url
    return server
