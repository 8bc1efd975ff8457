"""The Binance dialect: which path leads to which endpoint, who may pass, what it weighs, and how to serve it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from brokergw.sim.dialects.binance import futures, futures_account, lists, market, ordering, spot, stream
from brokergw.sim.dialects.binance.auth import KEY_HEADER, SIGNING, Gate, read_parameters
from brokergw.sim.dialects.binance.brokerage import Brokerage
from brokergw.sim.dialects.binance.call import Call
from brokergw.sim.dialects.binance.listings import Kind
from brokergw.sim.dialects.binance.options import BinanceOptions
from brokergw.sim.dialects.binance.refusals import ApiError, failure
from brokergw.sim.dialects.binance.room import Room
from brokergw.sim.faults import Faults
from brokergw.sim.journal import WireJournal
from brokergw.sim.server import SimServer
from brokergw.sim.socket import Connection, abort_all
from brokergw.sim.wire import Entry, WireReply, WireRequest, encode_json

NONE, KEYED, SIGNED = "NONE", "KEYED", "SIGNED"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What handles a path, who may ask, what it weighs (alone, or with a symbol), and what it reads.

    It counts as `orders` orders of the account.
    """

    handle: Callable[[Call], Any]
    security: str
    weight: int
    reads: frozenset[str] = frozenset()
    weight_of_one: int | None = None
    orders: int = 0


def _public(handle: Callable[[Call], Any], weight: int, reads: str = "", one: int | None = None) -> Endpoint:
    return Endpoint(handle, NONE, weight, frozenset(reads.split()), one)


def _signed(
    handle: Callable[[Call], Any], weight: int, reads: str = "", *, one: int | None = None, orders: int = 0
) -> Endpoint:
    return Endpoint(handle, SIGNED, weight, frozenset(reads.split()), one, orders)


_SPOT_ORDER: Final = (
    "symbol side type timeInForce quantity quoteOrderQty price newClientOrderId strategyId strategyType stopPrice "
    "trailingDelta icebergQty newOrderRespType selfTradePreventionMode"
)
_FUTURES_ORDER: Final = (
    "symbol side positionSide type timeInForce quantity price reduceOnly newClientOrderId newOrderRespType priceMatch "
    "selfTradePreventionMode goodTillDate"
)
_ALGO_ORDER: Final = (
    "algoType symbol side positionSide type timeInForce quantity price triggerPrice workingType closePosition "
    "priceProtect reduceOnly activatePrice callbackRate clientAlgoId goodTillDate selfTradePreventionMode "
    "newOrderRespType priceMatch"
)
_LISTED: Final = "symbol listClientOrderId newOrderRespType selfTradePreventionMode"


def _parts(*prefixes: str) -> str:
    fields = ("Type", "ClientOrderId", "Price", "StopPrice", "TimeInForce")
    return " ".join(prefix + field for prefix in prefixes for field in fields)


_OCO: Final = f"{_LISTED} side quantity {_parts('above', 'below')}"
_WORKING: Final = f"{_LISTED} workingSide workingQuantity pendingSide pendingQuantity {_parts('working')}"
_OTO: Final = f"{_WORKING} {_parts('pending')}"
_OTOCO: Final = f"{_WORKING} {_parts('pendingAbove', 'pendingBelow')}"
_ONE: Final = "symbol orderId origClientOrderId"
_LIST: Final = "symbol orderId startTime endTime limit"
_TRADES: Final = "symbol orderId startTime endTime fromId limit"
_KEY: Final = Endpoint(futures_account.open_listen_key, KEYED, 1)
_KEY_KEPT: Final = Endpoint(futures_account.keep_listen_key, KEYED, 1, frozenset({"listenKey"}))
_KEY_CLOSED: Final = Endpoint(futures_account.close_listen_key, KEYED, 1, frozenset({"listenKey"}))

_ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("GET", "/api/v3/ping"): _public(market.ping, 1),
    ("GET", "/api/v3/time"): _public(market.time, 1),
    ("GET", "/api/v3/exchangeInfo"): _public(market.exchange_info, 20, "symbol symbols permissions symbolStatus"),
    ("GET", "/api/v3/ticker/bookTicker"): _public(market.book_ticker, 4, "symbol symbols symbolStatus", 2),
    ("GET", "/api/v3/ticker/price"): _public(market.price_ticker, 4, "symbol symbols symbolStatus", 2),
    ("GET", "/api/v3/avgPrice"): _public(market.average_price, 2, "symbol"),
    ("POST", "/api/v3/order"): _signed(spot.submit, 1, _SPOT_ORDER, orders=1),
    ("POST", "/api/v3/order/test"): _signed(spot.test, 1, f"{_SPOT_ORDER} computeCommissionRates"),
    ("GET", "/api/v3/order"): _signed(spot.get, 4, _ONE),
    ("DELETE", "/api/v3/order"): _signed(spot.cancel, 1, f"{_ONE} newClientOrderId cancelRestrictions"),
    ("GET", "/api/v3/openOrders"): _signed(spot.open_orders, 80, "symbol", one=6),
    ("DELETE", "/api/v3/openOrders"): _signed(spot.cancel_all, 1, "symbol"),
    ("GET", "/api/v3/allOrders"): _signed(spot.all_orders, 20, _LIST),
    ("GET", "/api/v3/myTrades"): _signed(spot.my_trades, 20, _TRADES),
    ("POST", "/api/v3/order/cancelReplace"): _signed(
        spot.cancel_replace, 1,
        f"{_SPOT_ORDER} cancelReplaceMode cancelOrderId cancelOrigClientOrderId cancelNewClientOrderId", orders=1,
    ),
    ("PUT", "/api/v3/order/amend/keepPriority"): _signed(spot.amend, 4, f"{_ONE} newQty newClientOrderId"),
    ("GET", "/api/v3/account"): _signed(spot.account, 20, "omitZeroBalances"),
    ("GET", "/api/v3/account/commission"): _signed(spot.commission, 20, "symbol"),
    ("POST", "/api/v3/orderList/oco"): _signed(lists.oco, 1, _OCO, orders=2),
    ("POST", "/api/v3/orderList/oto"): _signed(lists.oto, 1, _OTO, orders=2),
    ("POST", "/api/v3/orderList/otoco"): _signed(lists.otoco, 1, _OTOCO, orders=3),
    ("GET", "/api/v3/orderList"): _signed(lists.get, 4, "orderListId origClientOrderId"),
    ("DELETE", "/api/v3/orderList"): _signed(
        lists.cancel, 1, "symbol orderListId listClientOrderId newClientOrderId"
    ),
    ("GET", "/api/v3/allOrderList"): _signed(lists.all_lists, 20, "fromId startTime endTime limit"),
    ("GET", "/api/v3/openOrderList"): _signed(lists.open_lists, 6),
    ("GET", "/api/v3/rateLimit/order"): _signed(spot.order_limits, 40),
    ("POST", "/api/v3/userDataStream"): _KEY,
    ("PUT", "/api/v3/userDataStream"): _KEY_KEPT,
    ("DELETE", "/api/v3/userDataStream"): _KEY_CLOSED,
    ("GET", "/fapi/v1/ping"): _public(market.ping, 1),
    ("GET", "/fapi/v1/time"): _public(market.time, 1),
    ("GET", "/fapi/v1/exchangeInfo"): _public(market.exchange_info, 1),
    ("GET", "/fapi/v1/ticker/bookTicker"): _public(market.book_ticker, 5, "symbol", 2),
    ("GET", "/fapi/v2/ticker/price"): _public(market.price_ticker, 2, "symbol", 1),
    ("GET", "/fapi/v1/premiumIndex"): _public(market.premium_index, 10, "symbol", 1),
    ("POST", "/fapi/v1/order"): _signed(futures.submit, 0, _FUTURES_ORDER, orders=1),
    ("POST", "/fapi/v1/order/test"): _signed(futures.test, 1, _FUTURES_ORDER),
    ("GET", "/fapi/v1/order"): _signed(futures.get, 1, _ONE),
    ("PUT", "/fapi/v1/order"): _signed(futures.modify, 1, f"{_ONE} side quantity price priceMatch", orders=1),
    ("DELETE", "/fapi/v1/order"): _signed(futures.cancel, 1, _ONE),
    ("DELETE", "/fapi/v1/batchOrders"): _signed(futures.cancel_batch, 1, "symbol orderIdList origClientOrderIdList"),
    ("GET", "/fapi/v1/openOrders"): _signed(futures.open_orders, 40, "symbol", one=1),
    ("DELETE", "/fapi/v1/allOpenOrders"): _signed(futures.cancel_all, 1, "symbol"),
    ("GET", "/fapi/v1/allOrders"): _signed(futures.all_orders, 5, _LIST),
    ("GET", "/fapi/v1/userTrades"): _signed(futures.my_trades, 5, _TRADES),
    ("POST", "/fapi/v1/algoOrder"): _signed(futures.submit_algo, 0, _ALGO_ORDER, orders=1),
    ("GET", "/fapi/v1/algoOrder"): _signed(futures.get_algo, 1, "algoId clientAlgoId"),
    ("DELETE", "/fapi/v1/algoOrder"): _signed(futures.cancel_algo, 1, "algoId clientAlgoId"),
    ("GET", "/fapi/v1/openAlgoOrders"): _signed(futures.open_algos, 40, "algoType symbol algoId", one=1),
    ("GET", "/fapi/v1/allAlgoOrders"): _signed(futures.all_algos, 5, "symbol algoId startTime endTime page limit"),
    ("DELETE", "/fapi/v1/algoOpenOrders"): _signed(futures.cancel_algos, 1, "symbol"),
    ("GET", "/fapi/v3/account"): _signed(futures_account.account, 5),
    # The second version, which SDKs still ask for; what it had more is left out.
    ("GET", "/fapi/v2/account"): _signed(futures_account.account, 5),
    ("GET", "/fapi/v3/balance"): _signed(futures_account.balance, 5),
    ("GET", "/fapi/v3/positionRisk"): _signed(futures_account.positions, 5, "symbol"),
    ("GET", "/fapi/v1/symbolConfig"): _signed(futures_account.symbol_config, 5, "symbol"),
    ("GET", "/fapi/v1/accountConfig"): _signed(futures_account.account_config, 5),
    ("GET", "/fapi/v1/leverageBracket"): _signed(futures_account.leverage_bracket, 1, "symbol"),
    ("POST", "/fapi/v1/leverage"): _signed(futures_account.set_leverage, 1, "symbol leverage"),
    ("POST", "/fapi/v1/marginType"): _signed(futures_account.set_margin_type, 1, "symbol marginType"),
    ("GET", "/fapi/v1/positionSide/dual"): _signed(futures_account.position_mode, 30),
    ("POST", "/fapi/v1/positionSide/dual"): _signed(futures_account.set_position_mode, 1, "dualSidePosition"),
    ("GET", "/fapi/v1/income"): _signed(
        futures_account.income, 30, "symbol incomeType startTime endTime page limit"
    ),
    ("GET", "/fapi/v1/commissionRate"): _signed(futures_account.commission_rate, 20, "symbol"),
    ("POST", "/fapi/v1/listenKey"): _KEY,
    ("PUT", "/fapi/v1/listenKey"): _KEY_KEPT,
    ("DELETE", "/fapi/v1/listenKey"): _KEY_CLOSED,
}  # fmt: skip
_SWITCHED_OFF: Final = "/api/v3/userDataStream"


