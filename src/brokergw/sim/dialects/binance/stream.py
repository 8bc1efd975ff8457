"""The websockets: spot's WebSocket API with its user data subscription, and the streams that a listen key opens.

Spot events come wrapped as `{"subscriptionId", "event"}`; a listen key's events come bare at its own path, and wrapped
as `{"stream", "data"}` at a combined one. There is no replay.
"""

import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qs

from brokergw.sim.dialects.binance.auth import Gate, check_time
from brokergw.sim.dialects.binance.brokerage import Brokerage
from brokergw.sim.dialects.binance.listings import Kind
from brokergw.sim.dialects.binance.refusals import BAD_KEY, ApiError
from brokergw.sim.dialects.binance.room import Room
from brokergw.sim.faults import FaultName
from brokergw.sim.socket import Connection, hold
from brokergw.sim.wire import WireRequest

WS_API: Final = ("/ws-api/v3", "/ws-fapi/v1")
_PRIVATE: Final = ("/private/ws", "/private/stream", "/ws", "/stream")
_PUBLIC: Final = ("/public/", "/market/")
Listen = Callable[[bytes], None]


def takes(path: str) -> bool:
    """Tell whether a websocket is at a path."""
    return (
        path in WS_API
        or any(path == each or path.startswith(f"{each}/") for each in _PRIVATE)
        or path.startswith(_PUBLIC)
    )


class Talk:
    """The dialogue on one websocket; `note` writes what arrives into the journal."""

    def __init__(self, connection: Connection, brokerage: Brokerage, note: Listen) -> None:
        self.connection = connection
        self.brokerage = brokerage
        self._note = note

    async def run(self, everybody: set[Connection]) -> None:
        """Talk until either side ends it."""
        try:
            self.begin()
            await hold(self.connection, everybody, self._heard)
        finally:
            for room in self.brokerage.rooms.values():
                room.feed.leave(self.connection)

    def _heard(self, raw: bytes) -> None:
        self._note(raw)
        self.hear(raw)

    def begin(self) -> None:
        """Do what the path asks for."""

    def hear(self, raw: bytes) -> None:
        """Answer one message."""
        raise NotImplementedError


class SocketApi(Talk):
    """`/ws-api/v3`: requests with an id, and the user data subscriptions (web-socket-api.md)."""

    def __init__(self, connection: Connection, brokerage: Brokerage, note: Listen, gate: Gate) -> None:
        super().__init__(connection, brokerage, note)
        self._gate = gate
        self._ids = count()
        self._key = ""
        self._subscribed: dict[int, Room] = {}
        self._verbs: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "ping": lambda _: {},
            "time": lambda _: {"serverTime": self.brokerage.now_ms()},
            "session.logon": self._logon,
            "session.status": lambda _: self._session(),
            "session.logout": self._logout,
            "session.subscriptions": lambda _: [{"subscriptionId": each} for each in self._subscribed],
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    def hear(self, raw: bytes) -> None:
        """Answer one request."""
        try:
            message = json.loads(raw)
        except ValueError:
            message = None
        if not isinstance(message, dict) or "method" not in message:
            self.connection.say({"id": None, "status": 400, "error": {"code": -1135, "msg": "Invalid JSON Request"}})
            return
        params = message.get("params")
        reply: dict[str, Any] = {"id": message.get("id"), "status": 200}
        try:
            reply["result"] = self._verb(str(message["method"]))(params if isinstance(params, dict) else {})
        except ApiError as error:
            reply |= {"status": error.status, "error": error.document}
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 2}
        self.connection.say({**reply, "rateLimits": [limit]})

    def _verb(self, method: str) -> Callable[[Mapping[str, Any]], Any]:
        verb = self._verbs.get(method)
        if verb is None:
            raise ApiError(-1000, f"Unknown method '{method}'.")
        faults = self.brokerage.faults
        if faults and faults.strike(FaultName.UNAUTHORIZED, "WS", WS_API[0]) is not None:
            raise ApiError(*BAD_KEY, status=401)
        return verb

    def _logon(self, params: Mapping[str, Any]) -> Any:
        key = self._gate.verify_socket(params, self.brokerage.now_ms())
        if not self._gate.is_ed25519(key):
            raise ApiError(-4056, "HMAC_SHA256 API key is not supported.", 400)
        self._key = key
        return self._session()

    def _session(self) -> Any:
        now = self.brokerage.now_ms()
        return {
            "apiKey": self._key or None,
            "authorizedSince": now if self._key else None,
            "connectedSince": now,
            "returnRateLimits": True,
            "serverTime": now,
            "userDataStream": bool(self._subscribed),
        }

    def _logout(self, _: Mapping[str, Any]) -> Any:
        self._key = ""
        return self._session()

    def _subscribe(self, params: Mapping[str, Any]) -> Any:
        if not self._key:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        if "timestamp" in params:
            check_time({name: str(value) for name, value in params.items()}, self.brokerage.now_ms())
        return self._listen(self._key)

    def _subscribe_signed(self, params: Mapping[str, Any]) -> Any:
        return self._listen(self._gate.verify_socket(params, self.brokerage.now_ms()))

    def _listen(self, key: str) -> Any:
        room = self.brokerage.room(Kind.SPOT, key)
        number = next(self._ids)

        def envelope(event: dict[str, Any]) -> dict[str, Any]:
            return {"subscriptionId": number, "event": event}

        if room.feed.has(self.connection) or not room.feed.subscribe(self.connection, number, envelope):
            raise ApiError(-2035, "User Data Stream subscription already active.")
        self._subscribed[number] = room
        return {"subscriptionId": number}

    def _unsubscribe(self, params: Mapping[str, Any]) -> Any:
        number = params.get("subscriptionId")
        for each in [number] if number is not None else list(self._subscribed):
            room = self._subscribed.pop(each, None)
            if room is None or not room.feed.leave(self.connection, each):
                raise ApiError(-2036, "User Data Stream subscription not active.")
        return {}


