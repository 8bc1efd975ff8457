"""A market that is shut, told by the broker's own clock, over the whole gateway."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from brokerapi.v1 import orders_pb2, trading_pb2

from tests.fixtures.bare_client import BareClient, error_info
from tests.fixtures.gateway_process import GatewayProcess, settings_for_sim
from tests.fixtures.sim import SimHandle, sim_in_process


@pytest.fixture
def shut_sim() -> Iterator[SimHandle]:
    """A simulator whose market is held shut before anybody asks."""
    with sim_in_process() as sim:
        sim.control("POST", "market", {"mode": "shut"})
        yield sim


def request(account: str, **terms: object) -> orders_pb2.SubmitOrderRequest:
    chosen: dict[str, object] = {
        "symbol": "AAPL",
        "side": trading_pb2.SIDE_BUY,
        "type": trading_pb2.ORDER_TYPE_LIMIT,
        "time_in_force": trading_pb2.TIME_IN_FORCE_DAY,
        "quantity": "1",
        "limit_price": "230",
        **terms,
    }
    order = orders_pb2.OrderSpec(**chosen)  # type: ignore[arg-type]
    return orders_pb2.SubmitOrderRequest(idempotency_key=str(uuid.uuid4()), account_id=account, order=order)


async def test_a_shut_market_refuses_what_cannot_wait_and_queues_the_rest(shut_sim: SimHandle, tmp_path: Path) -> None:
    """Not one refused order reaches the broker; one for the day does, and waits there."""
    gateway = GatewayProcess(tmp_path, settings_for_sim(shut_sim))
    gateway.start()
    try:
        async with BareClient(gateway.target, gateway.api_key()) as client:
            account = await client.connect_alpaca(shut_sim)
            for refused, reason in (
                (request(account, time_in_force=trading_pb2.TIME_IN_FORCE_IOC), "MARKET_CLOSED"),
                (
                    request(account, time_in_force=trading_pb2.TIME_IN_FORCE_IOC, extended_hours=True),
                    "SESSION_NOT_ALLOWED",
                ),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await client.submit(refused)
                assert error_info(caught.value).reason == reason
            assert shut_sim.journal(method="POST", path="/v2/orders") == []
            answer = await client.submit(request(account))
            assert answer.order.order_id
            assert len(shut_sim.journal(method="POST", path="/v2/orders")) == 1
    finally:
        gateway.stop()
