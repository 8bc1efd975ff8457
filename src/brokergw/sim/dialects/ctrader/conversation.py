"""The dialogue on one connection, whichever way its frames are written: read, journalled, allowed, answered.

For journal and faults a request has a verb (ENTER, NEW, CHANGE, END or ASK) for a method, and its name for a path:
`NEW /NewOrderReq`. What a request brings about on its own connection belongs to its answer, so that a lost answer is
lost whole.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from brokergw.sim.dialects.ctrader import entrance, queries, requests
from brokergw.sim.dialects.ctrader.brokerage import Brokerage
from brokergw.sim.dialects.ctrader.call import Answer, Call
from brokergw.sim.dialects.ctrader.codec import Malformed
from brokergw.sim.dialects.ctrader.link import Link
from brokergw.sim.dialects.ctrader.refusals import OpenApiError, invalid, server_trouble, too_often
from brokergw.sim.dialects.ctrader.schema import HEARTBEAT, MESSAGES, TYPES
from brokergw.sim.faults import AFTER, BEFORE, Fault, FaultName
from brokergw.sim.journal import WireJournal

ENTER, NEW, CHANGE, END, ASK = "ENTER", "NEW", "CHANGE", "END", "ASK"
_TRADING: Final = frozenset({NEW, CHANGE, END})
_GARBAGE: Final = b'{"payloadType":2126,"payload":{"order":{"orderId":'


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one request leads to; `first` may come before the application has proved itself, `historical` is dear."""

    verb: str
    handle: Callable[[Call], Answer]
    answers: str = ""
    first: bool = False
    historical: bool = False


_ENDPOINTS: Final = {
    TYPES[name]: endpoint
    for name, endpoint in {
        "ApplicationAuthReq": Endpoint(ENTER, entrance.application, "ApplicationAuthRes", first=True),
        "VersionReq": Endpoint(ASK, entrance.version, "VersionRes", first=True),
        "RefreshTokenReq": Endpoint(ENTER, entrance.refresh, "RefreshTokenRes"),
        "AccountAuthReq": Endpoint(ENTER, entrance.account, "AccountAuthRes"),
        "GetAccountListByAccessTokenReq": Endpoint(ENTER, entrance.accounts_of_token, "GetAccountListByAccessTokenRes"),
        "AccountLogoutReq": Endpoint(ENTER, entrance.logout, "AccountLogoutRes"),
        "NewOrderReq": Endpoint(NEW, requests.new_order),
        "AmendOrderReq": Endpoint(CHANGE, requests.amend_order),
        "CancelOrderReq": Endpoint(END, requests.cancel_order),
        "ClosePositionReq": Endpoint(END, requests.close_position),
        "TraderReq": Endpoint(ASK, queries.trader, "TraderRes"),
        "AssetListReq": Endpoint(ASK, queries.asset_list, "AssetListRes"),
        "AssetClassListReq": Endpoint(ASK, queries.asset_classes, "AssetClassListRes"),
        "SymbolCategoryListReq": Endpoint(ASK, queries.categories, "SymbolCategoryListRes"),
        "SymbolsListReq": Endpoint(ASK, queries.symbols_list, "SymbolsListRes"),
        "SymbolByIdReq": Endpoint(ASK, queries.symbols_by_id, "SymbolByIdRes"),
        "ReconcileReq": Endpoint(ASK, queries.reconcile, "ReconcileRes"),
        "GetPositionUnrealizedPnLReq": Endpoint(ASK, queries.unrealized, "GetPositionUnrealizedPnLRes"),
        "OrderDetailsReq": Endpoint(ASK, queries.order_details, "OrderDetailsRes"),
        "OrderListReq": Endpoint(ASK, queries.order_list, "OrderListRes", historical=True),
        "DealListReq": Endpoint(ASK, queries.deal_list, "DealListRes", historical=True),
        "DealListByPositionIdReq": Endpoint(ASK, queries.deals_of_position, "DealListByPositionIdRes", historical=True),
        "CashFlowHistoryListReq": Endpoint(ASK, queries.cash_flow, "CashFlowHistoryListRes", historical=True),
        "SubscribeSpotsReq": Endpoint(ASK, queries.subscribe_spots, "SubscribeSpotsRes"),
        "UnsubscribeSpotsReq": Endpoint(ASK, queries.unsubscribe_spots, "UnsubscribeSpotsRes"),
    }.items()
}


