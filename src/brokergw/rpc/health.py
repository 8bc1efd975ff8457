"""grpc.health.v1: this server's own readiness, and apart from it how each broker fares.

The empty name and each service of the contract follow this server alone: a dead broker must not take the server out
of rotation. Brokers are shown as `broker/<id>`. Check and Watch are as the health protocol has them; List, which the
stock Python servicer lacks, gives all of it.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2 as pb

from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.rpc.call import Call
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.wire.found import Found

SERVICE: Final = "grpc.health.v1.Health"
_Status = pb.HealthCheckResponse.ServingStatus
_Response = pb.HealthCheckResponse
# The stubs are older than the library, and lack both.
_ListRequest: type[Message] = pb.HealthListRequest  # type: ignore[attr-defined]
_ListResponse: Any = pb.HealthListResponse  # type: ignore[attr-defined]


def _as_is(request: Message, _: Found) -> Message:
    return request


HEALTH_POLICIES: Final = (
    MethodPolicy(method=f"/{SERVICE}/Check", request=pb.HealthCheckRequest, decode=_as_is, public=True),
    MethodPolicy(method=f"/{SERVICE}/List", request=_ListRequest, decode=_as_is, public=True),
    MethodPolicy(method=f"/{SERVICE}/Watch", request=pb.HealthCheckRequest, decode=_as_is, public=True, streams=True),
)
"""A prober has no key, so health is public."""


class Health:
    """The health service. A server that drains is NOT_SERVING for good."""

    def __init__(self, services: Iterable[str]) -> None:
        self._own = ("", *services)
        self._statuses: dict[str, int] = dict.fromkeys(self._own, _Response.NOT_SERVING)
        self._changed = asyncio.Event()
        self._draining = False
        self._closed = False

    def enter_service(self) -> None:
        """Show this server as ready."""
        self.set_ready(ready=True)

    def set_ready(self, *, ready: bool) -> None:
        """Show whether this server can serve; changes nothing once it drains."""
        if not self._draining:
            self._set_own(_Response.SERVING if ready else _Response.NOT_SERVING)

    def enter_drain(self) -> None:
        """Show this server as about to leave; nothing turns that back."""
        self._draining = True
        self._set_own(_Response.NOT_SERVING)

    def set_broker(self, broker: str, *, serving: bool) -> None:
        """Show how a broker fares, as `broker/<id>`."""
        status = _Response.SERVING if serving else _Response.NOT_SERVING
        if self._statuses.get(f"broker/{broker}") != status:
            self._statuses[f"broker/{broker}"] = status
            self._ring()

    def close(self) -> None:
        """End every Watch."""
        self._closed = True
        self._ring()

    async def check(self, call: Call) -> bytes:
        """Tell one status."""
        request: pb.HealthCheckRequest = call.command
        status = self._statuses.get(request.service)
        if status is None:
            raise NotFound(Reason.SERVICE_NOT_FOUND, "service", request.service)
        return _Response(status=status).SerializeToString()

    async def list(self, _: Call) -> bytes:
        """Tell every status."""
        statuses = {name: _Response(status=status) for name, status in self._statuses.items()}
        answer: bytes = _ListResponse(statuses=statuses).SerializeToString()
        return answer

    async def watch(self, call: Call) -> None:
        """Tell one status now and whenever it changes."""
        request: pb.HealthCheckRequest = call.command
        told: int | None = None
        while True:
            changed = self._changed
            status = self._statuses.get(request.service, _Response.SERVICE_UNKNOWN)
            if status != told:
                told = status
                await call.context.write(_Response(status=status).SerializeToString())
            elif self._closed:
                raise GatewayError(Reason.SERVER_DRAINING, "this server shuts down")
            else:
                await changed.wait()

    def _set_own(self, status: int) -> None:
        if self._statuses[""] != status:
            self._statuses.update(dict.fromkeys(self._own, status))
            self._ring()

    def _ring(self) -> None:
        """Wake every watcher; each goes on to wait for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()