class ListenKeyStream(Talk):
    """The streams that a listen key opens, at its own path, by query, or by SUBSCRIBE."""

    def __init__(self, connection: Connection, brokerage: Brokerage, note: Listen, request: WireRequest) -> None:
        super().__init__(connection, brokerage, note)
        self._path = request.path
        self._query = parse_qs(request.query_string)

    def begin(self) -> None:
        """Open what path and query name."""
        base, _, named = self._path.partition("/ws/")
        keys = [named] if named else self._query.get("listenKey", [])
        keys += [each for text in self._query.get("streams", []) for each in text.split("/")]
        for key in keys:
            self._open(key, combined=not base.endswith("/ws") and "/stream" in self._path)

    def hear(self, raw: bytes) -> None:
        """Answer SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS."""
        try:
            message = json.loads(raw)
            method, names, asked = message["method"], message.get("params") or [], message.get("id")
        except (ValueError, KeyError, TypeError):
            self.connection.say({"error": {"code": 3, "msg": "Invalid JSON"}})
            return
        for name in names:
            room = self.brokerage.by_listen_key(name)
            if method == "SUBSCRIBE":
                self._open(name, combined="/stream" in self._path)
            elif method == "UNSUBSCRIBE" and room is not None:
                room.feed.leave(self.connection, name)
        self.connection.say({"result": None, "id": asked})

    def _open(self, listen_key: str, *, combined: bool) -> None:
        room = self.brokerage.by_listen_key(listen_key)
        if room is None:
            # A stream of a name that nobody has is silent, as at Binance.
            return

        def wrapped(event: dict[str, Any]) -> dict[str, Any]:
            return {"stream": listen_key, "data": event}

        def bare(event: dict[str, Any]) -> dict[str, Any]:
            return event

        room.feed.subscribe(self.connection, listen_key, wrapped if combined else bare)


def talk(connection: Connection, brokerage: Brokerage, gate: Gate, request: WireRequest, note: Listen) -> Talk:
    """Make the dialogue that belongs to a path."""
    if request.path in WS_API:
        return SocketApi(connection, brokerage, note, gate)
    return ListenKeyStream(connection, brokerage, note, request)
