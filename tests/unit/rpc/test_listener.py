"""The listener that no request can end, and what it falls back to."""

from typing import Any

import grpc
import pytest
from brokerapi.v1 import orders_pb2
from structlog.testing import capture_logs

from brokergw.rpc import listener
from tests.fixtures.edge import KEY, MakeEdge
from tests.fixtures.raw_http2 import RawHttp2

GET = orders_pb2.GetOrderRequest(order_id="ord_1")
NO_TEXT = b"/\xff\xfe/\xc3\x28"


def test_the_locked_version_was_tried() -> None:
    """Whoever locks another grpcio tries it with the tests first."""
    version: Any = grpc.__version__
    assert version.startswith(listener.TRIED_WITH)


async def test_a_path_that_is_no_text_ends_only_its_call(make_edge: MakeEdge) -> None:
    """However often it comes, on however many connections, everybody else is served, then and after."""
    edge = await make_edge()
    for _ in range(3):
        async with RawHttp2.open(edge.port) as odd:
            for number in range(5):
                odd.call(2 * number + 1, "", b"", headers=[(":path", NO_TEXT)])
            await odd.end_of(9)
            await edge.orders.GetOrder(GET, metadata=KEY)
    await edge.orders.GetOrder(GET, metadata=KEY)


async def test_a_version_that_was_not_tried_serves_as_it_always_did(
    make_edge: MakeEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, since there such a path ends the server."""
    monkeypatch.setattr(listener, "TRIED_WITH", "0.")
    with capture_logs() as logs:
        edge = await make_edge()
    assert [line["version"] for line in logs if "was not tried" in line["event"]] == [grpc.__version__]
    await edge.orders.GetOrder(GET, metadata=KEY)
