"""A gateway whose clock is not the broker's, as the broker's answers tell."""

import uuid

import grpc
import pytest
from brokerapi.v1 import orders_pb2, trading_pb2

from tests.fixtures.bare_client import BareClient, error_info, market_buy
from tests.fixtures.gateway_at_sim import GatewayAtSim
from tests.fixtures.patience import BUSY, until
from tests.fixtures.sim import SimHandle
from tests.scenario.broker_record import placed

SKEW = {"name": "skewed_date", "count": None}


def seconds_skewed(sim: SimHandle) -> int:
    """Count the seconds in which the gateway was told the wrong time."""
    told = [entry for entry in sim.journal() if "skewed_date" in entry["faults"]]
    return len({entry["time_ns"] // 1_000_000_000 for entry in told})


async def weigh(client: BareClient, account: str) -> str:
    """Have an order judged and not sent; gives why it would be refused."""
    try:
        await client.submit(market_buy(account, validate_only=True))
    except grpc.aio.AioRpcError as error:
        return str(error_info(error).reason)
    return ""


async def test_a_gateway_three_seconds_from_its_broker_sends_nothing(gateway_at_sim: GatewayAtSim) -> None:
    """At 1.9 s an order is taken; at 3 s it is refused as CLOCK_SKEW and no byte of it leaves, while a cancel does."""
    sim, account = gateway_at_sim.sim, gateway_at_sim.account
    async with BareClient(gateway_at_sim.gateway.target, gateway_at_sim.api_key, BUSY) as client:
        sim.control("POST", "faults", {**SKEW, "seconds": 1.9})

        async def told_often_enough() -> int:
            assert await weigh(client, account) == ""
            return seconds_skewed(sim)

        await until(told_often_enough, lambda seconds: seconds >= 4)
        resting = market_buy(account)
        resting.order.type = trading_pb2.ORDER_TYPE_LIMIT
        resting.order.limit_price = "100"
        taken = await client.answer(resting)
        assert len(placed(sim)) == 1

        sim.control("DELETE", "faults")
        sim.control("POST", "faults", {**SKEW, "seconds": 3})
        await until(lambda: weigh(client, account), lambda refused: refused == "CLOCK_SKEW")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.submit(market_buy(account))
        info = error_info(caught.value)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (info.reason, info.metadata["clock"], info.metadata["retry"]) == ("CLOCK_SKEW", "broker", "SAME_KEY")
        assert 2.0 < float(info.metadata["apart_s"]) <= 3.0
        assert len(placed(sim)) == 1

        cancel = orders_pb2.CancelOrderRequest(order_id=taken.order.order_id, idempotency_key=str(uuid.uuid4()))
        await client.orders.CancelOrder(cancel, metadata=client.identity, timeout=40)
        await until(
            lambda: client.order(taken.order.order_id), lambda order: order.state == orders_pb2.ORDER_STATE_CANCELED
        )
