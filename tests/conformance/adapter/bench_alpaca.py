"""Alpaca on the bench: the adapter against the Alpaca simulator, over real sockets in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Final

from brokergw.adapters.alpaca import AlpacaBroker, AlpacaConfig, AlpacaConnection
from brokergw.model.account import Environment
from brokergw.ports.broker import BrokerLink, Credentials
from brokergw.sim.dialects.alpaca import AlpacaDialect, AlpacaOptions, serve_alpaca
from brokergw.sim.dialects.alpaca.room import Room
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.server import SimServer
from tests.conformance.adapter.bench import LINK, TIMEOUTS, Ability, Bench, Mishap
from tests.fixtures.hasty import HastyClock

KEY: Final = "PKEXAMKEY0001"
SECRET: Final = "exam-secret-never-shown"
_FAULTS: Final = {
    Mishap.LOST_REPLY: FaultName.LOST_REPLY,
    Mishap.ERROR_AFTER: FaultName.ERROR_AFTER,
    Mishap.GARBLED_REPLY: FaultName.GARBLED_REPLY,
    Mishap.HANGING_REPLY: FaultName.HANGING_REPLY,
    Mishap.ERROR_BEFORE: FaultName.ERROR_BEFORE,
    Mishap.RESET: FaultName.CONNECTION_RESET,
    Mishap.RATE_LIMITED: FaultName.RATE_LIMITED,
}


class AlpacaBench(Bench):
    """One account at a simulator that ticks only when a card says so."""

    name = "alpaca"
    abilities = frozenset(Ability)
    environment = Environment.PAPER
    secrets = (KEY, SECRET)
    throwing_away = frozenset({401, 429})

    def __init__(self, server: SimServer, budgeted: SimServer) -> None:
        assert isinstance(server.dialect, AlpacaDialect)
        self.clock = HastyClock()
        self._server = server
        self._dialect = server.dialect
        self._held = ""
        # A budget of its own would make cards with many orders wait; the broker's headers set it where it counts.
        config = replace(
            AlpacaConfig.at(server.url, link=LINK, timeouts=TIMEOUTS),
            requests_per_minute=None,
            data_requests_per_minute=None,
        )
        self.factory = self._broker = AlpacaBroker(self.clock, config)
        self._budgeted = AlpacaBroker(self.clock, AlpacaConfig.at(budgeted.url))
        self._unreachable = AlpacaBroker(self.clock, AlpacaConfig.at("http://127.0.0.1:1", timeouts=TIMEOUTS))

    def open(self) -> AlpacaConnection:
        """Open the exam's account."""
        return self._broker.open(_link(KEY, SECRET))

    def open_with_wrong_keys(self) -> AlpacaConnection:
        """Open a connection with a secret that is not the account's."""
        return self._broker.open(_link(KEY, "exam-secret-that-is-wrong"))

    def open_unreachable(self) -> AlpacaConnection:
        """Open a connection to a port where nobody listens."""
        return self._unreachable.open(_link(KEY, SECRET))

    def open_with_budget(self) -> AlpacaConnection:
        """Open the account of a simulator that counts requests."""
        return self._budgeted.open(_link(KEY, SECRET))

    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a price."""
        self._dialect.exchange.set_price(symbol, price)

    def tick(self) -> None:
        """Let resting orders meet the market."""
        self._dialect.tick()

    def at_broker(self, client_order_id: str) -> int:
        """Count the exchange's orders of an id, and the spreads that the simulator works itself."""
        orders = self._dialect.exchange.orders(self._room.account_id)
        spread = self._dialect.brokerage.combos.find(self._room, client_order_id)
        return sum(order.client_order_id == client_order_id for order in orders) + (spread is not None)

    def orders_at_broker(self) -> int:
        """Count the exchange's orders."""
        return len(self._dialect.exchange.orders(self._room.account_id))

    def mishap(self, mishap: Mishap, *, method: str = "POST") -> None:
        """Arm a fault for the next command."""
        self._server.faults.arm(Fault(name=_FAULTS[mishap], method=method, path="/v2/*"))

    def answer_with(self, status: int, body: str) -> None:
        """Arm a fault that answers the next order by itself."""
        self._server.faults.arm(
            Fault(name=FaultName.ERROR_BEFORE, method="POST", path="/v2/orders", status=status, answer=body)
        )

    def sent(self) -> int:
        """Count the POSTs in the wire journal."""
        return len(self._server.journal.select(method="POST", path="/v2/orders"))

    async def cut_stream(self) -> None:
        """Cut every websocket."""
        await self._dialect.drop_streams()

    def hold_stream(self, held: bool) -> None:  # noqa: FBT001 - a switch reads best so
        """Answer websocket handshakes with an error for as long as it is held."""
        if held:
            fault = Fault(name=FaultName.ERROR_BEFORE, path="/stream", count=None)
            self._held = self._server.faults.arm(fault).fault_id
        elif self._held:
            self._server.faults.disarm(self._held)

    def repeat_events(self) -> None:
        """Send each trade update twice."""
        self._server.faults.arm(Fault(name=FaultName.DUPLICATE_EVENTS, count=None))

    @property
    def _room(self) -> Room:
        return next(room for room in self._dialect.brokerage.rooms.values() if room.key_id == KEY)


@asynccontextmanager
async def alpaca_bench() -> AsyncIterator[Bench]:
    """Set two simulators up: one that counts requests, and one that does not."""
    options = AlpacaOptions(keys={KEY: SECRET}, tick_interval_s=None)
    async with (
        await serve_alpaca(options=options) as server,
        await serve_alpaca(options=replace(options, rate_limit_per_minute=200)) as budgeted,
    ):
        yield AlpacaBench(server, budgeted)


def _link(key: str, secret: str) -> BrokerLink:
    return BrokerLink(
        connection_id="con_exam",
        account_id="acc_exam",
        environment=Environment.PAPER,
        credentials=Credentials(key=key, secret=secret),
    )
