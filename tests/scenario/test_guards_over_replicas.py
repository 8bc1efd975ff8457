"""What one process alone would not notice: guards that hold over three processes together."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final

import grpc
import pytest
from brokerapi.v1 import halts_pb2, risk_pb2_grpc

from brokergw.client import Client, GatewayCallError
from brokergw.desk.halts.storms import REFUSALS_MAX
from tests.fixtures.bare_client import CALL_S, BareClient, ClientOpener, error_info, market_buy
from tests.fixtures.patience import until
from tests.fixtures.replica_processes import ReplicasAtSim

REFUSAL: Final = json.dumps({"code": 40310000, "message": "account is restricted to liquidation"})
SEEN_WITHIN_S: Final = 1.0
"""How long nothing must come of refusals that are too few: far longer than the halt takes once they are enough."""

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


async def place(client: BareClient, account: str, strategy_id: str) -> str:
    """Place an order that nothing at the gateway objects to, and give the reason why not."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await client.answer(market_buy(account, strategy_id=strategy_id, allow_duplicate=True))
    reason: str = error_info(refused.value).reason
    return reason


async def standing(client: BareClient, account: str, strategy_id: str) -> list[halts_pb2.HaltCause.ValueType]:
    """Give the causes of the halts that concern an account and a strategy, as one process knows them."""
    request = halts_pb2.GetTradingStateRequest(account_id=account, strategy_id=strategy_id)
    stub = risk_pb2_grpc.RiskServiceStub(client.channel)
    answer = await stub.GetTradingState(request, metadata=client.identity, timeout=CALL_S)
    return [halt.cause for halt in answer.halts]


async def halted_everywhere(clients: Sequence[BareClient], account: str, strategy_id: str) -> None:
    """Wait until every process knows of the storm."""
    for client in clients:
        look = partial(standing, client, account, strategy_id)
        await until(look, lambda causes: causes == [halts_pb2.HALT_CAUSE_REJECT_STORM])


@pytest.mark.parametrize(
    ("user", "strategy_id"),
    [("bob", "looping"), ("carol", "")],
    ids=["of a strategy", "of a user at a broker"],
)
async def test_refusals_are_counted_over_all_processes(
    replicas_at_sim: ReplicasAtSim, open_client: ClientOpener, user: str, strategy_id: str
) -> None:
    """R4. Each process hears of a few refusals only: nine of all together halt nothing, the tenth halts everywhere.

    After that nothing reaches the broker, and what did not loop goes on.
    """
    sim, gateways = replicas_at_sim.sim, replicas_at_sim.gateways
    key = gateways[0].api_key(user)
    clients = [open_client(gateway, key) for gateway in gateways]
    account = await clients[0].connect_alpaca(sim)
    always = {"method": "POST", "path": "/v2/orders", "count": None, "status": 403, "answer": REFUSAL}
    sim.control("POST", "faults", {"name": "error_before", **always})

    for number in range(REFUSALS_MAX - 1):
        assert await place(clients[number % len(clients)], account, strategy_id) == "BROKER_REJECTED"
    ends = asyncio.get_running_loop().time() + SEEN_WITHIN_S
    while asyncio.get_running_loop().time() < ends:
        assert [await standing(client, account, strategy_id) for client in clients] == [[]] * len(clients)
    assert await place(clients[-1], account, strategy_id) == "BROKER_REJECTED"

    await halted_everywhere(clients, account, strategy_id)
    assert {await place(client, account, strategy_id) for client in clients} == {"STRATEGY_DISABLED"}
    assert len(sim.journal(method="POST", path="/v2/orders")) == REFUSALS_MAX
    if strategy_id:
        assert await place(clients[0], account, "another") == "BROKER_REJECTED"
