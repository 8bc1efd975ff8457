"""WatchConnections: one stream's loop. It has no cursor: who comes back is shown everything again."""

import asyncio
from typing import Any, Final

from brokerapi.v1 import connections_pb2 as pb
from brokerapi.v1 import streams_pb2
from grpc import aio

from brokergw.desk.connections.watch import AllShown, Draining, Quiet, Shown, WatchedItem
from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.clock import Clock
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.services.stalls import Pace, Stalls
from brokergw.rpc.wire.connections import NO_CONNECTION, connection_to_proto
from brokergw.rpc.wire.times import duration_to_proto, time_to_proto

_RETRY_S: Final = 1.0


class ConnectionStream:
    """Runs the streams of connections."""

    def __init__(self, desk: DeskFace, clock: Clock, age_max_s: float | None, stall_max_s: float) -> None:
        self._desk = desk
        self._clock = clock
        self._age_max_s = age_max_s
        self._stalls = Stalls(clock, stall_max_s)

    async def run(self, call: Call) -> None:
        """Serve one stream to its end; always ends by raising, or with the client's leaving."""
        with self._stalls.watched() as pace:
            try:
                await self._follow(call, pace)
            except asyncio.CancelledError:
                if not pace.stalled:
                    raise
                pace.task.uncancel()
                raise GatewayError(Reason.SLOW_CONSUMER, "the stream was not read for too long") from None

    async def _follow(self, call: Call, pace: Pace) -> None:
        async for item in self._desk.watch_connections(call.caller, call.command):
            await _write(call, pace, **self._message(item))
            if isinstance(item, Draining):
                raise GatewayError(Reason.SERVER_DRAINING, "this server shuts down", retry_after_s=_RETRY_S)
            if self._age_max_s is not None and self._clock.monotonic() - call.started >= self._age_max_s:
                await _write(call, pace, terminating=_ending(streams_pb2.TERMINATION_REASON_MAX_AGE, 0.0))
                raise GatewayError(
                    Reason.STREAM_MAX_AGE, "the stream has lived as long as streams may", retry_after_s=0
                )

    def _message(self, item: WatchedItem) -> dict[str, Any]:
        match item:
            case Shown(card=card, first=first):
                return {"snapshot_item" if first else "changed": connection_to_proto(card)}
            case AllShown(count=count):
                return {"snapshot_complete": pb.ConnectionsShown(count=count, hint="" if count else NO_CONNECTION)}
            case Quiet():
                return {"heartbeat": pb.ConnectionsHeartbeat(server_time=time_to_proto(self._clock.now_ns()))}
            case Draining():
                return {"terminating": _ending(streams_pb2.TERMINATION_REASON_DRAINING, _RETRY_S)}


def _ending(reason: streams_pb2.TerminationReason.ValueType, retry_after_s: float) -> streams_pb2.Terminating:
    return streams_pb2.Terminating(reason=reason, retry_after=duration_to_proto(retry_after_s))


async def _write(call: Call, pace: Pace, **message: Any) -> None:
    pace.writing = True
    try:
        await call.context.write(pb.WatchConnectionsResponse(**message).SerializeToString())
        pace.writes += 1
    except aio.InternalError:
        # The client left while this was on its way; that is its right, and no fault of ours.
        raise asyncio.CancelledError from None
    finally:
        pace.writing = False
