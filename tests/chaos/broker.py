"""The broker of a chain: its simulator in the runner's own loop, with a witness at its door.

Whenever an order, a change or a cancel is about to be acted on, the witness looks, from outside, whether the gateway
has it on record already. A clock could lie about which came first; this cannot.

What differs from broker to broker is told by a subclass for each, in `brokers/`.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, Self, cast

from aiohttp import web

from brokergw.model.account import Environment
from brokergw.model.capability import Capabilities
from brokergw.ports.broker import Credentials
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.server import SimServer
from brokergw.sim.wire import Dialect, WireReply, WireRequest
from tests.chaos.goods import Goods
from tests.chaos.history import Arrival, BrokerSide, Execution, Verb
from tests.chaos.record import RecordReader

TICK_S: Final = 0.02
"""How often the simulated market moves, in seconds."""


class Message(Protocol):
    """What a command is read from: a request before it is acted on, or its entry in the wire journal."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Command:
    """What a message asks for; see `Arrival`."""

    verb: Verb
    client_order_id: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """Where on the wire something happens, as faults name it: a method and a glob."""

    method: str
    path: str


_ANYWHERE: Final = Way("", "")


class Witness:
    """A dialect that has somebody look before it acts."""

    def __init__(self, dialect: Dialect, look: Callable[[WireRequest], None]) -> None:
        self._dialect = dialect
        self._look = look

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dialect, name)

    def answer(self, request: WireRequest) -> WireReply:
        """Look, then answer."""
        self._look(request)
        return self._dialect.answer(request)


class ChaosBroker(ABC):
    """One simulator for one chain.

    `ways` is where its commands pass, `around` whatever is said about orders, `question` where its questions are
    answered, if it asks any. `credentials` and `environment` are those of the user's connection.
    """

    capabilities: ClassVar[Capabilities]
    credentials: ClassVar[Credentials]
    goods: ClassVar[Goods]
    ways: ClassVar[Mapping[Verb, Way]]
    around: ClassVar[str]
    question: ClassVar[Way | None] = None
    environment: ClassVar[Environment] = Environment.PAPER

    def __init__(self, server: SimServer, record: RecordReader) -> None:
        self.server = server
        self.dialect: Any = server.dialect
        self.record = record
        self.submitted = 0
        self.ambiguous: set[str] = set()
        self._seen: list[tuple[Any, str | None]] = []
        self._post_witness()

    @classmethod
    @abstractmethod
    async def serve(cls, seed: int, now_ns: Callable[[], int]) -> SimServer:
        """Start its simulator, which lives by a clock."""

    @abstractmethod
    def settings(self) -> Mapping[str, str]:
        """Give the settings that lead a gateway to it."""

    @abstractmethod
    def command_of(self, message: Message) -> Command | None:
        """Read a command; None for anything else."""

    @abstractmethod
    def orders(self) -> tuple[BrokerSide, ...]:
        """Give every order that the broker has."""

    @abstractmethod
    def executions(self) -> tuple[Execution, ...]:
        """Give every execution."""

    def enter_twin(self) -> None:
        """Enter the order whose reply was lost last once more, as a person does at the broker itself."""
        raise NotImplementedError

    @classmethod
    async def open(cls, seed: int, record: RecordReader, now_ns: Callable[[], int]) -> Self:
        """Start one."""
        return cls(await cls.serve(seed, now_ns), record)

    async def close(self) -> None:
        """End it."""
        await self.server.stop()

    def arm(self, name: FaultName, way: Way | None = None, **options: Any) -> None:
        """Switch a fault on."""
        where = way or _ANYWHERE
        self.server.faults.arm(Fault(name=name, method=where.method, path=where.path, **options))

    def calm(self) -> None:
        """Switch every fault off."""
        self.server.faults.clear()

    async def struck(self, name: FaultName) -> None:
        """Wait until a fault has fired."""
        while not any(armed.fault.name is name and armed.fired for armed in self.server.faults.listing()):
            await asyncio.sleep(0.002)

    async def asked(self) -> None:
        """Wait until another order has arrived."""
        before = self.submitted
        while self.submitted == before:
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
        witnessed = {id(faults): state for faults, state in self._seen}
        return tuple(
            Arrival(
                sequence=entry.sequence,
                time_ns=entry.time_ns,
                verb=command.verb,
                client_order_id=command.client_order_id,
                target=command.target,
                handled=entry.handled,
                status=entry.status,
                witnessed=witnessed.get(id(entry.faults)),
            )
            for entry in self.server.journal
            if (command := self.command_of(entry)) is not None
        )

    def witness(self, message: Message, faults: list[str]) -> None:
        """Look how the order of a message stands on record, if it is a command.

        Some are known by the record's word alone: where that could not be had, nothing was seen.
        """
        unanswered = self.record.unanswered
        command = self.command_of(message)
        if command is None:
            return
        self.submitted += command.verb is Verb.SUBMIT
        state = self._look(command)
        self._seen.append((faults, state if self.record.unanswered == unanswered else None))

    def _look(self, command: Command) -> str | None:
        match command.verb:
            case Verb.SUBMIT:
                return self.record.state_of_submitted(command.client_order_id)
            case Verb.MODIFY:
                return self.record.was_pending(command.target, "PENDING_MODIFY")
            case Verb.CANCEL:
                return self.record.was_pending(command.target, "PENDING_CANCEL")

    def _post_witness(self) -> None:
        def look(request: WireRequest) -> None:
            self.witness(request, request.faults)

        self.server.dialect = cast("Dialect", Witness(self.server.dialect, look))
