"""What is left of a broker's budget when everybody asks at once, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from brokergw.adapters.alpaca import AlpacaBroker, AlpacaConfig, AlpacaConnection
from brokergw.app.clock import SystemClock
from brokergw.model.account import Environment
from brokergw.model.errors import Throttled
from brokergw.model.outcome import Accepted
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerLink, Credentials, Pace
from brokergw.sim.dialects.alpaca import DEFAULT_KEY, DEFAULT_SECRET, AlpacaOptions, serve_alpaca
from brokergw.sim.server import SimServer
from tests.fixtures.permits import permit

BUDGET = 100
ORDERS = 8


@pytest.fixture
async def broker() -> AsyncIterator[SimServer]:
    """Give a simulator that refuses with 429 whatever exceeds its budget."""
    async with await serve_alpaca("127.0.0.1", 0, AlpacaOptions(rate_limit_per_minute=BUDGET)) as server:
        yield server


def connect(server: SimServer, pace: Pace) -> AlpacaConnection:
    """Open a connection as a process of its own does."""
    link = BrokerLink(
        connection_id="con_1",
        account_id="acc_1",
        environment=Environment.PAPER,
        credentials=Credentials(key=DEFAULT_KEY, secret=DEFAULT_SECRET),
        pace=lambda: pace,
    )
    return AlpacaBroker(SystemClock(), AlpacaConfig.at(server.url)).open(link)


async def resting(connection: AlpacaConnection) -> list[str]:
    """Place orders that rest, and give the broker's ids of them."""
    terms = OrderTerms(
        symbol="AAPL",
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(1),
        limit_price=Decimal(1),
    )
    ids = []
    for number in range(ORDERS):
        outcome = await connection.submit_order(permit(f"resting-{number}"), terms)
        assert isinstance(outcome, Accepted)
        assert outcome.order is not None
        ids.append(outcome.order.broker_order_id)
    return ids


async def storm(connection: AlpacaConnection) -> int:
    """Ask for the account until nothing is let out any more, and tell how often it was."""
    asked = 0
    while asked < 10 * BUDGET:
        try:
            await connection.get_account()
        except Throttled:
            return asked
        asked += 1
    raise AssertionError("nothing ever held the storm back")


def refused(server: SimServer) -> int:
    """Count the requests that the broker refused for their number."""
    return sum(entry.status == 429 for entry in server.journal)


@pytest.mark.parametrize("processes", [1, 3])
async def test_cancels_go_through_a_storm(broker: SimServer, processes: int) -> None:
    """T2: however many processes spend a budget, every resting order is cancelled, and nothing is refused with 429."""
    connections = [connect(broker, Pace(processes=processes)) for _ in range(processes)]
    ids = await resting(connections[0])
    asked = await asyncio.gather(*(storm(connection) for connection in connections for _ in range(4)))
    assert 0 < sum(asked) <= BUDGET
    outcomes = await asyncio.gather(
        *(connections[number % processes].cancel_order(each) for number, each in enumerate(ids))
    )
    assert [type(outcome) for outcome in outcomes] == [Accepted] * ORDERS
    assert refused(broker) == 0
    assert [entry.status for entry in broker.journal.select(method="DELETE")] == [204] * ORDERS
    for connection in connections:
        await connection.disconnect()


async def test_the_platforms_pace_binds_at_once(broker: SimServer) -> None:
    """Of a lowered pace ordinary requests get what is not the cancels' share."""
    connection = connect(broker, Pace(requests_per_minute=20))
    assert await storm(connection) == 16
    await connection.disconnect()


async def test_the_platforms_addresses_are_the_ones_asked(broker: SimServer) -> None:
    """A connection goes where the platform says, for trading and data, whatever the adapter's own addresses are."""
    nowhere = AlpacaConfig.at("http://127.0.0.1:1")
    link = BrokerLink(
        connection_id="con_1",
        account_id="acc_1",
        environment=Environment.PAPER,
        credentials=Credentials(key=DEFAULT_KEY, secret=DEFAULT_SECRET),
        trading_url=broker.url,
        data_url=broker.url,
    )
    connection = AlpacaBroker(SystemClock(), nowhere).open(link)
    assert (await connection.get_account()).buying_power > 0
    assert await connection.get_quotes(["AAPL"])
    assert nowhere.for_link(link).stream_url(Environment.PAPER) == broker.url.replace("http", "ws") + "/stream"
    await connection.disconnect()
