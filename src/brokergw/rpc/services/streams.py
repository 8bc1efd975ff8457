"""Streams of orders, fills and positions: one loop, and the shape of each kind's messages.

A stream ends in one of six ways: the desk ends it, its credential no longer holds, it has reached its age, the record
cannot be read on, its client has stopped reading, or the client goes. In all but the last the client gets a status with
`x-last-cursor` in the trailer, and a Terminating message before it; but for the client that does not read, to whom
nothing can be said as long as the message that it does not take is in the way.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from brokerapi.v1 import fills_pb2, orders_pb2, positions_pb2
from brokerapi.v1 import streams_pb2 as pb
from grpc import aio

from brokergw.desk.results import Positions
from brokergw.desk.streams.pages import CursorExpired
from brokergw.desk.streams.watch import (
    Beat,
    Ending,
    EndReason,
    EventPage,
    FromPositions,
    FromTime,
    Opened,
    SnapshotDone,
    SnapshotItem,
    Start,
    WatchItem,
    WatchRequest,
)
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventKind
from brokergw.model.order import Order
from brokergw.ports.clock import Clock
from brokergw.ports.identity import Identity
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.policy import UNSURE, require_allowed
from brokergw.rpc.services.stalls import Pace, Stalls
from brokergw.rpc.services.turns import Turns
from brokergw.rpc.wire.cursor import CursorLine, Cursors, filter_of
from brokergw.rpc.wire.frames import Chunk, Frames, covered_at, shape_of
from brokergw.rpc.wire.orders import order_to_proto
from brokergw.rpc.wire.positions import position_to_proto
from brokergw.rpc.wire.streams import (
    Subscription,
    freshness_to_proto,
    start_from,
)
from brokergw.rpc.wire.times import duration_to_proto, time_to_proto

LAST_CURSOR: Final = "x-last-cursor"
_RETRY_S: Final = 1.0

_SHAPES: Final = {
    EventKind.ORDER: shape_of(orders_pb2.SubscribeOrdersResponse),
    EventKind.FILL: shape_of(fills_pb2.SubscribeFillsResponse),
    EventKind.POSITION: shape_of(positions_pb2.SubscribePositionsResponse),
}

_ENDINGS: Final = {
    EndReason.DRAINING: (pb.TERMINATION_REASON_DRAINING, Reason.SERVER_DRAINING, "this server shuts down"),
    EndReason.CONNECTION_REVOKED: (
        pb.TERMINATION_REASON_CREDENTIAL_ENDED,
        Reason.CONNECTION_NOT_USABLE,
        "a connection of the stream was revoked",
    ),
}


class Streams:
    """Runs streams; what is ready to be written is shared by all of them."""

    def __init__(
        self,
        desk: DeskFace,
        cursors: Cursors,
        identity: Identity,
        clock: Clock,
        age_max_s: float | None,
        stall_max_s: float,
    ) -> None:
        self._desk = desk
        self._cursors = cursors
        self._identity = identity
        self._clock = clock
        self._age_max_s = age_max_s
        self._stalls = Stalls(clock, stall_max_s)
        self._turns = Turns()
        self._frames = Frames()

    async def run(self, call: Call) -> None:
        """Serve one stream to its end; always ends by raising, or with the client's leaving."""
        asked: Subscription = call.command
        user_id = call.caller.user_id
        stream_filter = filter_of(asked.kind.value, asked.account_ids, asked.symbols)
        start = self._start(user_id, asked, stream_filter)
        request = asked.request(start)
        cursors = self._cursors.line(user_id, stream_filter)
        with self._stalls.watched() as pace:
            writer = StreamWriter(call, request, cursors, self._frames, asked.batch, self._clock, pace, self._turns)
            try:
                await self._follow(call, request, writer)
            except CursorExpired as expired:
                await writer.fail()
                earliest = cursors.at(expired.earliest)
                raise GatewayError(expired.reason, expired.message, metadata={"earliestCursor": earliest}) from None
            except asyncio.CancelledError:
                if not pace.stalled:
                    writer.leave_cursor()
                    raise
                pace.task.uncancel()
                writer.leave_cursor()
                raise GatewayError(Reason.SLOW_CONSUMER, "the stream was not read for too long") from None
            except Exception:
                await writer.fail()
                raise

    async def _follow(self, call: Call, request: WatchRequest, writer: "StreamWriter") -> None:
        checked = self._clock.monotonic()
        items = self._desk.watch(call.caller, request)
        try:
            async for item in items:
                await writer.tell(item)
                now = self._clock.monotonic()
                if now - checked >= request.heartbeat_s or isinstance(item, Beat):
                    checked = now
                    await self._still_allowed(call, writer)
                    await self._still_young(call, writer, now)
        finally:
            await _close(items)

    def _start(self, user_id: str, asked: Subscription, stream_filter: bytes) -> Start:
        positions: Positions | None = None
        if asked.start.WhichOneof("start") == "cursor":
            positions = self._cursors.read(asked.start.cursor, user_id, stream_filter)
        return start_from(asked.start, positions)

    async def _still_allowed(self, call: Call, writer: "StreamWriter") -> None:
        try:
            require_allowed(call.policy, await self._identity.authenticate(call.presented))
        except GatewayError as error:
            if error.reason in UNSURE:
                return
            await writer.terminate(pb.TERMINATION_REASON_CREDENTIAL_ENDED, None)
            raise error from None

    async def _still_young(self, call: Call, writer: "StreamWriter", now: float) -> None:
        if self._age_max_s is not None and now - call.started >= self._age_max_s:
            await writer.terminate(pb.TERMINATION_REASON_MAX_AGE, 0.0)
            raise GatewayError(Reason.STREAM_MAX_AGE, "the stream has lived as long as streams may", retry_after_s=0.0)


