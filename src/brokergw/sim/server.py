"""The simulator's server: accepts connections, keeps the journal, lets faults strike, asks the dialect, ticks."""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol, Self, TypeVar

from aiohttp import web

from brokergw.sim.control import PREFIX, Clockwork, Control
from brokergw.sim.faults import AFTER, BEFORE, Fault, FaultName, Faults
from brokergw.sim.journal import WireEntry, WireJournal
from brokergw.sim.wire import Dialect, ManyStreams, WireReply, WireRequest

_log = logging.getLogger(__name__)
_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_GARBAGE: Final = b'{"id":"'
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})


class ServerOptions(Protocol):
    """What the server wants to know of any dialect's options."""

    @property
    def now_ns(self) -> Callable[[], int]:
        """The simulator's time, in Unix nanoseconds."""
        ...

    @property
    def sleep(self) -> Callable[[float], Awaitable[None]]:
        """How it waits so many seconds."""
        ...

    @property
    def tick_interval_s(self) -> float | None:
        """How often time passes by itself; None leaves that to the control plane."""
        ...

    @property
    def journal_capacity(self) -> int:
        """How many requests the journal keeps."""
        ...

    @property
    def journal_file(self) -> Path | None:
        """Where the journal is written too."""
        ...


_Options = TypeVar("_Options", bound=ServerOptions)


