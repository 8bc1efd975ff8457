"""The gateway's websocket: who it speaks for is told by a cookie or by the first frame, then topics are subscribed.

Client Portal API, WebSockets. Order frames (`sor`) carry what has changed and no more; trades (`str`) replay the days
that were asked for. Frames may be text or binary; here they are binary, which real ones mostly are.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from brokergw.sim.dialects.ibkr.brokerage import Brokerage
from brokergw.sim.dialects.ibkr.notes import OrderNote
from brokergw.sim.dialects.ibkr.options import SECOND_NS
from brokergw.sim.dialects.ibkr.shapes import JsonObject
from brokergw.sim.faults import FaultName
from brokergw.sim.wire import encode_json

_BEAT_NS: Final = 10 * SECOND_NS
_DAY_NS: Final = 86_400 * SECOND_NS
_ALWAYS: Final = ("acct", "orderId")


class Connection:
    """One websocket, what it is subscribed to, and what waits to be sent on it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.topics: set[str] = set()
        self.entered = False
        self.rows: dict[int, JsonObject] = {}
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def say(self, message: JsonObject) -> None:
        """Queue a frame; it leaves in a later turn of the event loop."""
        self._queue.put_nowait(encode_json(message))

    def cut(self) -> None:
        """End the connection after what is queued already."""
        self.topics.clear()
        self._queue.put_nowait(None)

    async def abort(self) -> None:
        """End the connection at once."""
        self.topics.clear()
        await self.socket.close(code=WSCloseCode.GOING_AWAY)

    async def drain(self) -> None:
        """Send what is queued until the connection ends."""
        while (frame := await self._queue.get()) is not None:
            try:
                await self.socket.send_bytes(frame)
            except ConnectionError:
                return
        await self.socket.close(code=WSCloseCode.GOING_AWAY)


class Stream:
    """Every websocket of the gateway."""

    def __init__(self, brokerage: Brokerage, note: Callable[[bytes], None]) -> None:
        self.connections: set[Connection] = set()
        self._brokerage = brokerage
        self._note = note
        self._late: list[tuple[str, JsonObject]] = []
        self._beat_ns = 0
        brokerage.on_order = self._order
        brokerage.on_trade = self._trade

    async def converse(self, socket: web.WebSocketResponse, cookie: str) -> None:
        """Talk until either side ends it."""
        connection = Connection(socket)
        self.connections.add(connection)
        sender = asyncio.create_task(connection.drain())
        connection.say({"message": "waiting for session"})
        self._enter(connection, session_in(cookie))
        try:
            async for message in socket:
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    break
                raw = message.data if isinstance(message.data, bytes) else message.data.encode()
                self._note(raw)
                self._hear(connection, raw.decode("utf-8", "replace"))
        finally:
            self.connections.discard(connection)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    def beat(self) -> None:
        """Send the heartbeat when it is due, and what was held back."""
        now = self._brokerage.now_ns()
        if now - self._beat_ns >= _BEAT_NS:
            self._beat_ns = now
            for connection in self.connections:
                connection.say({"topic": "system", "hb": now // 1_000_000})
        late, self._late = self._late, []
        for topic, item in late:
            self._send(topic, item)

    def tell_status(self) -> None:
        """Tell everybody how the brokerage session stands."""
        for connection in self.connections:
            connection.say(self._status())

    def _enter(self, connection: Connection, session_id: str) -> None:
        session = self._brokerage.session
        if not session_id or session_id != session.session_id or not session.logged_in:
            return
        connection.entered = True
        name, paper = self._brokerage.options.username, self._brokerage.options.paper
        connection.say({"topic": "system", "success": name, "isFT": False, "isPaper": paper})
        connection.say(self._status())
        connection.say({"topic": "act", "args": {"accounts": [self._brokerage.account_id]}})

    def _status(self) -> JsonObject:
        status = self._brokerage.session.status()
        told = {name: status[name] for name in ("authenticated", "competing", "message", "fail")}
        return {"topic": "sts", "args": {**told, "username": self._brokerage.options.username}}

    def _hear(self, connection: Connection, text: str) -> None:
        if text == "tic":
            connection.say({"topic": "tic", "lastAccessed": self._brokerage.now_ns() // 1_000_000})
            return
        if text.startswith("{"):
            with contextlib.suppress(ValueError):
                self._enter(connection, str(json.loads(text).get("session", "")))
            return
        topic, _, arguments = text.partition("+")
        if not connection.entered or not self._brokerage.session.authenticated:
            connection.say({"topic": "error", "error": "not authenticated"})
            return
        self._subscribe(connection, topic, arguments)

    def _subscribe(self, connection: Connection, topic: str, arguments: str) -> None:
        if topic in {"uor", "utr", "upl"}:
            connection.topics.discard({"uor": "sor", "utr": "str", "upl": "spl"}[topic])
        elif topic == "sor":
            connection.topics.add("sor")
            # Forward only: what stands already is asked for by REST.
            connection.say({"topic": "sor", "args": []})
        elif topic == "str":
            connection.topics.add("str")
            connection.say({"topic": "str", "args": self._replay(arguments)})
        elif topic == "spl":
            connection.topics.add("spl")
            connection.say({"topic": "spl", "args": self._profit()})

    def _replay(self, arguments: str) -> list[JsonObject]:
        asked: dict[str, Any] = {}
        with contextlib.suppress(ValueError):
            asked = json.loads(arguments or "{}")
        if asked.get("realtimeUpdatesOnly", asked.get("realtime_updates_only")) is True:
            return []
        days = asked.get("days", 1)
        return self._brokerage.trade_rows(self._brokerage.now_ns() - int(days) * _DAY_NS)

    def _profit(self) -> JsonObject:
        money = self._brokerage.exchange.account(self._brokerage.account_id)
        value = float(money.long_market_value + money.short_market_value)
        row = {"rowType": 1, "dpl": 0.0, "nl": float(money.equity), "upl": 0.0, "uel": float(money.equity), "mv": value}
        return {f"{self._brokerage.account_id}.Core": row}

    def _order(self, note: OrderNote) -> None:
        if any("sor" in connection.topics for connection in self.connections):
            self._publish("sor", self._brokerage.row(note))

    def _trade(self, row: JsonObject) -> None:
        self._publish("str", row)

    def _publish(self, topic: str, row: JsonObject) -> None:
        faults = self._brokerage.faults
        if not faults:
            self._send(topic, row)
        elif faults.strike_event(FaultName.DROPPED_STREAM, topic):
            for connection in self.connections:
                connection.cut()
        elif faults.strike_event(FaultName.DROPPED_EVENTS, topic):
            return
        elif faults.strike_event(FaultName.REORDERED_EVENTS, topic):
            self._late.append((topic, row))
        else:
            self._send(topic, row)
            if faults.strike_event(FaultName.DUPLICATE_EVENTS, topic):
                self._send(topic, row)

    def _send(self, topic: str, row: JsonObject) -> None:
        for connection in self.connections:
            if topic in connection.topics:
                told = _changed(connection, row) if topic == "sor" else row
                connection.say({"topic": topic, "args": [told]})


def _changed(connection: Connection, row: JsonObject) -> JsonObject:
    before = connection.rows.get(row["orderId"], {})
    connection.rows[row["orderId"]] = row
    return {name: value for name, value in row.items() if name in _ALWAYS or before.get(name) != value}


def session_in(cookie: str) -> str:
    """Read the session out of the cookie `api={"session":"..."}`, which is no cookie by the book."""
    _, mark, rest = cookie.partition("api=")
    if not mark:
        return ""
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.JSONDecoder().raw_decode(rest)[0].get("session", ""))
    return ""
