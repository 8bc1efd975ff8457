"""The cTrader dialect: JSON over a websocket, protobuf over TLS on a port of its own, and the token endpoint."""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from aiohttp import WSMsgType, web

from brokergw.sim.dialects.ctrader import entrance, queries, shapes
from brokergw.sim.dialects.ctrader.accounts import Account, Note
from brokergw.sim.dialects.ctrader.brokerage import Brokerage
from brokergw.sim.dialects.ctrader.codec import JsonWire, ProtobufWire
from brokergw.sim.dialects.ctrader.conversation import Conversation, describe
from brokergw.sim.dialects.ctrader.link import Link
from brokergw.sim.dialects.ctrader.options import CtraderOptions
from brokergw.sim.dialects.ctrader.schema import HEARTBEAT, TYPES
from brokergw.sim.faults import Faults
from brokergw.sim.hours import Doors
from brokergw.sim.journal import WireJournal
from brokergw.sim.server import SimServer
from brokergw.sim.wire import Entry, WireReply, WireRequest, encode_json

_BEAT_NS: Final = 25_000_000_000
_FRAME_MAX: Final = 15_000_000
_INVALIDATED: Final = TYPES["AccountsTokenInvalidatedEvent"]


class CtraderDialect:
    """cTrader's Open API."""

    name = "ctrader"
    stream_path = "/"

    def __init__(self, options: CtraderOptions, faults: Faults, journal: WireJournal) -> None:
        self.brokerage = Brokerage(options, faults)
        self.exchange = self.brokerage.exchange
        self._journal = journal
        self._links: set[Link] = set()
        self._beaten_ns = options.now_ns()

    def answer(self, request: WireRequest) -> WireReply:
        """Answer the authorization server's two endpoints; the API itself has no others."""
        authorization = self.brokerage.options.authorization
        if authorization is not None and (reply := authorization.answer(request)) is not None:
            return reply
        return self.failure(404)

    def failure(self, status: int) -> WireReply:
        """Word a failure."""
        return WireReply(status, encode_json({"errorCode": f"HTTP_{status}", "description": "there is nothing here"}))

    def refuse_stream(self, _: Mapping[str, str]) -> WireReply | None:
        """Let every handshake in."""
        return None

    async def converse(self, socket: web.WebSocketResponse, _: Mapping[str, str]) -> None:
        """Talk JSON on one websocket."""

        def cut() -> None:
            if (transport := socket.get_extra_info("transport")) is not None or (
                transport := getattr(socket._req, "transport", None)  # noqa: SLF001 - aiohttp tells it nowhere else
            ) is not None:
                transport.abort()

        link = self._link(JsonWire(), cut)
        conversation = self._begin(link)
        sender = asyncio.create_task(_drain_socket(link, socket))
        try:
            async for message in socket:
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    break
                conversation.hear(message.data if isinstance(message.data, bytes) else message.data.encode())
        finally:
            await self._end(link, conversation, sender)

    async def converse_protobuf(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk protobuf on one TLS connection: each frame has its length before it, four bytes, big end first."""
        link = self._link(ProtobufWire(), writer.transport.abort)
        conversation = self._begin(link)
        sender = asyncio.create_task(_drain_writer(link, writer))
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4))
                if size > _FRAME_MAX:
                    break
                conversation.hear(await reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            await self._end(link, conversation, sender)
            writer.close()

    def _link(self, wire: JsonWire | ProtobufWire, cut: Any) -> Link:
        options = self.brokerage.options
        return Link(
            wire,
            self.brokerage.faults,
            cut,
            budget=options.requests_per_second,
            history=options.history_per_second,
        )

    def _begin(self, link: Link) -> Conversation:
        self._links.add(link)
        return Conversation(link, self.brokerage, self._journal, self.brokerage.options.sleep)

    async def _end(self, link: Link, conversation: Conversation, sender: "asyncio.Task[None]") -> None:
        self._links.discard(link)
        conversation.close()
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sender

    async def drop_streams(self) -> int:
        """Cut every connection."""
        links = tuple(self._links)
        for link in links:
            link.cut()
        return len(links)

    def tick(self) -> None:
        """Let time pass: the market moves, prices are told, dead tokens are noticed, hearts beat."""
        brokerage = self.brokerage
        brokerage.tick()
        now_ns = brokerage.now_ns()
        beats = now_ns - self._beaten_ns >= _BEAT_NS
        if beats:
            self._beaten_ns = now_ns
        for link in tuple(self._links):
            queries.tell_spots(link, brokerage.exchange, now_ns // 1_000_000)
            self._drop_dead_tokens(link)
            if beats:
                link.say(HEARTBEAT, {})

    def _drop_dead_tokens(self, link: Link) -> None:
        options = self.brokerage.options
        if options.authorization is None:
            return
        dead = [ctid for ctid, token in link.tokens.items() if entrance.token_of(options, token) is None]
        for ctid in dead:
            del link.tokens[ctid]
            self.brokerage.accounts[ctid].links.discard(link)
        if dead:
            link.say(_INVALIDATED, {"ctidTraderAccountIds": dead, "reason": "Access token is invalidated"})

    def set_market(self, mode: str) -> None:
        """Hold the market open or shut; raises ValueError for another word."""
        doors = Doors(mode)
        if doors is Doors.HOURS:
            raise ValueError("the market is held open or shut here")
        self.brokerage.hours.doors = doors

    def force_fill(self, order_id: str, quantity: Decimal | None, price: Decimal | None) -> dict[str, Any]:
        """Trade an open order now; raises Refused, or ValueError when there is no such order."""
        account, note = self._find(order_id)
        assert note.shot is not None
        self.exchange.execute(account.account_id, note.shot.order_id, quantity=quantity, price=price)
        return _plain(shapes.order(note))

    def amend(self, *_: Any) -> dict[str, Any]:
        """Refuse: cTrader tells of no busts and no corrections."""
        raise ValueError("cTrader takes no execution back")

    def enter(self, entry: Entry) -> dict[str, Any]:
        """Move an account without an order; raises ValueError when there is no such account."""
        account = self._account(entry.key_id)
        if entry.symbol and entry.quantity:
            self.brokerage.book(account, entry.symbol, entry.quantity)
        if entry.money:
            self.brokerage.pay(account, entry.money)
        return {"balance": account.balance_cents}

    def close(self) -> None:
        """Drop what was to happen later: nothing that outlives a connection is."""

    def state(self) -> dict[str, Any]:
        """Describe every account for the control plane."""
        leverage = self.brokerage.options.leverage
        return {
            "market": self.brokerage.hours.doors.value,
            "streams": len(self._links),
            "links": [describe(link) for link in self._links],
            "accounts": [
                {
                    "ctid": account.holder.ctid,
                    "login": account.holder.login,
                    "balance": account.balance_cents,
                    "positions": [_plain(shapes.position(held, leverage)) for held in account.book.open.values()],
                    "orders": [_plain(shapes.order(note)) for note in account.notes.values()],
                }
                for account in self.brokerage.accounts.values()
            ],
        }

    def _account(self, ctid: str) -> Account:
        accounts = self.brokerage.accounts
        if not ctid:
            return next(iter(accounts.values()))
        account = accounts.get(int(ctid)) if ctid.isdigit() else None
        if account is None:
            raise ValueError("key_id must be the ctid of an account here")
        return account

    def _find(self, order_id: str) -> tuple[Account, Note]:
        for account in self.brokerage.accounts.values():
            note = account.notes.get(int(order_id)) if order_id.isdigit() else None
            if note is not None:
                return account, note
        raise ValueError(f"no order has the id {order_id}")


class CtraderServer(SimServer):
    """A simulator with a second port, for protobuf over TLS, where its options have a certificate."""

    dialect: CtraderDialect
    _protobuf: asyncio.Server | None = None

    @property
    def protobuf_port(self) -> int:
        """The port of the protobuf side; raises RuntimeError when there is none."""
        if self._protobuf is None:
            raise RuntimeError("the simulator has no certificate")
        port: int = self._protobuf.sockets[0].getsockname()[1]
        return port

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, str]:
        """Listen on both ports; raises OSError."""
        urls = await super().start(host, port)
        tls = self.dialect.brokerage.options.tls
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._protobuf = await asyncio.start_server(self.dialect.converse_protobuf, host, 0, ssl=context)
        return urls

    async def stop(self) -> None:
        """End every connection and stop listening."""
        if self._protobuf is not None:
            self._protobuf.close()
            await self.dialect.drop_streams()
            await self._protobuf.wait_closed()
            self._protobuf = None
        await super().stop()


async def serve_ctrader(host: str = "127.0.0.1", port: int = 0, options: CtraderOptions | None = None) -> CtraderServer:
    """Start a simulator in the running event loop; `stop()` ends it. Raises OSError when it cannot listen."""
    return await CtraderServer.of(CtraderDialect, options or CtraderOptions()).listening(host, port)


async def _drain_socket(link: Link, socket: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while (frame := await link.next_frame()) is not None:
            await socket.send_str(frame.decode())
        await socket.close()


async def _drain_writer(link: Link, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while (frame := await link.next_frame()) is not None:
            writer.write(len(frame).to_bytes(4) + frame)
            await writer.drain()
        writer.close()


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give a document in JSON types."""
    return {
        name: _plain(value) if isinstance(value, Mapping) else str(value) if isinstance(value, Decimal) else value
        for name, value in document.items()
    }