class SimServer:
    """One dialect on one port, REST, websocket and control plane together.

    The event loop it is started in owns it: steer it from other threads and processes over the control plane.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        journal: WireJournal,
        faults: Faults,
        now_ns: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        tick_interval_s: float | None = 0.1,
    ) -> None:
        self.dialect = dialect
        self._streams = dialect if isinstance(dialect, ManyStreams) else None
        self.journal = journal
        self.faults = faults
        self.clockwork = Clockwork(ticks=tick_interval_s is not None)
        self._now_ns = now_ns
        self._sleep = sleep
        self._tick_interval_s = tick_interval_s or 0.1
        self._control = Control(dialect, journal, faults, self.clockwork)
        self._runner: web.ServerRunner | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._holds: set[asyncio.Future[None]] = set()
        self._host = ""
        self._port = 0

    @classmethod
    def of(cls, dialect: "Callable[[_Options, Faults, WireJournal], Dialect]", options: _Options) -> Self:
        """Make a simulator of a dialect that is not listening yet."""
        faults = Faults()
        journal = WireJournal(options.now_ns, capacity=options.journal_capacity, file=options.journal_file)
        return cls(
            dialect(options, faults, journal),
            journal=journal,
            faults=faults,
            now_ns=options.now_ns,
            sleep=options.sleep,
            tick_interval_s=options.tick_interval_s,
        )

    async def listening(self, host: str, port: int) -> Self:
        """Start, and give itself; raises OSError when it cannot listen."""
        await self.start(host, port)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The base of every REST path, without a trailing slash."""
        return f"http://{self._host}:{self._port}"

    @property
    def stream_url(self) -> str:
        """Where the dialect's websocket is."""
        return f"ws://{self._host}:{self._port}{self.dialect.stream_path}"

    @property
    def port(self) -> int:
        """The port in use."""
        return self._port

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, str]:
        """Listen (port 0 takes a free one), begin to tick, give `url` and `stream_url`; raises OSError if it cannot."""
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_address=True)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._host = f"[{host}]" if ":" in host else host
        self._port = self._runner.addresses[0][1]
        self._ticker = asyncio.create_task(self._tick_for_ever(), name="sim-ticker")
        self._ticker.add_done_callback(_report_death)
        return self.url, self.stream_url

    async def stop(self) -> None:
        """End every connection and stop listening."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
            self._ticker = None
        for hold in tuple(self._holds):
            hold.cancel()
        self.dialect.close()
        await self.dialect.drop_streams()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.journal.shut()

    async def _tick_for_ever(self) -> None:
        while True:
            await self._sleep(self._tick_interval_s)
            if not self.clockwork.ticks:
                continue
            self.dialect.tick()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path.startswith(PREFIX):
            return await self._control.answer(request, path)
        query = _query(request) if request.query_string else {}
        entry = self.journal.open(request.method, path, query)
        wire = WireRequest(request.method, path, query, request.headers, faults=entry.faults)
        wire.query_string = request.raw_path.partition("?")[2]
        try:
            if path == self.dialect.stream_path or (self._streams is not None and self._streams.takes_stream(path)):
                return await self._stream(request, wire, entry)
            answer = await self._answer(request, wire, entry)
            answer.headers["Date"] = self._date(wire)
            return answer
        finally:
            self.journal.close(entry)

    async def _answer(self, request: web.BaseRequest, wire: WireRequest, entry: WireEntry) -> web.StreamResponse:
        if self.faults and self._strike(FaultName.CONNECTION_RESET, wire):
            return _reset(request)
        if wire.method in _BODY_METHODS or request.can_read_body:
            wire.body = entry.body = await request.read()
        reply = await self._before(wire) if self.faults else None
        if reply is None:
            entry.handled = True
            reply = self.dialect.answer(wire)
            if self.faults:
                changed = await self._after(wire, reply)
                if changed is None:
                    return _reset(request)
                reply = changed
        entry.status = reply.status
        entry.answer = reply.body
        return _response(reply)

    async def _before(self, wire: WireRequest) -> WireReply | None:
        for name in BEFORE:
            if name is FaultName.CONNECTION_RESET or (fault := self._strike(name, wire)) is None:
                continue
            if name is FaultName.LATENCY:
                await self._hold(fault.duration_s)
            else:
                reply = self.dialect.failure(_STATUS.get(name, fault.status))
                if name is FaultName.ERROR_BEFORE and fault.answer is not None:
                    reply = WireReply(fault.status, fault.answer.encode())
                if fault.seconds is not None:
                    reply.headers = {"Retry-After": str(round(fault.seconds))}
                return reply
        return None

    async def _after(self, wire: WireRequest, reply: WireReply) -> WireReply | None:
        """Give the answer that leaves, None when the connection is to be cut instead."""
        for name in AFTER:
            if (fault := self._strike(name, wire)) is None:
                continue
            match name:
                case FaultName.FILL_BEFORE_REPLY:
                    await self._hold(fault.duration_s)
                case FaultName.ERROR_AFTER:
                    return self.dialect.failure(fault.status)
                case FaultName.GARBLED_REPLY:
                    return WireReply(reply.status, _GARBAGE if fault.answer is None else fault.answer.encode())
                case FaultName.HANGING_REPLY:
                    await self._hold(fault.duration_s)
                    return None
                case _:
                    return None
        return reply

    def _strike(self, name: FaultName, wire: WireRequest) -> Fault | None:
        fault = self.faults.strike(name, wire.method, wire.path, wire.body)
        if fault is not None:
            wire.faults.append(name)
        return fault

    async def _stream(self, request: web.BaseRequest, wire: WireRequest, entry: WireEntry) -> web.StreamResponse:
        if self.faults and self._strike(FaultName.CONNECTION_RESET, wire):
            return _reset(request)
        refusal = await self._before(wire) if self.faults else None
        if refusal is None:
            refusal = self.dialect.refuse_stream(wire.headers)
        date = self._date(wire)
        if refusal is not None:
            entry.status = refusal.status
            entry.answer = refusal.body
            response = _response(refusal)
            response.headers["Date"] = date
            return response
        socket_ = web.WebSocketResponse(compress=False, timeout=0.5)
        socket_.headers["Date"] = date
        await socket_.prepare(request)
        entry.status = 101
        entry.handled = True
        if self._streams is None:
            await self.dialect.converse(socket_, wire.headers)
        else:
            await self._streams.converse_at(socket_, wire)
        return socket_

    def _date(self, wire: WireRequest) -> str:
        """Tell the simulator's time as its answers do, by its own clock and not by the machine's."""
        fault = self._strike(FaultName.SKEWED_DATE, wire) if self.faults else None
        ahead_ns = 0 if fault is None else round(fault.duration_s * 1_000_000_000)
        return _date((self._now_ns() + ahead_ns) // 1_000_000_000)

    async def _hold(self, seconds: float) -> None:
        hold = asyncio.ensure_future(self._sleep(seconds))
        self._holds.add(hold)
        try:
            # Waiting for the future, not awaiting it: a cancelled hold is how stopping ends the wait.
            await asyncio.wait({hold})
        finally:
            hold.cancel()
            self._holds.discard(hold)


def _report_death(ticker: asyncio.Task[None]) -> None:
    """Say aloud that the market has stopped; nothing would trade by itself any more."""
    if not ticker.cancelled() and (error := ticker.exception()) is not None:
        _log.error("the exchange could not tick and has stopped", exc_info=error)


_STATUS: Final = {FaultName.UNAUTHORIZED: 401, FaultName.RATE_LIMITED: 429}


def _query(request: web.BaseRequest) -> dict[str, str]:
    """Read the query; a name given several times becomes one list with commas, which is how brokers take lists."""
    return {name: ",".join(request.query.getall(name)) for name in request.query}


def _response(reply: WireReply) -> web.Response:
    headers = dict(reply.headers) if reply.headers else {}
    if reply.body:
        headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=reply.body, headers=headers)


@lru_cache(maxsize=8)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _reset(request: web.BaseRequest) -> web.Response:
    """Cut the connection with a TCP reset; the response given back never reaches anybody."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
    return web.Response(status=500)
