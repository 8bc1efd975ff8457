"""The `/stream` websocket: authentication, subscription, and trade updates as binary frames.

Frames hold JSON text, or MessagePack when the handshake asks for it with `Content-Type: application/msgpack`.
Alpaca docs, Websocket Streaming; that frames are binary and that a second connection is refused with 429 was observed.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from brokergw.sim import msgpack, socket
from brokergw.sim.dialects.alpaca.shapes import JsonObject
from brokergw.sim.faults import Faults
from brokergw.sim.telling import Teller
from brokergw.sim.wire import encode_json

TRADE_UPDATES: Final = "trade_updates"
_ACTIONS: Final = frozenset({"authenticate", "auth"})


class Connection(socket.Connection):
    """One websocket, and what it is subscribed to; `packed` says it in MessagePack."""

    def __init__(self, peer: web.WebSocketResponse, *, packed: bool = False) -> None:
        super().__init__(peer, binary=True)
        self.packed = packed
        self.streams: frozenset[str] = frozenset()

    def tell(self, stream: str, data: JsonObject) -> None:
        """Queue a message of a stream."""
        message = {"stream": stream, "data": data}
        self.send(msgpack.encode(message) if self.packed else encode_json(message))


class Feed:
    """The connections of one account, and the faults that strike what is sent to them."""

    def __init__(self, faults: Faults) -> None:
        self.connections: set[Connection] = set()
        self._teller = Teller(faults, self._send, self.cut)

    @property
    def listened_to(self) -> bool:
        """Whether anybody would get a trade update."""
        return any(TRADE_UPDATES in connection.streams for connection in self.connections)

    def publish(self, event: str, data: JsonObject) -> None:
        """Send a trade update to whoever listens."""
        self._teller.tell(event, {"stream": TRADE_UPDATES, "data": data})

    def release(self) -> None:
        """Send the frames that were held back."""
        self._teller.release()

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
        try:
            await socket.hold(self._connection, everybody, self._heard)
        finally:
            if self._feed is not None:
                self._feed.connections.discard(self._connection)

    def _heard(self, raw: bytes) -> None:
        self._note(raw)
        self._hear(raw)

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
        self._connection.tell(stream, data)
