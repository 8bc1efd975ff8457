"""One websocket of a simulator: what waits to be sent on it, and the conversation that is held on it."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from aiohttp import WSCloseCode, WSMsgType, web

from brokergw.sim.wire import encode_json


class Connection:
    """One websocket and what waits to be sent on it; `binary` sends frames as bytes rather than as text."""

    def __init__(self, socket: web.WebSocketResponse, *, binary: bool = False) -> None:
        self.socket = socket
        self._binary = binary
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def say(self, document: Any) -> None:
        """Queue a message."""
        self.send(encode_json(document))

    def send(self, frame: bytes) -> None:
        """Queue a frame; it leaves in a later turn of the event loop."""
        self._queue.put_nowait(frame)

    def cut(self) -> None:
        """End the connection after what is queued already."""
        self._queue.put_nowait(None)

    async def abort(self) -> None:
        """End the connection at once."""
        await self.socket.close(code=WSCloseCode.GOING_AWAY)

    async def drain(self) -> None:
        """Send what is queued until the connection ends."""
        while (frame := await self._queue.get()) is not None:
            try:
                await (self.socket.send_bytes(frame) if self._binary else self.socket.send_str(frame.decode()))
            except ConnectionError:
                return
        await self.socket.close(code=WSCloseCode.GOING_AWAY)


_Kind = TypeVar("_Kind", bound=Connection)


async def hold(
    connection: _Kind,
    everybody: set[_Kind],
    hear: Callable[[bytes], None],
    *beside: Coroutine[Any, Any, None],
) -> None:
    """Send what is queued and hear what comes, until either side ends it; what runs `beside` it ends with it."""
    everybody.add(connection)
    tasks = [asyncio.create_task(each) for each in (connection.drain(), *beside)]
    try:
        async for message in connection.socket:
            if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                break
            hear(message.data if isinstance(message.data, bytes) else message.data.encode())
    finally:
        everybody.discard(connection)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def abort_all(connections: Collection[Connection]) -> int:
    """Cut some websockets, and tell how many there were."""
    found = tuple(connections)
    for connection in found:
        await connection.abort()
    return len(found)
