"""A websocket that is kept alive: connected, greeted, watched, and connected again after it is lost.

All waiting goes through the Clock. The link counts as lost when it closes, when nothing (not even a pong) is heard
for `mute_s`, or when the reader falls `backlog_max` frames behind. The pause before the next attempt doubles from
`backoff_first_s` to `backoff_max_s`, with jitter, and starts over only after a link that lasted `stable_s`, so that a
server which accepts and hangs up is not hammered. `beat` gives what is said in place of a ping, for a server whose
protocol has heartbeats of its own.

A server may also be sick. A redirect is not followed, since the greeting holds the keys. One that floods is read at the
pace of the policy's `Intake`, which all links under that policy share, and loses the link when it has done nothing else
for `flood_s`: what is read then was said the longer ago, and who said it may be long gone. So does one whose frames
cannot be told (`Unclear`) or are too large. One that does not read what it is told loses the link after `send_s`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import aiohttp

from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.backoff import Backoff
from brokergw.transport.connecting import Connector
from brokergw.transport.heard_clock import HeardClock
from brokergw.transport.http import NotSentError, UnknownError
from brokergw.transport.link_socket import CLOSE_WAIT_S, FAILURES, Frame, LinkError, LinkPolicy, LinkSocket
from brokergw.transport.permitted import guard_by
from brokergw.transport.turns import LARGE, read_in_turns

__all__ = ["Frame", "LinkError", "LinkEvent", "LinkLost", "LinkOpened", "LinkPolicy", "SupervisedLink", "Wire"]

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_TURN: Final = 32
"""After so many frames in one go everybody else has a turn."""


class _Renewal(LinkError):
    """The link is given up for a fresh one."""


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """The link is up and greeted; frames follow."""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The link is gone; another attempt follows after a pause."""

    why: str


LinkEvent: TypeAlias = LinkOpened | LinkLost | Frame


class Wire(Protocol):
    """What a greeting may do with a fresh link."""

    async def send(self, text: str) -> None:
        """Send one text frame."""
        ...

    async def receive(self) -> str | bytes:
        """Wait for one frame; raises LinkError when the link closes instead."""
        ...