class Conversation:
    """The server's side of one connection."""

    def __init__(
        self, link: Link, brokerage: Brokerage, journal: WireJournal, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._link = link
        self._brokerage = brokerage
        self._faults = brokerage.faults
        self._journal = journal
        self._sleep = sleep
        self._later: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Forget the connection, and whatever was to be answered later."""
        for task in self._later:
            task.cancel()
        for account in self._brokerage.accounts.values():
            account.links.discard(self._link)

    def hear(self, frame: bytes) -> None:
        """Take one frame in."""
        link = self._link
        try:
            payload_type, body, message_id = link.wire.decode(frame)
        except Malformed as error:
            self._journal.note("", "/malformed", frame)
            link.say(*invalid(str(error)).answer(0))
            link.end()
            return
        if payload_type == HEARTBEAT:
            return
        endpoint = _ENDPOINTS.get(payload_type)
        shape = MESSAGES.get(payload_type)
        path = f"/{shape.name if shape is not None else payload_type}"
        verb = endpoint.verb if endpoint is not None else ""
        written = json.dumps(body, default=str).encode()
        self._journal.note(verb, path, written)
        call = Call(self._brokerage, link, body, message_id)
        if not self._faults:
            self._answer(call, endpoint, payload_type)
        else:
            self._with_faults(call, endpoint, payload_type, (verb, path, written))

    def _answer(self, call: Call, endpoint: Endpoint | None, payload_type: int) -> None:
        try:
            answer = self._handled(call, endpoint, payload_type)
        except OpenApiError as error:
            self._refuse(call, error)
            return
        if answer is not None and endpoint is not None:
            self._link.say(TYPES[endpoint.answers], answer, call.message_id)
            if self._link.spots:
                queries.tell_spots(self._link, self._brokerage.exchange, self._brokerage.now_ms())

    def _handled(self, call: Call, endpoint: Endpoint | None, payload_type: int) -> Answer:
        if endpoint is None:
            raise OpenApiError("UNSUPPORTED_MESSAGE", f"Unsupported message {payload_type}")
        link = self._link
        if not link.client_id and not endpoint.first:
            raise OpenApiError("CH_CLIENT_NOT_AUTHENTICATED", "Client is not authenticated")
        fields = MESSAGES[payload_type].by_name.values()
        if missing := [field.name for field in fields if field.required and field.name not in call.body]:
            raise invalid(f"Message missing required fields: {', '.join(missing)}")
        (link.history if endpoint.historical else link.requests).spend(self._brokerage.now_ns())
        if endpoint.verb in _TRADING:
            entrance.check_trading(call)
        return endpoint.handle(call)

    def _refuse(self, call: Call, error: OpenApiError) -> None:
        account = call.body.get("ctidTraderAccountId", 0)
        self._link.say(*error.answer(account), call.message_id)

    def _with_faults(
        self, call: Call, endpoint: Endpoint | None, payload_type: int, named: tuple[str, str, bytes]
    ) -> None:
        for name in BEFORE:
            if (fault := self._faults.strike(name, *named)) is None:
                continue
            if name is FaultName.CONNECTION_RESET:
                self._link.cut()
                return
            if name is FaultName.LATENCY:
                self._after(fault.duration_s, lambda: self._answer(call, endpoint, payload_type))
                return
            self._refuse(call, _trouble(name, fault, self._brokerage.now_ms()))
            return
        self._link.held_back = []
        try:
            self._answer(call, endpoint, payload_type)
        finally:
            frames, self._link.held_back = self._link.held_back, None
        self._let_go(call, frames, named)

    def _let_go(self, call: Call, frames: list[bytes], named: tuple[str, str, bytes]) -> None:
        link = self._link
        for name in AFTER:
            if (fault := self._faults.strike(name, *named)) is None:
                continue
            match name:
                case FaultName.FILL_BEFORE_REPLY:
                    self._after(fault.duration_s, lambda: _send_all(link, frames))
                case FaultName.ERROR_AFTER:
                    self._refuse(call, server_trouble())
                case FaultName.GARBLED_REPLY:
                    link.send(_GARBAGE if fault.answer is None else fault.answer.encode())
                case FaultName.HANGING_REPLY:
                    pass
                case _:
                    link.cut()
            return
        _send_all(link, frames)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        async def wait() -> None:
            await self._sleep(seconds)
            act()

        task = asyncio.create_task(wait())
        self._later.add(task)
        task.add_done_callback(self._later.discard)


def _trouble(name: FaultName, fault: Fault, now_ms: int) -> OpenApiError:
    """Word a fault that strikes before a request is acted on.

    ERROR_BEFORE may name code and text, `CODE: text`, and in so many seconds the end of a maintenance.
    """
    if name is FaultName.RATE_LIMITED:
        return too_often(round(fault.seconds or 1))
    if name is FaultName.UNAUTHORIZED:
        return OpenApiError("CH_ACCESS_TOKEN_INVALID", "Access token is invalid")
    if fault.answer is None:
        return server_trouble()
    code, _, text = fault.answer.partition(": ")
    if fault.seconds is None:
        return OpenApiError(code, text)
    return OpenApiError(code, text, maintenanceEndTimestamp=now_ms // 1000 + round(fault.seconds))


def _send_all(link: Link, frames: list[bytes]) -> None:
    for frame in frames:
        link.send(frame)


def describe(link: Link) -> dict[str, Any]:
    """Tell the control plane of a connection."""
    return {"client_id": link.client_id, "accounts": sorted(link.tokens)}
