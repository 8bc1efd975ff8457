import asyncio

import grpc
import pytest
from brokerapi.v1 import orders_pb2

from tests.fixtures.bare_client import BareClient, ClientOpener, error_info, market_buy
from tests.fixtures.gateway_at_sim import GatewayAtSim
from tests.scenario.broker_record import placed

CLIENTS = 16
CALLS = 1_000


async def test_one_key_a_thousand_times_from_sixteen_clients_is_one_order(
    gateway_at_sim: GatewayAtSim, open_client: ClientOpener
) -> None:
    """One order reaches the broker, every call gives its id, exactly one of them is not a replay."""
    sim, account = gateway_at_sim.sim, gateway_at_sim.account
    clients = [open_client(gateway_at_sim.gateway, gateway_at_sim.api_key) for _ in range(CLIENTS)]
    request = market_buy(account)

    async def repeat(client: BareClient, times: int) -> list[orders_pb2.SubmitOrderResponse]:
        return list(await asyncio.gather(*(client.submit(request) for _ in range(times))))

    shares = [CALLS // CLIENTS + (number < CALLS % CLIENTS) for number in range(CLIENTS)]
    assert sum(shares) == CALLS
    answered = await asyncio.gather(*(repeat(client, times) for client, times in zip(clients, shares, strict=True)))
    answers = [answer for share in answered for answer in share]

    assert len(answers) == CALLS
    assert len({answer.order.order_id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert len(placed(sim)) == 1

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await clients[1].submit(market_buy(account, quantity="2", idempotency_key=request.idempotency_key))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error_info(refused.value).reason == "IDEMPOTENCY_KEY_REUSED"
    assert error_info(refused.value).metadata["order_id"] == answers[0].order.order_id
    assert len(placed(sim)) == 1
