"""The `/stream` websocket: authentication, subscription, and trade updates as binary frames.

Frames hold JSON text, or MessagePack when the handshake asks for it with `Content-Type: application/msgpack`.
Alpaca docs, Websocket Streaming; that frames are binary and that a second connection is refused with 429 was observed.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from brokergw.sim import msgpack
from brokergw.sim.dialects.alpaca.shapes import JsonObject
from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.wire import encode_json

TRADE_UPDATES: Final = "trade_updates"
_ACTIONS: Final = frozenset({"authenticate", "auth"})


class Connection:
    """One websocket and what waits to be sent on it."""

    def __init__(self, socket: web.WebSocketResponse, *, packed: bool = False) -> None:
        self.socket = socket
        self.packed = packed
        self.streams: frozenset[str] = frozenset()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def say(self, stream: str, data: JsonObject) -> None:
        """Queue a message."""
        message = {"stream": stream, "data": data}
        self.send(msgpack.encode(message) if self.packed else encode_json(message))

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
                await self.socket.send_bytes(frame)
            except ConnectionError:
                return
        await self.socket.close(code=WSCloseCode.GOING_AWAY)


class Feed:
    """The connections of one account, and the faults that strike what is sent to them."""

    def __init__(self, faults: Faults) -> None:
        self.connections: set[Connection] = set()
        self._faults = faults
        self._late: list[JsonObject] = []

    @property
    def listened_to(self) -> bool:
        """Whether anybody would get a trade update."""
        return any(TRADE_UPDATES in connection.streams for connection in self.connections)

    def publish(self, event: str, data: JsonObject) -> None:
        """Send a trade update to whoever listens."""
        message = {"stream": TRADE_UPDATES, "data": data}
        if not self._faults:
            self._send(message)
            return
        if self._faults.strike_event(FaultName.DROPPED_STREAM, event):
            self.cut()
        elif self._faults.strike_event(FaultName.DROPPED_EVENTS, event):
            return
        elif self._faults.strike_event(FaultName.REORDERED_EVENTS, event):
            self._late.append(message)
        else:
            self._send(message)
            if self._faults.strike_event(FaultName.DUPLICATE_EVENTS, event):
                self._send(message)
            self.release()

    def release(self) -> None:
        """Send the frames that were held back."""
        late, self._late = self._late, []
        for message in late:
            self._send(message)

    def cut(self) -> int:
        """End every connection and tell how many there were."""
        for connection in self.connections:
            connection.streams = frozenset()
            connection.cut()
        return len(self.connections)

    def _send(self, message: JsonObject) -> None:
        frame = b""
        for connection in self.connections:
            if TRADE_UPDATES not in connection.streams:
                continue
            if connection.packed:
                connection.send(msgpack.encode(message))
                continue
            frame = frame or encode_json(message)
            connection.send(frame)


class Conversation:
    """The dialogue on one websocket: authenticate, then listen.

    `enter` gives the feed of the account that credentials belong to, None when they are wrong, and raises
    ConnectionRefusedError when the account has all the connections it may have.
    """

    def __init__(
        self,
        connection: Connection,
        enter: Callable[[Mapping[str, Any]], Feed | None],
        note: Callable[[bytes], None],
    ) -> None:
        self._connection = connection
        self._enter = enter
        self._note = note
        self._feed: Feed | None = None

    async def run(self, everybody: set[Connection]) -> None:
        """Talk until either side ends it."""
        connection = self._connection
        everybody.add(connection)
        sender = asyncio.create_task(connection.drain())
        try:
            async for message in connection.socket:
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    break
                raw = message.data if isinstance(message.data, bytes) else message.data.encode()
                self._note(raw)
                self._hear(raw)
        finally:
            everybody.discard(connection)
            if self._feed is not None:
                self._feed.connections.discard(connection)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    def _hear(self, raw: bytes) -> None:
        try:
            message = json.loads(raw)
        except ValueError:
            self._say("error", {"error": "invalid message"})
            return
        action = message.get("action") if isinstance(message, dict) else None
        if action in _ACTIONS:
            self._authenticate(action, message)
        elif action == "listen":
            self._listen(message)
        else:
            self._say("error", {"error": "unsupported action"})

    def _authenticate(self, action: str, message: Mapping[str, Any]) -> None:
        data = message.get("data") if action == "authenticate" else message
        answer = {"status": "unauthorized", "action": "authenticate"}
        try:
            feed = self._enter(data) if isinstance(data, dict) else None
        except ConnectionRefusedError:
            self._say("authorization", {**answer, "message": "connection limit exceeded"})
            self._connection.cut()
            return
        if feed is None:
            self._say("authorization", {**answer, "message": "access key verification failed"})
            return
        if self._feed is not None:
            self._feed.connections.discard(self._connection)
        self._feed = feed
        feed.connections.add(self._connection)
        self._say("authorization", {**answer, "status": "authorized"})

    def _listen(self, message: Mapping[str, Any]) -> None:
        if self._feed is None:
            self._say("authorization", {"status": "unauthorized", "action": "listen"})
            return
        data = message.get("data")
        asked = data.get("streams") if isinstance(data, dict) else None
        streams = [stream for stream in asked if stream == TRADE_UPDATES] if isinstance(asked, list) else []
        self._connection.streams = frozenset(streams)
        self._say("listening", {"streams": streams})

    def _say(self, stream: str, data: JsonObject) -> None:
        self._connection.say(stream, data)
