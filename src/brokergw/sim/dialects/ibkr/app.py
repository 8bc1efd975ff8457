"""The Client Portal gateway: which path leads to which endpoint, what the session allows, and how to serve it."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from brokergw.sim.dialects.ibkr import instruments, market_data, orders, portfolio
from brokergw.sim.dialects.ibkr.brokerage import Brokerage
from brokergw.sim.dialects.ibkr.call import Call
from brokergw.sim.dialects.ibkr.options import IbkrOptions
from brokergw.sim.dialects.ibkr.questions import Questions
from brokergw.sim.dialects.ibkr.refusals import ApiError, failure
from brokergw.sim.dialects.ibkr.stream import Stream, session_in
from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.hours import Doors
from brokergw.sim.journal import WireJournal
from brokergw.sim.routes import Routes
from brokergw.sim.server import SimServer
from brokergw.sim.socket import abort_all
from brokergw.sim.wire import Entry, WireReply, WireRequest, encode_json

PREFIX: Final = "/v1/api"

Endpoint = Callable[[Call], Any]


def _init(call: Call) -> Any:
    body = call.body()
    if body.get("publish") is not True:
        raise ApiError(500, "publish must be true", coded=True)
    call.brokerage.session.init(compete=body.get("compete") is True)
    return call.brokerage.session.status()


def _log_out(call: Call) -> Any:
    call.brokerage.session.log_out()
    return {"status": True}


def _reauthenticate(call: Call) -> Any:
    call.brokerage.session.init()
    return {"message": "triggered"}


_ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("POST", "/tickle"): lambda call: call.brokerage.session.tickle(),
    ("GET", "/sso/validate"): lambda call: call.brokerage.session.validate(),
    ("POST", "/logout"): _log_out,
    ("POST", "/iserver/auth/status"): lambda call: call.brokerage.session.status(),
    ("POST", "/iserver/auth/ssodh/init"): _init,
    ("POST", "/iserver/reauthenticate"): _reauthenticate,
    ("GET", "/iserver/accounts"): portfolio.accounts,
    ("POST", "/iserver/account"): portfolio.select,
    ("GET", "/iserver/account/orders"): orders.list_orders,
    ("GET", "/iserver/account/trades"): orders.list_trades,
    ("GET", "/iserver/account/pnl/partitioned"): portfolio.pnl,
    ("GET", "/iserver/account/order/status/*"): orders.status,
    ("GET", "/iserver/account/*/summary"): portfolio.summary,
    ("POST", "/iserver/account/*/orders"): orders.submit,
    ("POST", "/iserver/account/*/orders/whatif"): orders.preview,
    ("POST", "/iserver/account/*/order/*"): orders.change,
    ("DELETE", "/iserver/account/*/order/*"): orders.cancel,
    ("POST", "/iserver/reply/*"): orders.reply,
    ("POST", "/iserver/questions/suppress"): orders.suppress,
    ("POST", "/iserver/questions/suppress/reset"): orders.suppress_reset,
    ("GET", "/iserver/marketdata/snapshot"): market_data.snapshot,
    ("GET", "/iserver/marketdata/history"): market_data.history,
    ("POST", "/iserver/marketdata/unsubscribe"): market_data.unsubscribe,
    ("GET", "/iserver/marketdata/unsubscribeall"): market_data.unsubscribe_all,
    ("GET", "/iserver/secdef/search"): instruments.search,
    ("POST", "/iserver/secdef/search"): instruments.search,
    ("GET", "/iserver/secdef/strikes"): instruments.strikes,
    ("GET", "/iserver/secdef/info"): instruments.definitions,
    ("GET", "/iserver/currency/pairs"): instruments.currency_pairs,
    ("POST", "/iserver/contract/rules"): instruments.rules,
    ("GET", "/iserver/contract/*/info"): instruments.contract_info,
    ("GET", "/iserver/contract/*/info-and-rules"): instruments.info_and_rules,
    ("GET", "/trsrv/stocks"): instruments.stocks,
    ("GET", "/trsrv/futures"): instruments.futures,
    ("GET", "/trsrv/secdef"): instruments.security_definitions,
    ("GET", "/portfolio/accounts"): portfolio.portfolio_accounts,
    ("GET", "/portfolio/subaccounts"): portfolio.portfolio_accounts,
    ("GET", "/portfolio/*/summary"): portfolio.portfolio_summary,
    ("GET", "/portfolio/*/ledger"): portfolio.ledger,
    ("GET", "/portfolio/*/positions/*"): portfolio.positions,
    ("GET", "/portfolio2/*/positions"): portfolio.recent_positions,
    ("GET", "/portfolio/*/position/*"): portfolio.position,
    ("POST", "/portfolio/*/positions/invalidate"): portfolio.invalidate,
}
_ROUTES: Final = Routes(_ENDPOINTS)
_READ_BY_POST_TOO: Final = frozenset({"/tickle", "/iserver/auth/status"})


class IbkrDialect:
    """The gateway's REST interface and websocket on one port, and its login page as a person would use it."""

    name = "ibkr"
    stream_path = f"{PREFIX}/ws"

    def __init__(self, options: IbkrOptions, faults: Faults, journal: WireJournal) -> None:
        self.brokerage = Brokerage(options, faults)
        self.exchange = self.brokerage.exchange
        self.session = self.brokerage.session
        self.questions = Questions()
        self.stream = Stream(self.brokerage, lambda raw: journal.note("WS", self.stream_path, raw))
        self._faults = faults

    def answer(self, request: WireRequest) -> WireReply:
        """Answer one REST request."""
        self.brokerage.settle()
        path = request.path.rstrip("/")
        if path == "/sso/Login" and request.method == "POST":
            # What a person does in a browser.
            self.session.log_in()
            return WireReply(200, b"Client login succeeds", content_type="text/plain")
        if not path.startswith(f"{PREFIX}/"):
            return failure(404)
        try:
            return self._route(request, path.removeprefix(PREFIX))
        except ApiError as error:
            return error.reply()

    def _route(self, request: WireRequest, path: str) -> WireReply:
        self.session.admit(path)
        method = "POST" if path in _READ_BY_POST_TOO else request.method
        call = Call(self.brokerage, self.questions, request)
        endpoint, call.arguments = _ROUTES.find(method, path)
        if endpoint is None:
            raise ApiError(404, "Resource not found", coded=True)
        return WireReply(200, encode_json(endpoint(call)))

    def failure(self, status: int) -> WireReply:
        """Word a failure as the gateway does."""
        return failure(status)

    def refuse_stream(self, headers: Mapping[str, str]) -> WireReply | None:
        """Refuse a handshake while nobody is logged in, or with the cookie of another session."""
        named = session_in(headers.get("Cookie", ""))
        stranger = not self.session.logged_in or named not in {"", self.session.session_id}
        if stranger or self._faults.strike(FaultName.UNAUTHORIZED, "WS", self.stream_path):
            return failure(401)
        return None

    async def converse(self, socket: web.WebSocketResponse, headers: Mapping[str, str]) -> None:
        """Talk on one websocket."""
        await self.stream.converse(socket, headers.get("Cookie", ""))

    async def drop_streams(self) -> int:
        """Cut every websocket."""
        return await abort_all(self.stream.connections)

    def tick(self) -> None:
        """Let time pass."""
        self.brokerage.tick()
        self.stream.beat()

    def set_market(self, mode: str) -> None:
        """Hold the market open or shut, or keep New York's hours; raises ValueError for another word."""
        self.brokerage.hours.doors = Doors(mode)

    def force_fill(self, order_id: str, quantity: Decimal | None, price: Decimal | None) -> dict[str, Any]:
        """Trade an open order now; raises Refused, or ValueError when there is no such order."""
        note = self.brokerage.note(order_id)
        if note is None:
            raise ValueError(f"no order has the id {order_id}")
        self.exchange.execute(self.brokerage.account_id, note.order_id, quantity=quantity, price=price)
        return self.brokerage.row(note)

    def amend(self, *_: object) -> dict[str, Any]:
        """Refuse: how this broker tells of busts and corrections is not known."""
        raise ValueError("executions are not amended at this broker")

    def enter(self, entry: Entry) -> dict[str, Any]:
        """Move the account without an order."""
        return self.brokerage.enter(entry)

    def close(self) -> None:
        """Drop what was to happen later."""
        self.brokerage.close()

    def state(self) -> dict[str, Any]:
        """Describe the account for the control plane."""
        brokerage = self.brokerage
        held = brokerage.exchange.positions(brokerage.account_id)
        return {
            "market": brokerage.hours.doors.value,
            "streams": len(self.stream.connections),
            "session": brokerage.session.status(),
            "accounts": [
                {
                    "account_id": brokerage.account_id,
                    "account_number": brokerage.account_id,
                    "positions": {holding.symbol: str(holding.quantity) for holding in held},
                    "orders": [brokerage.row(note) for note in brokerage.notes.values()],
                }
            ],
        }


async def serve_ibkr(host: str = "127.0.0.1", port: int = 0, options: IbkrOptions | None = None) -> SimServer:
    """Start a simulator in the running event loop; `stop()` ends it. Raises OSError when it cannot listen."""
    return await SimServer.of(IbkrDialect, options or IbkrOptions()).listening(host, port)