class SupervisedLink:
    """One websocket endpoint, connected for as long as somebody listens.

    `url` may be asked for anew before each connect; who cannot tell it raises LinkError. `heard` is told the Date of
    each answer to the handshake.
    """

    def __init__(
        self,
        url: str | Callable[[], Awaitable[str]],
        *,
        clock: Clock,
        greet: Callable[[Wire], Awaitable[None]],
        headers: Mapping[str, str] | None = None,
        policy: LinkPolicy | None = None,
        beat: Callable[[], Sequence[str]] | None = None,
        heard: HeardClock | None = None,
    ) -> None:
        self._url = url
        self._clock = clock
        self._greet = greet
        self._beats = beat
        self._heard = heard
        self._headers = dict(headers or {})
        self._policy = policy or LinkPolicy()
        self._socket: LinkSocket | None = None
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End the link for good: LinkLost follows, then the generator returns."""
        self._closing.set()
        self.drop("closed by us")

    def drop(self, why: str, *, renew: bool = False) -> None:
        """Give the present link up: LinkLost follows after the frames that wait, and a fresh one, with `renew` soon."""
        if self._socket is not None:
            self._socket.loses(_Renewal(why) if renew else LinkError(why))

    def unclear(self, words: str) -> None:
        """Log that a frame cannot be told, the first of many; too many of them cost the link, and what waits on it."""
        socket = self._socket
        if socket is None or socket.given_up is not None:
            return
        too_many = socket.unclear.too_many(self._clock.monotonic())
        if socket.unclear.is_told:
            logger.warning("%s", words)
        if too_many:
            socket.loses(LinkError("too many frames that cannot be told"), at_once=True)

    async def send(self, text: str, permit: Permit | None = None) -> None:
        """Send one frame on the present link, under a permit where it has one; raises NotSentError or UnknownError.

        A frame that is not compressed goes to the socket in one step, so the permit is spent at its first byte.
        """
        socket = self._socket
        if socket is None or socket.raw.closed:
            raise NotSentError("there is no link")
        if permit is not None:
            guard_by(permit, socket.raw)
        try:
            await socket.send(text)
        except FAILURES as error:
            raise UnknownError(f"the link broke: {type(error).__name__}") from error

    async def listen(self) -> AsyncGenerator[LinkEvent, None]:
        """Yield LinkOpened, the frames, LinkLost, and so on until `close`; closing the generator closes the link."""
        backoff = Backoff(self._policy.backoff_first_s, self._policy.backoff_max_s, self._policy.stable_s)
        while not self._closing.is_set():
            began, renewal = self._clock.monotonic(), False
            try:
                async with self._open() as socket:
                    self._socket = socket
                    if self._closing.is_set():
                        break
                    yield LinkOpened()
                    for number in count(1):
                        yield await self._readable(await socket.next())
                        if number % _TURN == 0:
                            await asyncio.sleep(0)
            except LinkError as error:
                why, renewal = str(error), isinstance(error, _Renewal)
            self._socket = None
            yield LinkLost(why)
            await self._rest(backoff.pause_s(self._clock.monotonic() - began, renewal=renewal))

    async def _readable(self, frame: Frame) -> Frame:
        if len(frame.data) < LARGE:
            return frame
        data, policy = frame.data, self._policy
        if isinstance(data, bytes) and policy.lenient:
            data = data.decode(errors="replace")
        return Frame(await read_in_turns(data, policy.intake.one_at_a_time, policy.frame_values_max))

    async def _rest(self, seconds: float) -> None:
        tasks = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._closing.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[LinkSocket]:
        async with aiohttp.ClientSession(
            connector=Connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            middlewares=(self._hear, _follow_nowhere),
        ) as session:
            raw = await within(self._clock, self._policy.open_s, self._connect(session))
            socket = LinkSocket(raw, self._clock, self._policy, self._clock.monotonic())
            tasks: list[asyncio.Task[None]] = []
            try:
                await within(self._clock, self._policy.open_s, self._handshake(socket))
                tasks = [asyncio.create_task(_guard(socket, work)) for work in (self._read, self._beat)]
                yield socket
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await socket.close()

    async def _connect(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        url = self._url if isinstance(self._url, str) else await self._url()
        try:
            return await session.ws_connect(
                url,
                headers=self._headers,
                autoping=False,
                max_msg_size=self._policy.frame_bytes_max + 1,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_WAIT_S),
            )
        except aiohttp.WSServerHandshakeError as error:
            raise LinkError(f"the handshake was answered with HTTP {error.status}") from error
        except FAILURES as error:
            raise LinkError(f"not connected: {type(error).__name__}") from error

    async def _hear(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Take note of the time that the answer to the handshake tells."""
        if self._heard is None:
            return await handler(request)
        question = self._heard.ask()
        response = await handler(request)
        question.answered(response.headers.get("Date"), response.headers.get("Age"))
        return response

    async def _handshake(self, socket: LinkSocket) -> None:
        socket.cut = True
        try:
            await self._greet(socket)
            socket.cut = False
        except FAILURES as error:
            raise LinkError(f"the greeting failed: {type(error).__name__}") from error

    async def _read(self, socket: LinkSocket) -> None:
        """Move frames off the wire, so that a slow reader does not look like a mute link."""
        while True:
            socket.keep(Frame(await socket.receive()))

    async def _beat(self, socket: LinkSocket) -> None:
        """Ping, or say what the other side wants to hear instead, and give the link up when nothing answers."""
        while True:
            await self._clock.sleep(self._policy.heartbeat_s)
            if self._clock.monotonic() - socket.heard_at >= self._policy.mute_s:
                raise LinkError(f"mute for {self._policy.mute_s:g} s")
            if self._beats is None:
                await socket.ping()
                continue
            for text in self._beats():
                await socket.send(text)


async def _follow_nowhere(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Take a redirect for a refusal: where it leads, the greeting would hand over the keys."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise LinkError(f"the handshake was answered with HTTP {response.status}")
    return response


async def _guard(socket: LinkSocket, work: Callable[[LinkSocket], Awaitable[None]]) -> None:
    try:
        await work(socket)
    except LinkError as error:
        socket.cut = True
        socket.loses(error)
    except FAILURES as error:
        socket.loses(LinkError(f"broken: {type(error).__name__}"))


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Give work so many seconds on the clock; raises LinkError when they are over."""
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise LinkError(f"not opened within {seconds:g} s")
    finally:
        for each in (task, alarm):
            each.cancel()
        await asyncio.gather(task, alarm, return_exceptions=True)
