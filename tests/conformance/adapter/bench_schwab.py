"""Schwab on the bench: the adapter against the Schwab simulator, over real sockets in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Final

from brokergw.adapters.schwab import SchwabBroker, SchwabConfig, SchwabConnection
from brokergw.model.account import Environment
from brokergw.model.outcome import Outcome
from brokergw.model.terms import OrderTerms
from brokergw.ports.broker import BrokerLink, Credentials
from brokergw.ports.permit import Permit
from brokergw.sim.dialects.schwab import DEFAULT_LOGIN, DEFAULT_NUMBER, SchwabDialect, SchwabOptions, serve_schwab
from brokergw.sim.dialects.schwab.room import Room
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.server import SimServer
from tests.conformance.adapter.bench import LINK, TIMEOUTS, Ability, Bench, Mishap
from tests.fixtures.hasty import HastyClock

TOKEN: Final = "I0.exam-access-token-never-shown"
_FAULTS: Final = {
    Mishap.LOST_REPLY: FaultName.LOST_REPLY,
    Mishap.ERROR_AFTER: FaultName.ERROR_AFTER,
    Mishap.GARBLED_REPLY: FaultName.GARBLED_REPLY,
    Mishap.HANGING_REPLY: FaultName.HANGING_REPLY,
    Mishap.ERROR_BEFORE: FaultName.ERROR_BEFORE,
    Mishap.RESET: FaultName.CONNECTION_RESET,
    Mishap.RATE_LIMITED: FaultName.RATE_LIMITED,
}


class _Named(SchwabConnection):
    """A connection whose bench knows what each client order id came to: nothing of it goes over the wire."""

    def watch(self, room: Room, made: dict[str, int]) -> None:
        """Count the orders that come to be while one is sent."""
        self._room, self._made = room, made

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order."""
        before = living(self._room)
        try:
            return await super().submit_order(permit, terms)
        finally:
            name = permit.client_order_id
            self._made[name] = self._made.get(name, 0) + living(self._room) - before


def living(room: Room) -> int:
    """Count the orders that stand at the top of lists, refused ones and replaced ones apart."""
    return sum(entry.refused is None for entry in room.tops())


class SchwabBench(Bench):
    """One account at a simulator that ticks only when a card says so."""

    name = "schwab"
    abilities = frozenset(Ability) - {Ability.BUDGET, Ability.UNIQUE_IDS}
    environment = Environment.LIVE
    missing = "9999999999999"
    entry_step_s = 1.1
    closes_by = "POST"
    quantity_step = Decimal(1)
    secrets = (TOKEN,)
    throwing_away = frozenset({429})

    def __init__(self, server: SimServer) -> None:
        assert isinstance(server.dialect, SchwabDialect)
        self.clock = HastyClock()
        self._server = server
        self._dialect = server.dialect
        self._held = ""
        self._made: dict[str, int] = {}
        # A budget of its own would make cards with many orders wait; a look is due soon, since nobody waits for long.
        self._config = replace(
            SchwabConfig.at(server.url, link=LINK, timeouts=TIMEOUTS),
            queries_per_minute=None,
            orders_per_minute=None,
            poll_s=0.5,
        )
        self.factory = self._broker = SchwabBroker(self.clock, self._config)
        self._unreachable = SchwabBroker(self.clock, SchwabConfig.at("http://127.0.0.1:1", timeouts=TIMEOUTS))

    def open(self) -> SchwabConnection:
        """Open the exam's account."""
        connection = _Named(_link(TOKEN), self._config, self._broker._http, self.clock)
        connection.watch(self._room, self._made)
        return connection

    def open_with_wrong_keys(self) -> SchwabConnection:
        """Open a connection with a token that opens nothing."""
        return self._broker.open(_link("exam-secret-that-is-wrong"))

    def open_unreachable(self) -> SchwabConnection:
        """Open a connection to a port where nobody listens."""
        return self._unreachable.open(_link(TOKEN))

    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a price."""
        self._dialect.exchange.set_price(symbol, price)

    def tick(self) -> None:
        """Let resting orders meet the market."""
        self._dialect.tick()

    def at_broker(self, client_order_id: str) -> int:
        """Count the orders that came to be when an id was sent."""
        return self._made.get(client_order_id, 0)

    def orders_at_broker(self) -> int:
        """Count the orders that were taken."""
        return living(self._room)

    def mishap(self, mishap: Mishap, *, method: str = "POST") -> None:
        """Arm a fault for the next command; a garbled answer to a submit lacks the place of the order, too."""
        self._server.faults.arm(Fault(name=_FAULTS[mishap], method=method, path="/trader/v1/*"))

    def answer_with(self, status: int, body: str) -> None:
        """Arm a fault that answers the next order by itself."""
        self._server.faults.arm(
            Fault(name=FaultName.ERROR_BEFORE, method="POST", path="/trader/v1/*", status=status, answer=body)
        )

    def sent(self) -> int:
        """Count the POSTs in the wire journal."""
        return len(self._server.journal.select(method="POST", path="/trader/v1/accounts"))

    async def cut_stream(self) -> None:
        """Cut every websocket."""
        await self._dialect.drop_streams()

    def hold_stream(self, held: bool) -> None:  # noqa: FBT001 - a switch reads best so
        """Answer websocket handshakes with an error for as long as it is held."""
        if held:
            fault = Fault(name=FaultName.ERROR_BEFORE, path="/ws", count=None)
            self._held = self._server.faults.arm(fault).fault_id
        elif self._held:
            self._server.faults.disarm(self._held)

    def repeat_events(self) -> None:
        """Send each message of account activity twice."""
        self._server.faults.arm(Fault(name=FaultName.DUPLICATE_EVENTS, count=None))

    @property
    def _room(self) -> Room:
        return self._dialect.brokerage.rooms[DEFAULT_NUMBER]


@asynccontextmanager
async def schwab_bench() -> AsyncIterator[Bench]:
    """Set a simulator up."""
    options = SchwabOptions(tokens={TOKEN: DEFAULT_LOGIN}, tick_interval_s=None)
    async with await serve_schwab(options=options) as server:
        yield SchwabBench(server)


def _link(token: str) -> BrokerLink:
    return BrokerLink(
        connection_id="con_exam",
        account_id="acc_exam",
        environment=Environment.LIVE,
        credentials=Credentials(access_token=token),
    )
