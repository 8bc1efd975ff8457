"""The mock broker on the bench: an exchange in this process, with no wire to fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from brokergw.adapters.mock import MockBroker, MockConfig, MockConnection
from brokergw.model.account import Environment
from brokergw.ports.broker import BrokerLink
from tests.conformance.adapter.bench import Ability, Bench
from tests.fixtures.hasty import HastyClock

ACCOUNT = "acc_exam"


class MockBench(Bench):
    """Ticks only when a card says so."""

    name = "mock"
    abilities = frozenset(
        {
            Ability.CASH,
            Ability.COST,
            Ability.HOLDS,
            Ability.LENDING,
            Ability.TRAIL_BY_AMOUNT,
            Ability.UNIQUE_IDS,
        }
    )
    environment = Environment.MOCK

    def __init__(self) -> None:
        self.clock = HastyClock()
        self.broker = MockBroker(clock=self.clock, config=MockConfig(tick_interval_s=3600))
        self.factory = self.broker

    def open(self) -> MockConnection:
        """Open the exam's account."""
        link = BrokerLink(connection_id="con_exam", account_id=ACCOUNT, environment=Environment.MOCK, credentials=None)
        return self.broker.open(link)

    def pin(self, symbol: str, price: Decimal) -> None:
        """Hold a price."""
        self.broker.exchange.set_price(symbol, price)

    def tick(self) -> None:
        """Let resting orders meet the market."""
        self.broker.exchange.tick()

    def at_broker(self, client_order_id: str) -> int:
        """Count the exchange's orders of an id."""
        return sum(order.client_order_id == client_order_id for order in self.broker.exchange.orders(ACCOUNT))

    def orders_at_broker(self) -> int:
        """Count the exchange's orders."""
        return len(self.broker.exchange.orders(ACCOUNT))


@asynccontextmanager
async def mock_bench() -> AsyncIterator[Bench]:
    """Set the mock broker up."""
    bench = MockBench()
    try:
        yield bench
    finally:
        bench.broker.close()
