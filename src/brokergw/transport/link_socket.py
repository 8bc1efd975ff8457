"""One open websocket: read at its pace, with what waits for the reader, until it is lost or left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from brokergw.ports.clock import Clock
from brokergw.transport.connecting import OUTLET, TooManyHeads
from brokergw.transport.intake import Intake, frames_intake
from brokergw.transport.pace import PING_PIECES, LinkPace, Unclear

CLOSE_WAIT_S: Final = 1.0
FAILURES: Final = (aiohttp.ClientError, TooManyHeads, OSError, ValueError, TypeError)


class LinkError(Exception):
    """The link cannot be used; `why` in words without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPolicy:
    """How a link is watched and renewed; seconds.

    A frame may have so many bytes, and so many values where it is large: what events are told in is small, and only who
    tells lists over the link needs more. `lenient` reads large frames over what is no UTF-8 in them.
    """

    open_s: float = 10.0
    send_s: float = 5.0
    heartbeat_s: float = 10.0
    mute_s: float = 30.0
    flood_s: float = 10.0
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    stable_s: float = 60.0
    backlog_max: int = 10_000
    frame_bytes_max: int = 256 * 1024
    frame_values_max: int = 100_000
    lenient: bool = False
    intake: Intake = field(default_factory=frames_intake, compare=False)


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it came."""

    data: str | bytes


@dataclass(slots=True)
class LinkSocket:
    """An open websocket that remembers when it last heard anything.

    `given_up` is why what still waits is of no use any more; one that is `cut` is left without a goodbye.
    """

    raw: aiohttp.ClientWebSocketResponse
    clock: Clock
    policy: LinkPolicy
    heard_at: float = 0.0
    given_up: LinkError | None = None
    cut: bool = False
    backlog: "asyncio.Queue[Frame | LinkError]" = field(default_factory=asyncio.Queue)
    held_bytes: int = 0
    held_frames: int = 0
    unclear: Unclear = field(default_factory=Unclear)
    pace: LinkPace = field(init=False)

    def __post_init__(self) -> None:
        self.pace = LinkPace(self.policy.intake, self.policy.flood_s)

    async def send(self, text: str) -> None:
        """Send one text frame; raises TimeoutError when the other side does not read."""
        async with self._in_time():
            await self.raw.send_str(text)

    async def ping(self) -> None:
        """Ping; raises TimeoutError likewise."""
        async with self._in_time():
            await self.raw.ping()

    async def receive(self) -> str | bytes:
        """Wait for one frame, and answer pings meanwhile; raises LinkError when the link is lost, or floods."""
        while True:
            message = await self.raw.receive()
            self.heard_at = self.clock.monotonic()
            size = len(message.data) if isinstance(message.data, str | bytes | bytearray) else 0
            pieces = PING_PIECES if message.type is aiohttp.WSMsgType.PING else 1
            if not await self.pace.rest(self.clock, self.heard_at, size, pieces):
                raise LinkError("the other side floods")
            match message.type:
                case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                    data: str | bytes = message.data
                    return data
                case aiohttp.WSMsgType.PING:
                    async with self._in_time():
                        await self.raw.pong(message.data)
                case aiohttp.WSMsgType.PONG:
                    continue
                case aiohttp.WSMsgType.ERROR:
                    raise LinkError(f"the other side breaks the protocol (code {self.raw.close_code})")
                case _:
                    raise LinkError(f"closed by the other side (code {self.raw.close_code})")

    def keep(self, frame: Frame) -> None:
        """Put a frame where the reader finds it; raises LinkError where too much waits already."""
        size = len(frame.data)
        if self.backlog.qsize() >= self.policy.backlog_max or not self.policy.intake.hold(size):
            raise LinkError("the reader fell behind")
        self.held_bytes += size
        self.held_frames += 1
        self.backlog.put_nowait(frame)

    async def next(self) -> Frame:
        """Wait for the next frame; raises LinkError once the link is lost."""
        item = await self.backlog.get()
        if self.given_up is not None:
            raise self.given_up
        if isinstance(item, LinkError):
            raise item
        size = len(item.data)
        self.held_bytes -= size
        self.held_frames -= 1
        self.policy.intake.release(size)
        return item

    def forget(self) -> None:
        """Give back what is kept for a reader who will not come."""
        self.policy.intake.release(self.held_bytes, self.held_frames)
        self.held_bytes = self.held_frames = 0

    def loses(self, error: LinkError, *, at_once: bool = False) -> None:
        """Have the reader find the loss behind the frames that wait already, or in their place."""
        self.backlog.put_nowait(error)
        if at_once:
            self.given_up, self.cut = error, True

    async def close(self) -> None:
        """Take leave, but not where the link is `cut` or brings more, which would all be read before the answer."""
        outlet = self.raw.get_extra_info(OUTLET)
        if outlet is not None and (self.cut or not self.backlog.empty()):
            outlet.abort()
        self.forget()
        with suppress(*FAILURES):
            async with asyncio.timeout(CLOSE_WAIT_S):
                await self.raw.close()

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Wait no longer than `send_s` for the other side to read; raises TimeoutError, and the link is lost."""
        try:
            async with asyncio.timeout(self.policy.send_s):
                yield
        except TimeoutError:
            self.backlog.put_nowait(LinkError(f"the other side has not read for {self.policy.send_s:g} s"))
            raise
