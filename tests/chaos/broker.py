"""The broker of a chain: the Alpaca simulator in the runner's own loop, with a witness at its door.

Whenever an order, a change or a cancel is about to be acted on, the witness looks, from outside, whether the gateway
has it on record already. A clock could lie about which came first; this cannot.
"""

import asyncio
import json
from decimal import Decimal
from typing import Any, Final, Self, cast

from aiohttp import web

from brokergw.sim.dialects.alpaca import DEFAULT_KEY, DEFAULT_SECRET, AlpacaDialect, AlpacaOptions, serve_alpaca
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.server import SimServer
from brokergw.sim.wire import Dialect, WireReply, WireRequest
from tests.chaos.history import Arrival, BrokerSide, Execution
from tests.chaos.record import RecordReader

_ORDERS: Final = "/v2/orders"
_TICK_S: Final = 0.02
_LIVES: Final = frozenset({"new", "accepted", "pending_new", "partially_filled", "pending_cancel", "held"})


class Witness:
    """A dialect that notes, before it acts on a command, how the command's order stands on record."""

    def __init__(self, dialect: AlpacaDialect) -> None:
        self._dialect = dialect
        self.record: RecordReader | None = None
        self.seen: list[tuple[Any, str | None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dialect, name)

    def answer(self, request: WireRequest) -> WireReply:
        """Look, then answer."""
        if request.method != "GET" and request.path.startswith(_ORDERS):
            self.seen.append((request.faults, self._look(request)))
        return self._dialect.answer(request)

    def _look(self, request: WireRequest) -> str | None:
        if self.record is None:
            return None
        target = request.path.removeprefix(_ORDERS).strip("/")
        match request.method:
            case "POST":
                return self.record.state_of_submitted(_client_order_id(request.body))
            case "PATCH":
                return self.record.was_pending(target, "PENDING_MODIFY")
            case _:
                return self.record.was_pending(target, "PENDING_CANCEL")


class ChaosBroker:
    """One simulator for one chain."""

    def __init__(self, server: SimServer) -> None:
        self.server = server
        self.witness = Witness(cast("AlpacaDialect", server.dialect))
        server.dialect = cast("Dialect", self.witness)

    @classmethod
    async def open(cls, seed: int) -> Self:
        """Start one."""
        options = AlpacaOptions(seed=seed, tick_interval_s=_TICK_S, cash=Decimal(10_000_000))
        return cls(await serve_alpaca(options=options))

    async def close(self) -> None:
        """End it."""
        await self.server.stop()

    @property
    def key(self) -> tuple[str, str]:
        """The key and secret of its only account."""
        return DEFAULT_KEY, DEFAULT_SECRET

    def arm(self, name: FaultName, **options: Any) -> None:
        """Switch a fault on."""
        self.server.faults.arm(Fault(name=name, **options))

    def calm(self) -> None:
        """Switch every fault off."""
        self.server.faults.clear()

    async def struck(self, name: FaultName) -> None:
        """Wait until a fault has fired."""
        while not any(armed.fault.name is name and armed.fired for armed in self.server.faults.listing()):
            await asyncio.sleep(0.002)

    async def posted(self) -> None:
        """Wait until another order has arrived."""
        before = len(self.server.journal.select(method="POST", path=_ORDERS))
        while len(self.server.journal.select(method="POST", path=_ORDERS)) == before:
            await asyncio.sleep(0.002)

    async def shut(self) -> None:
        """Close the door: connections end, and new ones are refused."""
        runner = cast("web.ServerRunner", self.server._runner)
        for site in list(runner.sites):
            await site.stop()
        assert runner.server is not None
        for connection in list(runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def reopen(self) -> None:
        """Open the door again, at the same address."""
        runner = cast("web.ServerRunner", self.server._runner)
        await web.TCPSite(runner, "127.0.0.1", self.server.port, reuse_address=True).start()

    def arrivals(self) -> tuple[Arrival, ...]:
        """Give every command that arrived, oldest first."""
        witnessed = {id(faults): state for faults, state in self.witness.seen}
        found = []
        for entry in self.server.journal.select(path=_ORDERS):
            if entry.method == "GET":
                continue
            found.append(
                Arrival(
                    sequence=entry.sequence,
                    time_ns=entry.time_ns,
                    method=entry.method,
                    client_order_id=_client_order_id(entry.body),
                    target=entry.path.removeprefix(_ORDERS).strip("/"),
                    handled=entry.handled,
                    status=entry.status,
                    witnessed=witnessed.get(id(entry.faults)),
                )
            )
        return tuple(found)

    def orders(self) -> tuple[BrokerSide, ...]:
        """Give every order that the broker has."""
        (account,) = self.server.dialect.state()["accounts"]
        return tuple(
            BrokerSide(
                broker_order_id=order["id"],
                client_order_id=order["client_order_id"],
                open=order["status"] in _LIVES,
                filled=Decimal(order["filled_qty"]),
                replaces=order["replaces"] or "",
            )
            for order in account["orders"]
        )

    def executions(self) -> tuple[Execution, ...]:
        """Give every execution."""
        brokerage = self.witness._dialect.brokerage
        return tuple(
            Execution(note.execution.order_id, note.execution.quantity, note.execution.price)
            for room in brokerage.rooms.values()
            for note in room.fills
        )


def _client_order_id(body: bytes) -> str:
    try:
        return str(json.loads(body).get("client_order_id", ""))
    except ValueError:
        return ""
