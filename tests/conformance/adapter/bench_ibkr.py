"""Interactive Brokers on the bench: the adapter against the simulated gateway, over real sockets in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

from brokergw.adapters.ibkr import IbkrBroker, IbkrConfig, IbkrConnection
from brokergw.model.account import Environment
from brokergw.ports.broker import BrokerLink, Credentials
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT, IbkrDialect, IbkrOptions, serve_ibkr
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.server import SimServer
from tests.conformance.adapter.bench import LINK, TIMEOUTS, Ability, Bench, Mishap
from tests.fixtures.hasty import HastyClock

CODE: Final = "exam-code-never-shown"
_FAULTS: Final = {
    Mishap.LOST_REPLY: FaultName.LOST_REPLY,
    Mishap.ERROR_AFTER: FaultName.ERROR_AFTER,
    Mishap.GARBLED_REPLY: FaultName.GARBLED_REPLY,
    Mishap.HANGING_REPLY: FaultName.HANGING_REPLY,
    Mishap.ERROR_BEFORE: FaultName.ERROR_BEFORE,
    Mishap.RESET: FaultName.CONNECTION_RESET,
    Mishap.RATE_LIMITED: FaultName.RATE_LIMITED,
}
_PATHS: Final = {
    "POST": "/v1/api/iserver/account/*/orders",
    "DELETE": "/v1/api/iserver/account/*/order/*",
    "GET": "/v1/api/iserver/account/orders",
}


def config(url: str) -> IbkrConfig:
    """Point the adapter at a simulator, without the broker's paces: cards with many orders would wait for them."""
    return IbkrConfig(
        gateway_url=f"{url}/v1/api",
        access_code=CODE,
        per_second=None,
        list_every_s=0.0,
        poll_s=0.2,
        penalty_s=1.0,
        again_s=0.0,
        pause_s=0.01,
        timeouts=TIMEOUTS,
        link=LINK,
    )


class IbkrBench(Bench):
    """One account at a gateway that ticks only when a card says so, and asks no questions."""

    name = "ibkr"
    abilities = frozenset(Ability) - {Ability.BUDGET}
    environment = Environment.PAPER
    secrets = (CODE,)
    throwing_away = frozenset({401, 429})
    closes_by = "POST"
    quantity_step = Decimal(1)

    def __init__(self, server: SimServer) -> None:
        assert isinstance(server.dialect, IbkrDialect)
        self.clock = HastyClock()
        self._server = server
        self._dialect = server.dialect
        self._held = ""
        self.factory = self._broker = IbkrBroker(self.clock, config(server.url))
        self._unreachable = IbkrBroker(self.clock, config("http://127.0.0.1:1"))

    def open(self) -> IbkrConnection:
        """Open the exam's account."""
        return self._broker.open(_link(CODE))

    def open_with_wrong_keys(self) -> IbkrConnection:
        """Open a connection with a code that is not the gateway's."""
        return self._broker.open(_link("exam-secret-that-is-wrong"))

    def open_unreachable(self) -> IbkrConnection:
        """Open a connection to a port where nobody listens."""
        return self._unreachable.open(_link(CODE))

    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a price."""
        self._dialect.exchange.set_price(symbol, price)

    def tick(self) -> None:
        """Let resting orders meet the market."""
        self._dialect.tick()

    def at_broker(self, client_order_id: str) -> int:
        """Count the broker's orders of a reference."""
        return sum(note.reference == client_order_id for note in self._dialect.brokerage.notes.values())

    def orders_at_broker(self) -> int:
        """Count the broker's orders."""
        return len(self._dialect.brokerage.notes)

    def mishap(self, mishap: Mishap, *, method: str = "POST") -> None:
        """Arm a fault for the next command, or for the next reading of the order list."""
        self._server.faults.arm(Fault(name=_FAULTS[mishap], method=method, path=_PATHS[method]))

    def answer_with(self, status: int, body: str) -> None:
        """Arm a fault that answers the next order by itself."""
        self._server.faults.arm(
            Fault(name=FaultName.ERROR_BEFORE, method="POST", path=_PATHS["POST"], status=status, answer=body)
        )

    def sent(self) -> int:
        """Count the orders in the wire journal."""
        entries = self._server.journal.select(method="POST", path="/v1/api/iserver/account/")
        return sum(entry.path.endswith("/orders") for entry in entries)

    async def cut_stream(self) -> None:
        """Cut every websocket."""
        await self._dialect.drop_streams()

    def hold_stream(self, held: bool) -> None:  # noqa: FBT001 - a switch reads best so
        """Answer websocket handshakes with an error for as long as it is held."""
        if held:
            fault = Fault(name=FaultName.ERROR_BEFORE, path="/v1/api/ws", count=None)
            self._held = self._server.faults.arm(fault).fault_id
        elif self._held:
            self._server.faults.disarm(self._held)

    def repeat_events(self) -> None:
        """Send each frame about an order or a trade twice."""
        self._server.faults.arm(Fault(name=FaultName.DUPLICATE_EVENTS, count=None))


@asynccontextmanager
async def ibkr_bench() -> AsyncIterator[Bench]:
    """Set a simulator up."""
    options = IbkrOptions(tick_interval_s=None, asks=frozenset())
    async with await serve_ibkr(options=options) as server:
        yield IbkrBench(server)


def _link(code: str) -> BrokerLink:
    return BrokerLink(
        connection_id="con_exam",
        account_id="acc_exam",
        environment=Environment.PAPER,
        credentials=Credentials(key=DEFAULT_ACCOUNT, secret=code),
    )
