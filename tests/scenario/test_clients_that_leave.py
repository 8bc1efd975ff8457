import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import pytest
from brokerapi.v1 import orders_pb2

from tests.fixtures.bare_client import BareClient, ClientOpener, market_buy
from tests.fixtures.gateway_at_sim import GatewayAtSim
from tests.fixtures.patience import until
from tests.scenario.broker_record import placed

BROKER_S = 4
LEAVE_S = 2
"""Long enough for the record to have the order by then, and too short for the broker's answer."""

Request: TypeAlias = orders_pb2.SubmitOrderRequest
Recorded: TypeAlias = Callable[[], Awaitable[None]]


async def by_deadline(client: BareClient, request: Request, recorded: Recorded) -> None:
    """Leave because the deadline has passed."""
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await client.submit(request, timeout_s=LEAVE_S)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def by_cancel(client: BareClient, request: Request, recorded: Recorded) -> None:
    """Leave by cancelling the call."""
    call = asyncio.ensure_future(client.submit(request))
    await recorded()
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def by_closing(client: BareClient, request: Request, recorded: Recorded) -> None:
    """Leave by closing the whole connection."""
    call = asyncio.ensure_future(client.submit(request))
    await recorded()
    await client.channel.close(grace=None)
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("leave", [by_deadline, by_cancel, by_closing])
async def test_a_client_that_leaves_in_mid_call_leaves_exactly_one_order(
    gateway_at_sim: GatewayAtSim,
    open_client: ClientOpener,
    leave: Callable[[BareClient, Request, Recorded], Awaitable[None]],
) -> None:
    """The send goes on without the caller; the order is recorded with what the broker made of it, under its key."""
    sim, account = gateway_at_sim.sim, gateway_at_sim.account
    leaver, stayer = (open_client(gateway_at_sim.gateway, gateway_at_sim.api_key) for _ in range(2))
    request = market_buy(account, client_order_id=f"left-{leave.__name__}")
    sim.control("POST", "faults", {"name": "latency", "method": "POST", "path": "/v2/orders", "seconds": BROKER_S})

    async def found() -> orders_pb2.Order:
        wanted = orders_pb2.GetOrderRequest(account_id=account, client_order_id=request.client_order_id)
        return (await stayer.orders.GetOrder(wanted, metadata=stayer.identity, timeout=10)).order

    async def state() -> orders_pb2.OrderState.ValueType:
        try:
            return (await found()).state
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return orders_pb2.ORDER_STATE_UNSPECIFIED

    async def recorded() -> None:
        await until(state, lambda seen: seen == orders_pb2.ORDER_STATE_SUBMITTED)

    await leave(leaver, request, recorded)
    assert len(placed(sim)) == 0
    assert await state() == orders_pb2.ORDER_STATE_SUBMITTED
    order = await until(found, lambda order: order.state == orders_pb2.ORDER_STATE_FILLED)
    assert order.idempotency_key == request.idempotency_key

    replay = await stayer.submit(request)
    assert replay.replayed
    assert replay.order.order_id == order.order_id
    sent = placed(sim)
    assert len(sent) == 1
    assert sent[0]["answer"]["id"] == order.broker_order_ids[0]
