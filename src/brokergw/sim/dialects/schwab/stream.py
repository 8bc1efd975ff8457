"""The streamer: log in, subscribe to account activity, and hear of what happens to the login's accounts.

A login has one connection: another one that logs in ends the first, with code 12. Requests come in a list under
`requests`, or bare, which the streamer takes too. A subscription that succeeds has code 0 (schwab-py insists on it; the
guide to the streamer lists 26).
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any, Final

from aiohttp import web

from brokergw.sim import socket
from brokergw.sim.dialects.schwab.shapes import JsonObject, millis
from brokergw.sim.faults import Faults
from brokergw.sim.telling import Teller

ACTIVITY: Final = "ACCT_ACTIVITY"
OK, LOGIN_DENIED, CLOSE_CONNECTION, NOT_LOGGED_IN, BAD_COMMAND = 0, 3, 12, 20, 21
SUBSCRIBE_FAILED: Final = 22


class Connection(socket.Connection):
    """One websocket, and the key that it subscribed to account activity by."""

    def __init__(self, peer: web.WebSocketResponse) -> None:
        super().__init__(peer)
        self.key = ""


class Feed:
    """The connection of one login, and the faults that strike what is sent to it."""

    def __init__(self, faults: Faults) -> None:
        self.connection: Connection | None = None
        self._teller = Teller(faults, self._send, self._cut)
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
        self._teller.tell(kind, message)

    def release(self) -> None:
        """Send what was held back."""
        self._teller.release()

    def _send(self, message: JsonObject) -> None:
        if self.connection is not None:
            self.connection.say(message)

    def _cut(self) -> None:
        if self.connection is not None:
            self.connection.cut()


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
        try:
            await socket.hold(self._connection, everybody, self._heard, self._beat())
        finally:
            if self._feed is not None and self._feed.connection is self._connection:
                self._feed.connection = None

    def _heard(self, raw: bytes) -> None:
        self._note(raw)
        self._hear(raw)

    async def _beat(self) -> None:
        while True:
            await self._sleep(self._heartbeat_s)
            if self._feed is not None:
                self._connection.say({"notify": [{"heartbeat": str(millis(self._now_ns()))}]})

    def _hear(self, raw: bytes) -> None:
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
            feed.connection.say({"response": [_response(request, closing, self._now_ns())]})
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
        self._connection.say({"response": [_response(request, {"code": code, "msg": words}, self._now_ns())]})


def _response(request: Mapping[str, Any], content: JsonObject, now_ns: int) -> JsonObject:
    return {
        "service": request.get("service", "ADMIN"),
        "command": request.get("command", ""),
        "requestid": str(request.get("requestid", "")),
        "SchwabClientCorrelId": request.get("SchwabClientCorrelId", ""),
        "timestamp": millis(now_ns),
        "content": content,
    }
