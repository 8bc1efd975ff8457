"""Server reflection, so that grpcurl and its like need no files: v1, and v1alpha for older tools.

The two versions have the same messages under two package names. The v1 descriptors are made from the v1alpha file
that grpcio-reflection ships, so that a tool can ask about v1 itself too.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError, Message
from grpc_reflection.v1alpha import reflection, reflection_pb2

from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.rpc.call import Call
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire.found import Found

REFLECTION_SERVICES: Final = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
QUESTIONS_MAX: Final = 1_000
"""A stream is paid for once, however many questions it asks."""

QUESTION_BYTES_MAX: Final = 4_096
_FILE: Final = "grpc/reflection/v1/reflection.proto"


def _as_is(request: Message, _: Found) -> Message:
    return request


REFLECTION_POLICIES: Final = tuple(
    MethodPolicy(
        method=f"/{service}/ServerReflectionInfo",
        request=reflection_pb2.ServerReflectionRequest,
        decode=_as_is,
        budget=Budget.READS,
        streams=True,
    )
    for service in REFLECTION_SERVICES
)
"""Reflection asks for a key like any other call, but for no scope."""


class Reflection:
    """Tells which services and messages there are."""

    def __init__(self, services: Iterable[str]) -> None:
        _register_v1()
        self._servicer = reflection.aio.ReflectionServicer(services)

    async def server_reflection_info(self, call: Call) -> None:
        """Answer each question of the stream."""
        assert call.requests is not None
        answers: AsyncIterator[Message] = self._servicer.ServerReflectionInfo(_questions(call.requests), None)  # type: ignore[assignment]
        async for answer in answers:
            await call.context.write(answer.SerializeToString())


async def _questions(bodies: AsyncIterator[bytes]) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    asked = 0
    async for body in bodies:
        asked += 1
        if asked > QUESTIONS_MAX:
            raise Throttled(Reason.RATE_LIMITED, "questions of one stream", 0.0)
        if len(body) > QUESTION_BYTES_MAX:
            raise GatewayError(Reason.REQUEST_TOO_LARGE, f"the question has more than {QUESTION_BYTES_MAX} bytes")
        try:
            yield reflection_pb2.ServerReflectionRequest.FromString(body)
        except DecodeError:
            raise GatewayError(Reason.REQUEST_UNDECODABLE, "the bytes are no ServerReflectionRequest") from None


def _register_v1() -> None:
    pool = descriptor_pool.Default()
    try:
        pool.FindFileByName(_FILE)
    except KeyError:
        pool.AddSerializedFile(_renamed().SerializeToString())


def _renamed() -> descriptor_pb2.FileDescriptorProto:
    alpha = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(alpha)
    text = alpha.SerializeToString()
    renamed = descriptor_pb2.FileDescriptorProto.FromString(text)
    renamed.name, renamed.package = _FILE, "grpc.reflection.v1"
    for message in renamed.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = _v1(field.type_name)
    for method in renamed.service[0].method:
        method.input_type, method.output_type = _v1(method.input_type), _v1(method.output_type)
    return renamed


def _v1(name: str) -> str:
    return name.replace(".grpc.reflection.v1alpha.", ".grpc.reflection.v1.")
