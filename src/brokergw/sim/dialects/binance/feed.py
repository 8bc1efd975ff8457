"""Who listens to an account's events, and the faults that strike what they are told."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiohttp import WSCloseCode, web

from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.wire import encode_json

Envelope = Callable[[dict[str, Any]], dict[str, Any]]
_END: Final = None


class Connection:
    """One websocket and what waits to be sent on it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def say(self, document: Any) -> None:
        """Queue a message; it leaves in a later turn of the event loop."""
        self._queue.put_nowait(encode_json(document))

    def cut(self) -> None:
        """End the connection after what is queued already."""
        self._queue.put_nowait(_END)

    async def abort(self) -> None:
        """End the connection at once."""
        await self.socket.close(code=WSCloseCode.GOING_AWAY)

    async def drain(self) -> None:
        """Send what is queued until the connection ends."""
        while (frame := await self._queue.get()) is not None:
            try:
                await self.socket.send_str(frame.decode())
            except ConnectionError:
                return
        await self.socket.close(code=WSCloseCode.GOING_AWAY)


class Feed:
    """The subscriptions to one account's events, each with the envelope that its events come in."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._subscriptions: dict[tuple[int, object], tuple[Connection, Envelope]] = {}
        self._late: list[dict[str, Any]] = []

    def subscribe(self, connection: Connection, name: object, envelope: Envelope) -> bool:
        """Tell a connection from now on; False when it has a subscription of that name."""
        place = (id(connection), name)
        if place in self._subscriptions:
            return False
        self._subscriptions[place] = (connection, envelope)
        return True

    def has(self, connection: Connection) -> bool:
        """Tell whether a connection has any subscription."""
        return any(place[0] == id(connection) for place in self._subscriptions)

    def leave(self, connection: Connection, name: object = None) -> bool:
        """End a connection's subscription of a name, or all; tells whether there was one."""
        found = [place for place in self._subscriptions if place[0] == id(connection) and name in {None, place[1]}]
        for place in found:
            del self._subscriptions[place]
        return bool(found)

    def publish(self, event: dict[str, Any]) -> None:
        """Tell everybody of an event."""
        name = str(event["e"])
        if not self._faults:
            self._send(event)
        elif self._faults.strike_event(FaultName.DROPPED_STREAM, name):
            self.cut()
        elif self._faults.strike_event(FaultName.DROPPED_EVENTS, name):
            return
        elif self._faults.strike_event(FaultName.REORDERED_EVENTS, name):
            self._late.append(event)
        else:
            self._send(event)
            if self._faults.strike_event(FaultName.DUPLICATE_EVENTS, name):
                self._send(event)
            self.release()

    def release(self) -> None:
        """Send what was held back."""
        late, self._late = self._late, []
        for event in late:
            self._send(event)

    def cut(self) -> None:
        """End every connection that listens."""
        for connection, _ in self._subscriptions.values():
            connection.cut()
        self._subscriptions.clear()

    def _send(self, event: dict[str, Any]) -> None:
        for connection, envelope in self._subscriptions.values():
            connection.say(envelope(event))
