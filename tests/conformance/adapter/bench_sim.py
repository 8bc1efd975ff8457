"""What the benches of simulated brokers have in common: a simulator in this process, its faults and its journal."""

from dataclasses import replace
from decimal import Decimal
from typing import ClassVar, Final

from brokergw.model.account import Environment
from brokergw.ports.broker import BrokerLink, Credentials
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.server import SimServer
from tests.conformance.adapter.bench import Bench, Mishap, Saying
from tests.fixtures.hasty import HastyClock

_FAULTS: Final = {
    Mishap.LOST_REPLY: FaultName.LOST_REPLY,
    Mishap.ERROR_AFTER: FaultName.ERROR_AFTER,
    Mishap.GARBLED_REPLY: FaultName.GARBLED_REPLY,
    Mishap.HANGING_REPLY: FaultName.HANGING_REPLY,
    Mishap.ERROR_BEFORE: FaultName.ERROR_BEFORE,
    Mishap.RESET: FaultName.CONNECTION_RESET,
    Mishap.RATE_LIMITED: FaultName.RATE_LIMITED,
}


class SimBench(Bench):
    """One account at a simulator that ticks only when a card says so."""

    commands: ClassVar[str] = "*"
    """The paths of commands, which a mishap strikes."""
    orders: ClassVar[str]
    """Where new orders arrive."""
    handshake: ClassVar[Fault]
    """What keeps every stream from opening, while it is armed."""

    def __init__(self, server: SimServer) -> None:
        self.clock = HastyClock()
        self._server = server
        self._held = ""

    def commands_of(self, method: str) -> Fault:
        """Name the traffic that a command of an HTTP method is, by the fault that strikes it."""
        return Fault(name=FaultName.ERROR_BEFORE, method=method, path=self.commands)

    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a price."""
        self._server.dialect.exchange.set_price(symbol, price)

    def tick(self) -> None:
        """Let resting orders meet the market."""
        self._server.dialect.tick()

    def mishap(self, mishap: Mishap, *, method: str = "POST") -> None:
        """Arm a fault for the next command."""
        self._server.faults.arm(replace(self.commands_of(method), name=_FAULTS[mishap]))

    def answer_with(self, status: int, body: str) -> None:
        """Arm a fault that answers the next order by itself."""
        self._server.faults.arm(replace(self.commands_of("POST"), status=status, answer=body))

    @property
    def port(self) -> int:
        """Where the simulator listens."""
        return self._server.port

    def arrived(self) -> int:
        """Count the requests in the wire journal."""
        return self._server.journal.arrived

    def say(self, saying: Saying, *, orders: bool = False) -> None:
        """Arm a fault that answers every request by itself, or the next order."""
        if orders:
            self.answer_with(saying.status, saying.body)
            return
        wait_s = None if saying.retry_after_s is None else float(saying.retry_after_s)
        fault = Fault(name=FaultName.ERROR_BEFORE, count=None, status=saying.status, answer=saying.body, seconds=wait_s)
        self._server.faults.arm(fault)

    def recover(self) -> None:
        """Disarm every fault."""
        self._server.faults.clear()

    def sent(self) -> int:
        """Count the POSTs of orders in the wire journal."""
        return len(self._server.journal.select(method="POST", path=self.orders))

    def requests(self, method: str) -> int:
        """Count the requests of an HTTP method in the wire journal."""
        return len(self._server.journal.select(method=method))

    def tell_time_ahead(self, seconds: float) -> None:
        """Skew the Date of every answer."""
        self.recover()
        self._server.faults.arm(Fault(name=FaultName.SKEWED_DATE, count=None, seconds=seconds))

    async def cut_stream(self) -> None:
        """Cut every websocket."""
        await self._server.dialect.drop_streams()

    def hold_stream(self, held: bool) -> None:  # noqa: FBT001 - a switch reads best so
        """Answer websocket handshakes with an error for as long as it is held."""
        if held:
            self._held = self._server.faults.arm(self.handshake).fault_id
        elif self._held:
            self._server.faults.disarm(self._held)

    def repeat_events(self) -> None:
        """Tell each event twice."""
        self._server.faults.arm(Fault(name=FaultName.DUPLICATE_EVENTS, count=None))


def held_at(path: str) -> Fault:
    """Keep websockets from opening at a path."""
    return Fault(name=FaultName.ERROR_BEFORE, method="GET", path=path, count=None)


def exam_link(environment: Environment, **credentials: str) -> BrokerLink:
    """Make the link of the exam's connection."""
    return BrokerLink(
        connection_id="con_exam",
        account_id="acc_exam",
        environment=environment,
        credentials=Credentials(**credentials),
    )
