"""The streamer: log in, subscribe to account activity, and hear of what happens to the login's accounts.

A login has one connection: another one that logs in ends the first, with code 12. Requests come in a list under
`requests`, or bare, which the streamer takes too. A subscription that succeeds has code 0 (schwab-py insists on it; the
guide to the streamer lists 26).
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from brokergw.sim.dialects.schwab.shapes import JsonObject, millis
from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.wire import encode_json

ACTIVITY: Final = "ACCT_ACTIVITY"
OK, LOGIN_DENIED, CLOSE_CONNECTION, NOT_LOGGED_IN, BAD_COMMAND = 0, 3, 12, 20, 21
SUBSCRIBE_FAILED: Final = 22


class Connection:
    """One websocket and what waits to be sent on it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.key = ""
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def send(self, document: JsonObject) -> None:
        """Queue a message; it leaves in a later turn of the event loop."""
        self._queue.put_nowait(encode_json(document))

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
                await self.socket.send_str(frame.decode())
            except ConnectionError:
                return
        await self.socket.close(code=WSCloseCode.GOING_AWAY)


class Feed:
    """The connection of one login, and the faults that strike what is sent to it."""

    def __init__(self, faults: Faults) -> None:
        self.connection: Connection | None = None
        self._faults = faults
        self._late: list[JsonObject] = []
        self._sequence = count(1)

    def publish(self, account: str, kind: str, document: JsonObject, now_ns: int) -> None:
        """Tell of one thing that happened in an account."""
        if self.connection is None or not self.connection.key:
            return
        content = {
            "seq": next(self._sequence),
            "key": self.connection.key,
            "1": account,
            "2": kind,
            "3": json.dumps(document, separators=(",", ":")) if document else "",
        }
        message = {
            "data": [{"service": ACTIVITY, "timestamp": millis(now_ns), "command": "SUBS", "content": [content]}]
        }
        faults = self._faults
        if faults and faults.strike_event(FaultName.DROPPED_STREAM, kind):
            self.connection.cut()
        elif faults and faults.strike_event(FaultName.DROPPED_EVENTS, kind):
            return
        elif faults and faults.strike_event(FaultName.REORDERED_EVENTS, kind):
            self._late.append(message)
        else:
            self.connection.send(message)
            if faults and faults.strike_event(FaultName.DUPLICATE_EVENTS, kind):
                self.connection.send(message)
            self.release()

    def release(self) -> None:
        """Send what was held back."""
        late, self._late = self._late, []
        for message in late:
            if self.connection is not None:
                self.connection.send(message)


class Conversation:
    """The dialogue on one websocket. `enter` gives the feed of the login that a customer and a token belong to."""

    def __init__(
        self,
        connection: Connection,
        enter: Callable[[str, str], Feed | None],
        note: Callable[[bytes], None],
        *,
        now_ns: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        heartbeat_s: float,
    ) -> None:
        self._connection = connection
        self._enter = enter
        self._note = note
        self._now_ns = now_ns
        self._sleep = sleep
        self._heartbeat_s = heartbeat_s
        self._feed: Feed | None = None

    async def run(self, everybody: set[Connection]) -> None:
        """Talk until either side ends it."""
        connection = self._connection
        everybody.add(connection)
        tasks = [asyncio.create_task(connection.drain()), asyncio.create_task(self._beat())]
        try:
            async for message in connection.socket:
                if message.type is not WSMsgType.TEXT:
                    break
                self._note(message.data.encode())
                self._hear(message.data)
        finally:
            everybody.discard(connection)
            if self._feed is not None and self._feed.connection is connection:
                self._feed.connection = None
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _beat(self) -> None:
        while True:
            await self._sleep(self._heartbeat_s)
            if self._feed is not None:
                self._connection.send({"notify": [{"heartbeat": str(millis(self._now_ns()))}]})

    def _hear(self, raw: str) -> None:
        try:
            message = json.loads(raw)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self._say({}, BAD_COMMAND, "not a request")
            return
        requests = message.get("requests", [message])
        for request in requests if isinstance(requests, list) else []:
            if isinstance(request, dict):
                self._request(request)

    def _request(self, request: Mapping[str, Any]) -> None:
        match request.get("service"), request.get("command"):
            case "ADMIN", "LOGIN":
                self._login(request)
            case "ADMIN", "LOGOUT":
                self._say(request, OK, "SUCCESS")
                self._connection.cut()
            case _ if self._feed is None:
                self._say(request, NOT_LOGGED_IN, "stream connection not found")
            case "ACCT_ACTIVITY", "SUBS":
                self._subscribe(request)
            case "ACCT_ACTIVITY", "UNSUBS":
                self._connection.key = ""
                self._say(request, OK, "UNSUBS command succeeded")
            case _:
                self._say(request, BAD_COMMAND, "bad command")

    def _login(self, request: Mapping[str, Any]) -> None:
        parameters = request.get("parameters")
        token = parameters.get("Authorization", "") if isinstance(parameters, dict) else ""
        feed = self._enter(str(request.get("SchwabClientCustomerId", "")), str(token))
        if feed is None:
            self._say(request, LOGIN_DENIED, "login denied")
            self._connection.cut()
            return
        if feed.connection is not None and feed.connection is not self._connection:
            closing = {"code": CLOSE_CONNECTION, "msg": "another connection of this user"}
            feed.connection.send({"response": [_response(request, closing, self._now_ns())]})
            feed.connection.cut()
        self._feed, feed.connection = feed, self._connection
        self._say(request, OK, "server=sim-streamer;status=PN")

    def _subscribe(self, request: Mapping[str, Any]) -> None:
        given = request.get("parameters")
        parameters = given if isinstance(given, dict) else {}
        keys = parameters.get("keys", "")
        if not keys or not parameters.get("fields", ""):
            self._say(request, SUBSCRIBE_FAILED, "SUBS command failed")
            return
        self._connection.key = str(keys)
        self._say(request, OK, "SUBS command succeeded")
        assert self._feed is not None
        self._feed.publish("", "SUBSCRIBED", {}, self._now_ns())

    def _say(self, request: Mapping[str, Any], code: int, words: str) -> None:
        self._connection.send({"response": [_response(request, {"code": code, "msg": words}, self._now_ns())]})


def _response(request: Mapping[str, Any], content: JsonObject, now_ns: int) -> JsonObject:
    return {
        "service": request.get("service", "ADMIN"),
        "command": request.get("command", ""),
        "requestid": str(request.get("requestid", "")),
        "SchwabClientCorrelId": request.get("SchwabClientCorrelId", ""),
        "timestamp": millis(now_ns),
        "content": content,
    }