class BinanceDialect:
    """Spot and USDⓈ-M futures, REST and websockets, on one port."""

    name = "binance"
    stream_path = stream.WS_API[0]

    def __init__(self, options: BinanceOptions, faults: Faults, journal: WireJournal) -> None:
        self.brokerage = Brokerage(options, faults)
        self.exchange = self.brokerage.exchange
        self._faults = faults
        self._journal = journal
        self._gate = Gate(options)
        self._connections: set[Connection] = set()

    def answer(self, request: WireRequest) -> WireReply:
        """Answer one REST request."""
        endpoint = _ENDPOINTS.get((request.method, request.path))
        if endpoint is None:
            return WireReply(404, b"<html><body><h2>404 Not found</h2></body></html>", content_type="text/html")
        if request.path == _SWITCHED_OFF and not self.brokerage.options.listen_keys_on_spot:
            return WireReply(410, b"<html><body><h2>410 Gone</h2></body></html>", content_type="text/html")
        kind = Kind.FUTURES if request.path.startswith("/fapi") else Kind.SPOT
        address = self.brokerage.addresses[kind]
        weight = endpoint.weight
        if endpoint.weight_of_one is not None and "symbol" in request.query:
            weight = endpoint.weight_of_one
        status, wait_s = address.spend(weight, self.brokerage.now_ns())
        if status:
            reply = failure(status, wait_s)
            reply.headers = {**(reply.headers or {}), **address.headers}
            return reply
        headers = dict(address.headers)
        reply = self._handled(endpoint, kind, request, headers)
        if headers:
            reply.headers = {**(reply.headers or {}), **headers}
        return reply

    def _handled(self, endpoint: Endpoint, kind: Kind, request: WireRequest, headers: dict[str, str]) -> WireReply:
        try:
            call = self._call(endpoint, kind, request)
            if endpoint.orders:
                headers.update(ordering.count_order(call, endpoint.orders))
            return WireReply(200, encode_json(endpoint.handle(call)))
        except ApiError as error:
            return error.reply()

    def _call(self, endpoint: Endpoint, kind: Kind, request: WireRequest) -> Call:
        sent = read_parameters(request)
        room: Room | None = None
        if endpoint.security != NONE:
            key = self._gate.recognise(request.headers.get(KEY_HEADER))
            if endpoint.security == SIGNED:
                self._gate.verify(key, sent, self.brokerage.now_ms())
            room = self.brokerage.room(kind, key)
        names = set(sent.values)
        if unread := names - endpoint.reads - SIGNING:
            read = len(names) - len(unread)
            words = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(names)}'."
            raise ApiError(-1104, words)
        return Call(self.brokerage, kind, request.method, request.path, sent.values, room, request.body, request.faults)

    def failure(self, status: int) -> WireReply:
        """Word a failure as Binance does."""
        return failure(status)

    def refuse_stream(self, headers: Mapping[str, str]) -> WireReply | None:  # noqa: ARG002 - as every dialect
        """Let every handshake in; what may be listened to is decided on the wire."""
        return None

    def takes_stream(self, path: str) -> bool:
        """Tell whether a websocket is at a path."""
        return stream.takes(path)

    async def converse(self, socket: web.WebSocketResponse, headers: Mapping[str, str]) -> None:
        """Talk on the WebSocket API."""
        await self.converse_at(socket, WireRequest("GET", self.stream_path, {}, headers))

    async def converse_at(self, socket: web.WebSocketResponse, request: WireRequest) -> None:
        """Talk on one websocket."""

        def note(raw: bytes) -> None:
            self._journal.note("WS", request.path, raw)

        connection = Connection(socket)
        await stream.talk(connection, self.brokerage, self._gate, request, note).run(self._connections)

    async def drop_streams(self) -> int:
        """Cut every websocket."""
        return await abort_all(self._connections)

    def tick(self) -> None:
        """Let time pass."""
        self.brokerage.tick()

    def set_market(self, mode: str) -> None:
        """Take only `open`, since Binance never closes; raises ValueError for anything else."""
        if mode != "open":
            raise ValueError("Binance never closes")

    def force_fill(self, order_id: str, quantity: Decimal | None, price: Decimal | None) -> dict[str, Any]:
        """Trade an open order now; raises Refused, or ValueError when there is no such order."""
        number = int(order_id) if order_id.isdigit() else -1
        for room in self.brokerage.rooms.values():
            order = self.brokerage.newest(room, number)
            if order is not None:
                self.exchange.execute(room.account_id, order.order_id, quantity=quantity, price=price)
                return self.brokerage.order_shape(room, number, self.brokerage.visible(room, number))
        raise ValueError(f"no order has the id {order_id}")

    def amend(
        self,
        order_id: str,  # noqa: ARG002 - as every dialect
        execution_id: str,  # noqa: ARG002 - as above
        quantity: Decimal,  # noqa: ARG002 - as above
        price: Decimal | None,  # noqa: ARG002 - as above
    ) -> dict[str, Any]:
        """Refuse: Binance takes no trade back over its API."""
        raise ValueError("Binance neither busts nor corrects trades")

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
            "market": "open",
            "streams": len(self._connections),
            "accounts": [
                {
                    "key_id": room.key,
                    "account_id": room.account_id,
                    "kind": room.kind.value,
                    "positions": {
                        each.symbol: str(each.quantity) for each in brokerage.exchange.positions(room.account_id)
                    },
                    "orders": [
                        brokerage.order_shape(room, number, order)
                        for number in sorted(room.generations)
                        if (order := brokerage.newest(room, number)) is not None
                    ],
                }
                for room in brokerage.rooms.values()
            ],
        }


async def serve_binance(host: str = "127.0.0.1", port: int = 0, options: BinanceOptions | None = None) -> SimServer:
    """Start a simulator in the running event loop; `stop()` ends it. Raises OSError when it cannot listen."""
    return await SimServer.of(BinanceDialect, options or BinanceOptions()).listening(host, port)