class StreamWriter:
    """Writes the items of one stream, and remembers how far it got."""

    def __init__(
        self,
        call: Call,
        request: WatchRequest,
        cursors: CursorLine,
        frames: Frames,
        batch: int,
        clock: Clock,
        pace: Pace,
        turns: Turns,
    ) -> None:
        self._call = call
        self._request = request
        self._shape = _SHAPES[request.kind]
        self._cursors = cursors
        self._frames = frames
        self._batch = batch
        self._clock = clock
        self._pace = pace
        self._turns = turns
        self._positions: Positions = {}
        self._page: EventPage | None = None
        self._chunk: Chunk | None = None
        self._first = 0
        self._written_before = 0
        self._ready = False
        self._ended = False

    async def tell(self, item: WatchItem) -> None:
        """Write one item; an Ending raises the status that goes with it."""
        match item:
            case EventPage():
                await self._tell_page(item)
            case Beat():
                await self._send(heartbeat=self._heartbeat(item))
                self._positions = item.positions
            case Opened():
                self._positions = _covered(self._request.start, item)
                self._ready = True
                await self._send(subscribed=self._subscribed(item))
            case SnapshotItem(payload=payload):
                written = order_to_proto(payload) if isinstance(payload, Order) else position_to_proto(*payload)
                await self._send(snapshot_item=written)
            case SnapshotDone():
                await self._send(snapshot_complete=self._snapshot_complete(item))
                self._positions = item.positions
            case Ending():
                self._positions = item.positions
                termination, reason, words = _ENDINGS[item.reason]
                await self.terminate(termination, _RETRY_S)
                raise GatewayError(reason, words, retry_after_s=_RETRY_S)

    async def terminate(self, reason: pb.TerminationReason.ValueType, retry_after_s: float | None) -> None:
        """Announce the end, and put the cursor to resume from into the trailer too."""
        self._ended = True
        cursor = self.leave_cursor()
        retry_after = None if retry_after_s is None else duration_to_proto(retry_after_s)
        await self._send(terminating=pb.Terminating(reason=reason, resume_cursor=cursor, retry_after=retry_after))

    async def fail(self) -> None:
        """Announce an end that nobody has announced yet; before the opening a status says all there is to say."""
        if self._ready and not self._ended:
            await self.terminate(pb.TERMINATION_REASON_FAILED, None)

    def leave_cursor(self) -> str:
        """Put the cursor to resume from into the trailer, and give it."""
        if self._page is not None:
            self._positions = covered_at(self._page, self._events_written())
        cursor = self._cursors.at(self._positions)
        self._call.trailing.append((LAST_CURSOR, cursor))
        return cursor

    def _events_written(self) -> int:
        """Tell how many events of the present page have been written."""
        if self._chunk is None:
            return 0
        frames = self._pace.writes - self._written_before
        return self._chunk.ends[frames - 1] if frames else self._first

    async def _tell_page(self, told: EventPage) -> None:
        self._page, self._chunk = told, None
        first, count = 0, len(told.page.events)
        while first < count:
            chunk = self._frames.chunk(self._shape, told, first, self._cursors, self._batch)
            self._chunk, self._first, self._written_before = chunk, first, self._pace.writes
            await self._write(chunk.frames)
            first = chunk.ends[-1]
        self._positions = covered_at(told, count)
        self._page = None

    async def _write(self, bodies: Iterable[bytes]) -> None:
        write, pace, turns = self._call.context.write, self._pace, self._turns
        pace.writing = True
        try:
            for body in bodies:
                if not turns.take():
                    await turns.wait()
                await write(body)
                pace.writes += 1
        except aio.InternalError:
            # The client left while this was on its way; that is its right, and no fault of ours.
            raise asyncio.CancelledError from None
        finally:
            pace.writing = False

    async def _send(self, **message: Any) -> None:
        await self._write((self._shape.response(**message).SerializeToString(),))

    def _subscribed(self, opened: Opened) -> pb.Subscribed:
        return pb.Subscribed(
            stream_id=self._call.held,
            account_ids=opened.account_ids,
            earliest_cursor=self._cursors.at(opened.earliest),
            latest_cursor=self._cursors.at(opened.latest),
            heartbeat_interval=duration_to_proto(self._request.heartbeat_s),
            epoch=opened.epoch,
            brokers=freshness_to_proto(opened.freshness),
        )

    def _snapshot_complete(self, done: SnapshotDone) -> pb.SnapshotComplete:
        return pb.SnapshotComplete(
            item_count=done.count,
            cursor=self._cursors.at(done.positions),
            brokers=freshness_to_proto(done.freshness),
        )

    def _heartbeat(self, beat: Beat) -> pb.Heartbeat:
        return pb.Heartbeat(
            cursor=self._cursors.at(beat.positions),
            server_time=time_to_proto(self._clock.now_ns()),
            brokers=freshness_to_proto(beat.freshness),
            sequences=beat.positions,
        )


def _covered(start: Start, opened: Opened) -> Positions:
    """Tell what a client has seen when its stream opens; what it has not must not be skipped on a resume."""
    match start:
        case FromPositions(positions=positions):
            return {account_id: positions.get(account_id, 0) for account_id in opened.latest}
        case FromTime():
            return opened.earliest
        case _:
            return opened.latest


async def _close(items: AsyncIterator[WatchItem]) -> None:
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()
