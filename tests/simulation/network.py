"""The way between the gateway and the simulated broker, with everything that can go wrong on it.

The adapter, its HTTP layer and its stream's supervision are the real ones; so is the dialect at the other end. Only the
sockets are missing: a request is handed over at one virtual time, its answer comes back at a later one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from random import Random
from typing import Any, Final, cast

import aiohttp
import httpx
from aiohttp import WSMessage, WSMsgType, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from brokergw.sim.journal import WireJournal
from brokergw.sim.wire import Dialect, ManyStreams, WireReply, WireRequest
from tests.simulation.life import CURRENT, Life
from tests.simulation.virtual import wall_ns

_LATENCY_S: Final = (0.0005, 0.02)


@dataclass
class Road:
    """How likely each mishap is for one request; what is left goes well.

    For commands each is `commands` times that, for all other requests `questions` times. `killed` is how often the
    process that sent a command dies once it has arrived, as long as there are `kills_left`.
    """

    unreachable: float = 0.0
    request_lost: float = 0.0
    reply_lost: float = 0.0
    error_before: float = 0.0
    error_after: float = 0.0
    garbled: float = 0.0
    throttled: float = 0.0
    slow: float = 0.0
    killed: float = 0.0
    kills_left: int = 0
    down: bool = False
    commands: float = 1.0
    questions: float = 1.0


class SimNetwork:
    """Both directions of HTTP, and the websocket."""

    def __init__(
        self, dialect: Dialect, journal: WireJournal, random: Random, is_command: Callable[[str, str], bool]
    ) -> None:
        self.dialect = dialect
        self.is_command = is_command
        self.journal = journal
        self.random = random
        self.road = Road()
        self._talks: set[asyncio.Task[None]] = set()
        self._ends: set[_End] = set()

    def transport(self, life: Life) -> httpx.AsyncBaseTransport:
        """Give a process its way out."""
        return _Transport(self, life)

    def kills(self) -> bool:
        """Decide whether the sender of a command dies now."""
        road = self.road
        dies = road.kills_left > 0 and self.random.random() < road.killed
        road.kills_left -= dies
        return dies

    async def travel(self, life: Life) -> None:
        """Be on the way."""
        await asyncio.sleep(self.random.uniform(*_LATENCY_S))
        await life.go_on()

    async def ws_connect(self, _session: aiohttp.ClientSession, url: str, **options: Any) -> "ClientEnd":
        """Take the place of `aiohttp.ClientSession.ws_connect`."""
        life = CURRENT.get()
        await self.travel(life)
        if self.road.down:
            raise aiohttp.ClientConnectionError("refused")
        headers = options.get("headers") or {}
        refusal = self.dialect.refuse_stream(headers)
        if refusal is not None:
            info = aiohttp.RequestInfo(URL(url), "GET", CIMultiDictProxy(CIMultiDict()), URL(url))
            raise aiohttp.WSServerHandshakeError(info, (), status=refusal.status)
        client, server = ClientEnd(self, life), ServerEnd(self)
        client.peer, server.peer = server, client
        self._ends |= {client, server}
        talk = asyncio.create_task(self._conversation(cast("web.WebSocketResponse", server), URL(url), headers))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)
        talk.add_done_callback(lambda _: self._ends.difference_update({client, server}))
        hangs_up = asyncio.create_task(_hang_up(life, server))
        self._talks.add(hangs_up)
        hangs_up.add_done_callback(self._talks.discard)
        return client

    async def _conversation(self, server: web.WebSocketResponse, url: URL, headers: Mapping[str, str]) -> None:
        if not isinstance(self.dialect, ManyStreams):
            return await self.dialect.converse(server, headers)
        if not self.dialect.takes_stream(url.path):
            raise AssertionError(f"no websocket is at {url.path}")
        request = WireRequest("GET", url.path, dict(url.query), headers, query_string=url.raw_query_string)
        return await self.dialect.converse_at(server, request)

    def cut(self) -> None:
        """Break every websocket: what is on the way on one does not arrive any more."""
        for end in tuple(self._ends):
            end.hear(WSMessage(WSMsgType.CLOSED, None, None))

    async def close(self) -> None:
        """End every conversation."""
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, network: SimNetwork, life: Life) -> None:
        self._network = network
        self._life = life

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request there and its answer back."""
        network, road = self._network, self._network.road
        await network.travel(self._life)
        draw = network.random.random()
        command = network.is_command(request.method, request.url.path)
        if command and network.kills():
            return await self._with("killed", request)
        draw /= road.commands if command else road.questions
        mishaps = (
            ("unreachable", 1.0 if road.down else road.unreachable),
            ("request_lost", road.request_lost),
            ("reply_lost", road.reply_lost),
            ("error_before", road.error_before),
            ("error_after", road.error_after),
            ("garbled", road.garbled),
            ("throttled", road.throttled),
            ("slow", road.slow),
        )
        for mishap, probability in mishaps:
            if draw < probability:
                return await self._with(mishap, request)
            draw -= probability
        return _response(await self._there_and_back(request))

    async def _with(self, mishap: str, request: httpx.Request) -> httpx.Response:
        dialect, random = self._network.dialect, self._network.random
        match mishap:
            case "unreachable":
                raise httpx.ConnectError("connection refused")
            case "request_lost":
                await asyncio.sleep(random.uniform(5, 12))
                await self._life.go_on()
                raise httpx.ReadTimeout("no answer")
            case "killed":
                await self._there_and_back(request, kills=True)
                raise AssertionError("a dead process has heard an answer")
            case "reply_lost":
                await self._there_and_back(request)
                raise httpx.ReadError("reset")
            case "error_before":
                return _response(dialect.failure(random.choice((500, 502, 503, 504))))
            case "error_after":
                await self._there_and_back(request)
                return _response(dialect.failure(random.choice((500, 502, 503, 504))))
            case "garbled":
                reply = await self._there_and_back(request)
                return _response(WireReply(reply.status, reply.body[: len(reply.body) // 2]))
            case "throttled":
                return _response(dialect.failure(429))
            case _:
                await asyncio.sleep(random.uniform(0.5, 9))
                await self._life.go_on()
                return _response(await self._there_and_back(request))

    async def _there_and_back(self, request: httpx.Request, *, kills: bool = False) -> WireReply:
        """Let the request arrive, be acted on, and the answer come home."""
        path = request.url.raw_path.split(b"?")[0].decode()
        query = dict(request.url.params)
        entry = self._network.journal.open(request.method, path, query)
        entry.body = request.content
        wire = WireRequest(request.method, path, query, _headers(request), request.content, entry.faults)
        wire.query_string = request.url.query.decode()
        entry.handled = True
        reply = self._network.dialect.answer(wire)
        entry.status, entry.answer = reply.status, reply.body
        self._network.journal.close(entry)
        if kills:
            self._life.end()
        await self._network.travel(self._life)
        return reply


def _headers(request: httpx.Request) -> Mapping[str, str]:
    return CIMultiDict(request.headers.items())


def _response(reply: WireReply) -> httpx.Response:
    date = formatdate(wall_ns() // 1_000_000_000, usegmt=True)
    return httpx.Response(reply.status, headers={**(reply.headers or {}), "Date": date}, content=reply.body)


async def _hang_up(life: Life, server: "ServerEnd") -> None:
    """Close a dead process's end, as its operating system does."""
    await life.ended.wait()
    await asyncio.sleep(0.001)
    server.hear(WSMessage(WSMsgType.CLOSED, None, None))


class _End:
    """One end of a websocket: frames arrive in the order they were sent."""

    def __init__(self, network: SimNetwork) -> None:
        self._network = network
        self._heard: asyncio.Queue[WSMessage] = asyncio.Queue()
        self._arrives_s = 0.0
        self._over = False
        self.closed = False

    def hear(self, message: WSMessage) -> None:
        """Let a frame arrive now; after the end none does."""
        if not self._over:
            self._over = message.type is WSMsgType.CLOSED
            self._heard.put_nowait(message)

    def send_later(self, peer: "_End", message: WSMessage) -> None:
        """Send a frame; it arrives after a while, never before an earlier one."""
        loop = asyncio.get_running_loop()
        latency = self._network.random.uniform(*_LATENCY_S)
        self._arrives_s = max(loop.time() + latency, self._arrives_s)
        loop.call_at(self._arrives_s, peer.hear, message)


class ClientEnd(_End):
    """What the gateway holds."""

    peer: "ServerEnd"
    close_code = 1006

    def __init__(self, network: SimNetwork, life: Life) -> None:
        super().__init__(network)
        self._life = life

    async def receive(self) -> WSMessage:
        """Wait for a frame."""
        message = await self._heard.get()
        await self._life.go_on()
        return message

    async def send_str(self, text: str) -> None:
        """Send a text frame."""
        await self._life.go_on()
        self.send_later(self.peer, WSMessage(WSMsgType.TEXT, text, None))
        if self._network.is_command("WS", text) and self._network.kills():
            asyncio.get_running_loop().call_at(self._arrives_s, self._life.end)

    async def ping(self) -> None:
        """Ask for a sign of life, which the other end's library gives by itself."""
        self.send_later(self, WSMessage(WSMsgType.PONG, b"", None))

    async def close(self) -> None:
        """Hang up."""
        self.send_later(self.peer, WSMessage(WSMsgType.CLOSED, None, None))


class ServerEnd(_End):
    """What the simulated broker holds."""

    peer: ClientEnd

    async def send_bytes(self, frame: bytes) -> None:
        """Send a binary frame."""
        self.send_later(self.peer, WSMessage(WSMsgType.BINARY, frame, None))

    async def send_str(self, frame: str) -> None:
        """Send a text frame."""
        self.send_later(self.peer, WSMessage(WSMsgType.TEXT, frame, None))

    def get_extra_info(self, name: str) -> "ServerEnd | None":
        """Give what stands for the transport below, which can be aborted."""
        return self if name == "transport" else None

    def abort(self) -> None:
        """Break the connection; neither end hears any more of the other."""
        for end in (self, self.peer):
            end.hear(WSMessage(WSMsgType.CLOSED, None, None))

    async def close(self, code: int = 1000) -> None:
        """Hang up."""
        self.send_later(self.peer, WSMessage(WSMsgType.CLOSED, code, None))
        self.hear(WSMessage(WSMsgType.CLOSED, code, None))

    async def __aiter__(self) -> AsyncIterator[WSMessage]:
        while True:
            message = await self._heard.get()
            if message.type is WSMsgType.CLOSED:
                return
            yield message
