"""The gateway's websocket: who it speaks for is told by a cookie or by the first frame, then topics are subscribed.

Client Portal API, WebSockets. Order frames (`sor`) carry what has changed and no more; trades (`str`) replay the days
that were asked for. Frames may be text or binary; here they are binary, which real ones mostly are.
"""

import contextlib
import json
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from brokergw.sim import socket
from brokergw.sim.dialects.ibkr.brokerage import Brokerage
from brokergw.sim.dialects.ibkr.notes import OrderNote
from brokergw.sim.dialects.ibkr.options import SECOND_NS
from brokergw.sim.dialects.ibkr.shapes import JsonObject
from brokergw.sim.telling import Teller

_BEAT_NS: Final = 10 * SECOND_NS
_DAY_NS: Final = 86_400 * SECOND_NS
_ALWAYS: Final = ("acct", "orderId")


class Connection(socket.Connection):
    """One websocket, what it is subscribed to, and the rows that it was told."""

    def __init__(self, peer: web.WebSocketResponse) -> None:
        super().__init__(peer, binary=True)
        self.topics: set[str] = set()
        self.entered = False
        self.rows: dict[int, JsonObject] = {}

    def cut(self) -> None:
        """End the connection after what is queued already."""
        self.topics.clear()
        super().cut()

    async def abort(self) -> None:
        """End the connection at once."""
        self.topics.clear()
        await super().abort()


class Stream:
    """Every websocket of the gateway."""

    def __init__(self, brokerage: Brokerage, note: Callable[[bytes], None]) -> None:
        self.connections: set[Connection] = set()
        self._brokerage = brokerage
        self._note = note
        self._teller = Teller(brokerage.faults, self._send, self._cut)
        self._beat_ns = 0
        brokerage.on_order = self._order
        brokerage.on_trade = self._trade

    async def converse(self, peer: web.WebSocketResponse, cookie: str) -> None:
        """Talk until either side ends it."""
        connection = Connection(peer)
        connection.say({"message": "waiting for session"})
        self._enter(connection, session_in(cookie))

        def heard(raw: bytes) -> None:
            self._note(raw)
            self._hear(connection, raw.decode("utf-8", "replace"))

        await socket.hold(connection, self.connections, heard)

    def beat(self) -> None:
        """Send the heartbeat when it is due, and what was held back."""
        now = self._brokerage.now_ns()
        if now - self._beat_ns >= _BEAT_NS:
            self._beat_ns = now
            for connection in self.connections:
                connection.say({"topic": "system", "hb": now // 1_000_000})
        self._teller.release()

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
            self._teller.tell("sor", ("sor", self._brokerage.row(note)))

    def _trade(self, row: JsonObject) -> None:
        self._teller.tell("str", ("str", row))

    def _cut(self) -> None:
        for connection in self.connections:
            connection.cut()

    def _send(self, item: tuple[str, JsonObject]) -> None:
        topic, row = item
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
