"""What one process alone would not notice: guards that hold over three processes together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from brokergw.client import Client, GatewayCallError
from tests.fixtures.replica_processes import ReplicasAtSim

REPLICA_SETTINGS: Final = {"BROKERGW_DUPLICATE_WINDOW_S": "2"}


@pytest.fixture
async def clients(replicas_at_sim: ReplicasAtSim) -> AsyncIterator[tuple[Client, ...]]:
    """Give a client of each process."""
    async with AsyncExitStack() as stack:
        yield tuple(
            [
                await stack.enter_async_context(Client(gateway.target, replicas_at_sim.api_key))
                for gateway in replicas_at_sim.gateways
            ]
        )


async def attempt(client: Client, account: str, price: str, strategy_id: str = "") -> str:
    """Place an order under a key of its own, and give the reason why not; empty when it was taken."""
    terms: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "quantity": "1", "type": "LIMIT", "time_in_force": "GTC"}
    try:
        await client.submit(account, strategy_id=strategy_id, limit_price=price, **terms)
    except GatewayCallError as refusal:
        return refusal.reason
    return ""


async def test_the_same_order_at_three_processes_at_once_goes_once(
    replicas_at_sim: ReplicasAtSim, clients: tuple[Client, ...]
) -> None:
    """D13. A strategy that sends an order to every process, each under a key of its own, gets it placed once."""
    account, sim = replicas_at_sim.account, replicas_at_sim.sim
    for number in range(5):
        price = str(90 + number)
        answers = await asyncio.gather(*(attempt(client, account, price) for client in clients))
        assert sorted(answers) == ["", "DUPLICATIVE_ORDER", "DUPLICATIVE_ORDER"]
        assert len(sim.journal(method="POST", path="/v2/orders")) == number + 1
