"""From a method's full name to its handler, through one dictionary made at start-up."""

import re
import traceback
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final, TypeAlias

import grpc
import structlog
from google.protobuf.empty_pb2 import Empty
from grpc import aio

from brokergw.model.errors import GatewayError, Reason
from brokergw.rpc.call import Call, Handler, Interceptor, ServerContext
from brokergw.rpc.chain import compose
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.reflection import REFLECTION_SERVICES

MethodHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_log = structlog.get_logger("brokergw.rpc")

_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_UNKNOWN: Final = MethodPolicy(method="/unknown/Unknown", request=Empty, decode=lambda message, _: message, public=True)


class Routes(grpc.GenericRpcHandler):
    """The one handler that gRPC asks for a method. Bytes go in and out of it: the chain decodes them itself."""

    def __init__(
        self, interceptors: list[Interceptor], policies: Iterable[MethodPolicy], rooms: Mapping[str, object]
    ) -> None:
        self._interceptors = interceptors
        self._handlers = {policy.method: self._route(policy, rooms[policy.service]) for policy in policies}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> MethodHandler:
        """Give the handler of a method; one that refuses for a method that does not exist."""
        handler = self._handlers.get(handler_call_details.method)
        return handler if handler is not None else self._unknown()

    @property
    def methods(self) -> list[str]:
        """The full names of what is served."""
        return list(self._handlers)

    def _route(self, policy: MethodPolicy, room: object) -> MethodHandler:
        endpoint: Handler = getattr(room, python_name(policy.name))
        handler = compose(self._interceptors, policy, endpoint)
        if policy.service in REFLECTION_SERVICES:
            return _both_ways(policy, handler)
        return _streaming(policy, handler) if policy.streams else _unary(policy, handler)

    def _unknown(self) -> MethodHandler:
        async def refuse(_: Call) -> bytes | None:
            raise GatewayError(Reason.METHOD_NOT_FOUND, "there is no such method")

        # What follows after telemetry asks for a credential or reads the request, and here there is nothing to read.
        return _both_ways(_UNKNOWN, compose(self._interceptors[:3], _UNKNOWN, refuse))


def python_name(rpc: str) -> str:
    """Give the name of the Python method that serves an RPC: `SubmitOrder` is `submit_order`."""
    return _CAMEL.sub("_", rpc).lower()


def _unary(policy: MethodPolicy, handler: Handler) -> MethodHandler:
    async def serve(body: bytes, context: ServerContext) -> bytes | None:
        try:
            return await handler(Call(policy, body, context))
        except aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - gRPC would show its class and text to the client
            await _last_word(policy, context, error)
            return None

    return grpc.unary_unary_rpc_method_handler(serve)


def _streaming(policy: MethodPolicy, handler: Handler) -> MethodHandler:
    async def serve(body: bytes, context: ServerContext) -> None:
        try:
            await handler(Call(policy, body, context))
        except aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - gRPC would show its class and text to the client
            await _last_word(policy, context, error)

    return grpc.unary_stream_rpc_method_handler(serve)


def _both_ways(policy: MethodPolicy, handler: Handler) -> MethodHandler:
    async def serve(requests: AsyncIterator[bytes], context: ServerContext) -> None:
        call = Call(policy, b"", context)
        call.requests = requests
        try:
            await handler(call)
        except aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - gRPC would show its class and text to the client
            await _last_word(policy, context, error)

    return grpc.stream_stream_rpc_method_handler(serve)


async def _last_word(policy: MethodPolicy, context: ServerContext, error: Exception) -> None:
    """End a call that failed outside of the step that makes statuses; always raises."""
    lines = "".join(traceback.format_exception(error))
    _log.error("call failed outside of the chain", method=policy.method, traceback=lines)
    await context.abort(grpc.StatusCode.INTERNAL, "the gateway failed", ())
