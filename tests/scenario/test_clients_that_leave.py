import asyncio
from collections.abc import Awaitable, Callable

import grpc
import pytest
from brokerapi.v1 import orders_pb2

from tests.fixtures.bare_client import BareClient, ClientOpener, market_buy
from tests.fixtures.gateway_process import GatewayStarter
from tests.fixtures.sim import SimHandle
from tests.scenario.broker_record import placed
from tests.scenario.patience import until

BROKER_S = 2
LEAVE_S = 0.5

Departure = Callable[[BareClient, orders_pb2.SubmitOrderRequest], Awaitable[None]]


async def by_deadline(client: BareClient, request: orders_pb2.SubmitOrderRequest) -> None:
    """Leave because the deadline has passed."""
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await client.submit(request, timeout_s=LEAVE_S)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def by_cancel(client: BareClient, request: orders_pb2.SubmitOrderRequest) -> None:
    """Leave by cancelling the call."""
    call = client.orders.SubmitOrder(request, metadata=client.identity)
    await asyncio.sleep(LEAVE_S)
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def by_closing(client: BareClient, request: orders_pb2.SubmitOrderRequest) -> None:
    """Leave by closing the whole connection."""
    call = client.orders.SubmitOrder(request, metadata=client.identity)
    await asyncio.sleep(LEAVE_S)
    await client.channel.close(grace=None)
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("leave", [by_deadline, by_cancel, by_closing])
async def test_a_client_that_leaves_in_mid_call_leaves_exactly_one_order(
    start_gateway_at_sim: GatewayStarter, broker_sim: SimHandle, open_client: ClientOpener, leave: Departure
) -> None:
    """The send goes on without the caller; the order is recorded with what the broker made of it, under its key."""
    gateway = start_gateway_at_sim()
    key = gateway.api_key()
    leaver, stayer = open_client(gateway, key), open_client(gateway, key)
    account = await leaver.connect_alpaca(broker_sim)
    request = market_buy(account, client_order_id="left-in-mid-call")
    broker_sim.control(
        "POST", "faults", {"name": "latency", "method": "POST", "path": "/v2/orders", "seconds": BROKER_S}
    )

    await leave(leaver, request)
    assert len(placed(broker_sim)) == 0

    async def found() -> orders_pb2.Order:
        wanted = orders_pb2.GetOrderRequest(account_id=account, client_order_id="left-in-mid-call")
        return (await stayer.orders.GetOrder(wanted, metadata=stayer.identity, timeout=10)).order

    assert (await found()).state == orders_pb2.ORDER_STATE_SUBMITTED
    order = await until(found, lambda order: order.state == orders_pb2.ORDER_STATE_FILLED)
    assert order.idempotency_key == request.idempotency_key

    replay = await stayer.submit(request)
    assert replay.replayed
    assert replay.order.order_id == order.order_id
    sent = placed(broker_sim)
    assert len(sent) == 1
    assert sent[0]["answer"]["id"] == order.broker_order_ids[0]
