"""Health and reflection, as their own clients see them."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc import aio
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from brokergw.rpc import reflection
from brokergw.rpc.methods import SERVICES
from tests.fixtures.edge import KEY, Edge, MakeEdge, Reading, refusal_of, refused

SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING
UNKNOWN = pb.HealthCheckResponse.SERVICE_UNKNOWN


async def test_health_needs_no_key_and_knows_every_service(edge: Edge) -> None:
    """Check answers for the whole server and for each service, without a credential."""
    health: Any = health_pb2_grpc.HealthStub(edge.channel)
    for name in ("", *SERVICES):
        assert (await health.Check(pb.HealthCheckRequest(service=name))).status == SERVING
    refusal = await refused(health.Check(pb.HealthCheckRequest(service="nobody")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "SERVICE_NOT_FOUND")


async def test_health_lists_everything(edge: Edge) -> None:
    """List, which the stock servicer lacks, gives services and brokers alike."""
    edge.server.health.set_broker("alpaca", serving=False)
    answer = await health_pb2_grpc.HealthStub(edge.channel).List(pb.HealthListRequest())  # type: ignore[attr-defined]
    statuses = {name: status.status for name, status in answer.statuses.items()}
    assert statuses[""] == SERVING
    assert statuses["broker/alpaca"] == NOT_SERVING
    assert set(SERVICES) < set(statuses)


async def test_a_dead_broker_leaves_the_server_in_rotation(edge: Edge) -> None:
    """Broker health is shown apart: the server itself stays SERVING."""
    health: Any = health_pb2_grpc.HealthStub(edge.channel)
    edge.server.health.set_broker("alpaca", serving=False)
    assert (await health.Check(pb.HealthCheckRequest(service="broker/alpaca"))).status == NOT_SERVING
    assert (await health.Check(pb.HealthCheckRequest())).status == SERVING


async def test_readiness_comes_and_goes_until_a_drain(edge: Edge) -> None:
    """A server that cannot serve for a while shows it; once it drains nothing makes it ready again."""
    health: Any = health_pb2_grpc.HealthStub(edge.channel)
    edge.server.health.set_ready(ready=False)
    assert (await health.Check(pb.HealthCheckRequest(service=SERVICES[0]))).status == NOT_SERVING
    edge.server.health.enter_service()
    assert (await health.Check(pb.HealthCheckRequest())).status == SERVING
    edge.server.health.enter_drain()
    edge.server.health.enter_service()
    assert (await health.Check(pb.HealthCheckRequest())).status == NOT_SERVING


async def test_a_watch_tells_every_change_and_stays_open_for_the_unknown(edge: Edge) -> None:
    """Watch tells the present status at once, then each change; an unknown name is SERVICE_UNKNOWN until known."""
    health: Any = health_pb2_grpc.HealthStub(edge.channel)
    watch = Reading(health.Watch(pb.HealthCheckRequest(service="broker/alpaca")))
    assert (await watch.read()).status == UNKNOWN
    edge.server.health.set_broker("alpaca", serving=True)
    assert (await watch.read()).status == SERVING
    edge.server.health.set_broker("alpaca", serving=False)
    assert (await watch.read()).status == NOT_SERVING
    watch.cancel()


async def test_a_watch_follows_a_drain_to_its_end(edge: Edge) -> None:
    """A drain shows NOT_SERVING, then ends the watch, so that it does not hold the server back."""
    health: Any = health_pb2_grpc.HealthStub(edge.channel)
    watch = Reading(health.Watch(pb.HealthCheckRequest()))
    assert (await watch.read()).status == SERVING
    started = asyncio.get_running_loop().time()
    await edge.server.drain(20)
    assert asyncio.get_running_loop().time() - started < 5
    assert (await watch.read()).status == NOT_SERVING
    with pytest.raises(aio.AioRpcError) as caught:
        await watch.read()
    assert refusal_of(caught.value).reason == "SERVER_DRAINING"


def _ask(edge: Edge, version: str) -> aio.StreamStreamCall[bytes, bytes]:
    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    call: aio.StreamStreamCall[bytes, bytes] = edge.channel.stream_stream(method)(metadata=KEY)
    return call


async def _answer(
    call: aio.StreamStreamCall[bytes, bytes], question: reflection_pb2.ServerReflectionRequest
) -> reflection_pb2.ServerReflectionResponse:
    await call.write(question.SerializeToString())
    body = await call.read()
    assert isinstance(body, bytes)
    return reflection_pb2.ServerReflectionResponse.FromString(body)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_and_describes(edge: Edge, version: str) -> None:
    """Both versions list the contract's services and give the files of a symbol, their own included."""
    call = _ask(edge, version)
    listed = await _answer(call, reflection_pb2.ServerReflectionRequest(list_services="*"))
    names = {service.name for service in listed.list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= names
    for symbol, file in (
        ("brokerapi.v1.OrderService", "brokerapi/v1/orders.proto"),
        ("grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto"),
        ("grpc.reflection.v1.ServerReflectionRequest", "grpc/reflection/v1/reflection.proto"),
    ):
        told = await _answer(call, reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(body)
            for body in told.file_descriptor_response.file_descriptor_proto
        ]
        assert file in [f.name for f in files]
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK


async def test_reflection_asks_for_a_key(edge: Edge) -> None:
    """What the server offers is told to callers with a key only."""
    channel: Any = edge.channel
    call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")()
    await call.done_writing()
    refusal = await refused(call.read())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")


async def test_reflection_refuses_garbage(edge: Edge) -> None:
    """Bytes that are no question end the stream with a reason."""
    call = _ask(edge, "v1")
    await call.write(b"\xff\xff")
    assert (await refused(call.read())).reason == "REQUEST_UNDECODABLE"


async def test_reflection_can_be_switched_off(make_edge: MakeEdge) -> None:
    """Switched off, reflection is a method that does not exist."""
    edge = await make_edge(reflection=False)
    call = _ask(edge, "v1")
    await call.done_writing()
    assert (await refused(call.read())).reason == "METHOD_NOT_FOUND"


async def test_a_stream_of_reflection_takes_so_many_questions(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to its limit a stream's questions are answered; the next ends it, as each stream is paid for once only."""
    monkeypatch.setattr(reflection, "QUESTIONS_MAX", 3)
    channel: Any = edge.channel
    call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")(metadata=KEY)
    question = reflection_pb2.ServerReflectionRequest(list_services="*")
    for _ in range(3):
        await _answer(call, question)
    await call.write(question.SerializeToString())
    refusal = await refused(call.read())
    assert (refusal.reason, refusal.metadata["subject"]) == ("RATE_LIMITED", "questions of one stream")


async def test_a_question_of_reflection_is_only_so_long(edge: Edge) -> None:
    """Below and at its limit a question is answered, if only by a not found; above it is REQUEST_TOO_LARGE."""
    channel: Any = edge.channel
    for size, refused_as in ((4_095, ""), (4_096, ""), (4_097, "REQUEST_TOO_LARGE")):
        call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")(metadata=KEY)
        question = reflection_pb2.ServerReflectionRequest(file_by_filename="x" * (size - 3))
        assert question.ByteSize() == size
        if refused_as:
            await call.write(question.SerializeToString())
            assert (await refused(call.read())).reason == refused_as
        else:
            assert (await _answer(call, question)).HasField("error_response")
            call.cancel()
