"""Answers that are not read: counted for a user, or an address, until its calls are over."""

import asyncio
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from brokerapi.v1 import orders_pb2
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from brokergw.model.errors import Reason, Throttled
from brokergw.rpc.interceptors.errors import refuse
from brokergw.rpc.settings import ClientConnectionSettings, RateSettings
from brokergw.rpc.unread import CALL_BYTES, Unread
from tests.fixtures.edge import KEY, UUID, Edge, MakeEdge, refused
from tests.fixtures.edge_samples import ACCOUNT
from tests.fixtures.raw_http2 import END_HEADERS, HEADERS, INITIAL_WINDOW_SIZE, RawHttp2, block, frame, request_headers

GET = orders_pb2.GetOrderRequest(order_id="ord_1")
_GET = "/brokerapi.v1.OrderService/GetOrder"
_CHECK = "/grpc.health.v1.Health/Check"
_SHUT = {INITIAL_WINDOW_SIZE: 0}


def test_what_waits_is_counted_until_it_is_taken() -> None:
    """Below its limit an owner gets more, at and above it none; each answer counts with its call, for its owner."""
    unread = Unread(2 * CALL_BYTES + 10)
    first = unread.put("ann", b"12345")
    second = unread.put("ann", b"1234")
    assert not unread.is_full("ann")
    third = unread.put("bob", b"")
    second(None)
    second = unread.put("ann", b"12345")
    assert unread.is_full("ann")
    assert not unread.is_full("bob")
    for taken in (first, second, third):
        taken(None)
    assert unread._waiting == {}


async def _waiting(edge: Edge, owner: str, answers: int) -> None:
    async with asyncio.timeout(20):
        while edge.server.budgets.unread._waiting.get(owner, 0) // CALL_BYTES != answers:
            await asyncio.sleep(0.01)


async def test_who_leaves_answers_unread_gets_no_more(make_edge: MakeEdge) -> None:
    """A user whose clients leave too much unread is refused everywhere but for what stops trading, till they go."""
    edge = await make_edge(rates=RateSettings(unread_bytes_max=3 * CALL_BYTES))
    async with RawHttp2.open(edge.port, _SHUT) as shut:
        for number in range(2):
            shut.call(2 * number + 1, _GET, GET.SerializeToString(), KEY)
        await _waiting(edge, "ann", 2)
        await edge.orders.GetOrder(GET, metadata=KEY)
        await _waiting(edge, "ann", 2)
        shut.call(5, _GET, GET.SerializeToString(), KEY)
        await _waiting(edge, "ann", 3)
        refusal = await refused(edge.orders.GetOrder(GET, metadata=KEY))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
        assert refusal.metadata["subject"] == "answers that were not read"
        cancel = orders_pb2.CancelAllOrdersRequest(idempotency_key=UUID, account_id=ACCOUNT)
        await edge.orders.CancelAllOrders(cancel, metadata=KEY)
        assert (await refused(edge.orders.GetOrder(GET, metadata=(("x-api-key", "brk_other"),)))).code is (
            grpc.StatusCode.NOT_FOUND
        )
    await _waiting(edge, "ann", 0)
    await edge.orders.GetOrder(GET, metadata=KEY)


async def test_an_answer_that_comes_when_too_much_waits_is_not_kept(make_edge: MakeEdge) -> None:
    """A read that was let in before, and is answered when its user's clients leave too much unread, is refused."""
    edge = await make_edge(rates=RateSettings(unread_bytes_max=CALL_BYTES))
    go_on, get_order = asyncio.Event(), edge.desk.get_order

    async def wait(*asked: Any, **more: Any) -> Any:
        await go_on.wait()
        return await get_order(*asked, **more)

    edge.desk.get_order = wait  # type: ignore[method-assign]
    async with RawHttp2.open(edge.port, _SHUT) as shut:
        for number in range(4):
            shut.call(2 * number + 1, _GET, GET.SerializeToString(), KEY)
        async with asyncio.timeout(20):
            while edge.server.budgets.calls._held.get("ann") != 4:
                await asyncio.sleep(0.01)
        go_on.set()
        await shut.until(lambda _: sum(b"not read" in each.payload for each in shut.frames) == 3)
        await _waiting(edge, "ann", 1)


async def test_who_is_not_known_is_counted_by_address(make_edge: MakeEdge) -> None:
    """Probes of health that are not read are counted for their address."""
    edge = await make_edge(rates=RateSettings(unread_bytes_max=2 * CALL_BYTES))
    stub: Any = health_pb2_grpc.HealthStub(edge.channel)
    async with RawHttp2.open(edge.port, _SHUT) as shut:
        shut.call(1, _CHECK, b"")
        await _waiting(edge, "127.0.0.1", 1)
        await stub.Check(health_pb2.HealthCheckRequest())
        await _waiting(edge, "127.0.0.1", 1)
        shut.call(3, _CHECK, b"")
        await _waiting(edge, "127.0.0.1", 2)
        assert (await refused(stub.Check(health_pb2.HealthCheckRequest()))).reason == "RATE_LIMITED"
    await _waiting(edge, "127.0.0.1", 0)
    await stub.Check(health_pb2.HealthCheckRequest())


async def test_calls_are_counted_from_their_first_header_on(make_edge: MakeEdge) -> None:
    """Up to the total calls are taken, though their requests never come; the next is refused, and free once they go."""
    edge = await make_edge(client_connections=ClientConnectionSettings(calls_max=3))
    stub: Any = health_pb2_grpc.HealthStub(edge.channel)
    async with RawHttp2.open(edge.port) as half:
        for number in range(2):
            half.send(frame(HEADERS, END_HEADERS, 2 * number + 1, block(request_headers(_CHECK))))
        await stub.Check(health_pb2.HealthCheckRequest())
        number = 5
        async with asyncio.timeout(20):
            while True:
                # Again where it came while a probe was answered, and was the one too many itself.
                half.send(frame(HEADERS, END_HEADERS, number, block(request_headers(_CHECK))))
                number += 2
                try:
                    await stub.Check(health_pb2.HealthCheckRequest())
                except aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # noqa: PT017 - it may come late
                    break
    async with asyncio.timeout(20):
        while True:
            try:
                await stub.Check(health_pb2.HealthCheckRequest())
            except aio.AioRpcError:
                continue
            break


async def test_who_leaves_while_it_is_told_why_is_no_fault() -> None:
    """A client that goes before its refusal has been taken has cancelled its call, and that is all."""

    async def gone(*_: Any) -> None:
        raise aio.InternalError

    call: Any = SimpleNamespace(request_id="r", trailing=[], context=SimpleNamespace(abort=gone))
    with pytest.raises(asyncio.CancelledError):
        await refuse(call, Throttled(Reason.RATE_LIMITED, "whatever", 1.0), mutation=False)
