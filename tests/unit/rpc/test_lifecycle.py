"""Drain, keepalive, and what a stopped server leaves behind."""

import asyncio
from typing import Any

import grpc
import pytest
from brokerapi.v1 import fills_pb2
from brokerapi.v1 import orders_pb2 as pb
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from brokergw.rpc.server import options_of
from brokergw.rpc.settings import KeepaliveSettings, RpcSettings
from tests.fixtures.edge import KEY, UUID, Edge, MakeEdge, Reading, a_submit, refusal_of, refused


async def _submit(edge: Edge, key: str = UUID) -> pb.SubmitOrderResponse:
    return await edge.orders.SubmitOrder(a_submit(idempotency_key=key), metadata=KEY)


async def test_a_drain_fails_no_admitted_call(edge: Edge) -> None:
    """Health turns, new mutations are refused, streams end with a cursor, and the call in flight is answered."""
    edge.desk.hold = asyncio.Event()
    health: Any = health_pb2_grpc.HealthStub(edge.channel)
    watch = Reading(health.Watch(health_pb2.HealthCheckRequest()))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    stream = Reading(edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(), metadata=KEY))
    await stream.read()
    admitted = asyncio.ensure_future(_submit(edge))
    while not any(verb == "submit" for verb, _, _ in edge.desk.seen):
        await asyncio.sleep(0.01)
    drained = asyncio.ensure_future(edge.server.drain(20))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert (await stream.read()).terminating.resume_cursor
    with pytest.raises(aio.AioRpcError) as ended:
        await stream.read()
    assert refusal_of(ended.value).trailing["x-last-cursor"]
    refusal = await refused(_submit(edge, UUID[:-1] + "b"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
    assert (refusal.effect, refusal.metadata["retry"]) == ("NONE", "SAME_KEY")
    assert not drained.done()
    edge.desk.hold.set()
    assert (await admitted).order.order_id
    async with asyncio.timeout(5):
        await drained


async def test_a_drain_does_not_wait_longer_than_its_grace(edge: Edge) -> None:
    """A call that does not end is cut when the grace is over."""
    edge.desk.hold = asyncio.Event()
    stuck = asyncio.ensure_future(_submit(edge))
    while not any(verb == "submit" for verb, _, _ in edge.desk.seen):
        await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        await edge.server.drain(0.4)
    with pytest.raises(aio.AioRpcError) as cut:
        await stuck
    assert cut.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def test_an_idle_server_drains_at_once(edge: Edge) -> None:
    """With nothing in flight the grace is not waited out."""
    async with asyncio.timeout(3):
        await edge.server.drain(60)
        await edge.server.wait()


async def _pinged(edge: Edge, seconds: float) -> grpc.StatusCode | None:
    """Ping each second (gRPC's own minimum) over an idle stream; gives the code that ended it, None if none did."""
    options = (
        ("grpc.keepalive_time_ms", 1_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    )
    channel = aio.insecure_channel(f"127.0.0.1:{edge.port}", options=options)
    edge.spare.append(channel)
    health: Any = health_pb2_grpc.HealthStub(channel)
    watch = Reading(health.Watch(health_pb2.HealthCheckRequest()))
    await watch.read()
    try:
        async with asyncio.timeout(seconds):
            await watch.read()
    except aio.AioRpcError as error:
        return error.code()
    except TimeoutError:
        watch.cancel()
    return None


async def test_the_keepalive_policy_is_the_published_one(make_edge: MakeEdge) -> None:
    """A client that pings faster than allowed is sent away; one that keeps to the policy stays."""
    strict = await make_edge()
    lenient = await make_edge(keepalive=KeepaliveSettings(ping_interval_min_s=0.5))
    endings = await asyncio.gather(_pinged(strict, 8), _pinged(lenient, 4))
    assert list(endings) == [grpc.StatusCode.UNAVAILABLE, None]


def test_the_options_follow_the_settings() -> None:
    """Sizes, keepalive and connection age go to gRPC as they are set; the age is off by default."""
    options = dict(options_of(RpcSettings()))
    assert options["grpc.max_receive_message_length"] == 1_048_576
    assert options["grpc.keepalive_time_ms"] == 30_000
    assert "grpc.max_connection_age_ms" not in options
    aged = dict(options_of(RpcSettings(connection_age_max_s=600, connection_age_grace_s=5)))
    assert (aged["grpc.max_connection_age_ms"], aged["grpc.max_connection_age_grace_ms"]) == (600_000, 5_000)
