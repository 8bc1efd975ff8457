"""What fails outside of the step that makes statuses."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from brokerapi.v1 import fills_pb2, orders_pb2
from grpc import aio
from structlog.testing import capture_logs

from brokergw.rpc.interceptors.context import Context
from tests.fixtures.edge import KEY, MakeEdge


async def test_a_fault_outside_the_chain_shows_nothing(make_edge: MakeEdge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no step is there to catch it, unary or streaming, the client learns no class and no text; the log does."""

    def broken(*_: object) -> None:
        raise RuntimeError("s3cret of the outermost step")

    edge = await make_edge()
    monkeypatch.setattr(Context, "_read", broken)
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: edge.orders.GetOrder(orders_pb2.GetOrderRequest(order_id="ord_1"), metadata=KEY),
        lambda: edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(), metadata=KEY).read(),
    ]
    for call in calls:
        with capture_logs() as logs, pytest.raises(aio.AioRpcError) as caught:
            await call()
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INTERNAL, "the gateway failed")
        (told,) = [event for event in logs if event["event"] == "call failed outside of the chain"]
        assert "s3cret" in told["traceback"]
