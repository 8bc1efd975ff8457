"""Streams: where they start, and each of their messages as bytes.

An event reaches many subscribers. What it says is the same for all of them and is serialised once; only the previous
sequence and the cursor differ, and these few bytes are joined to it. Fields of a message may be written in any order
and in pieces, so the joined bytes are an ordinary message.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from brokerapi.v1 import fills_pb2, orders_pb2, positions_pb2
from brokerapi.v1 import streams_pb2 as pb
from google.protobuf.message import Message

from brokergw.desk.results import Positions
from brokergw.desk.watch import (
    Freshness,
    FromNow,
    FromPositions,
    FromSnapshot,
    FromTime,
    GapItem,
    Start,
    WatchRequest,
)
from brokergw.model.events import EventKind, FeedGap, LogEvent, PositionChange
from brokergw.model.order import Fill, Order
from brokergw.rpc.wire.cursor import CursorLine
from brokergw.rpc.wire.fills import fill_to_proto
from brokergw.rpc.wire.found import Found, token_from
from brokergw.rpc.wire.orders import accounts_from, order_to_proto
from brokergw.rpc.wire.positions import change_to_proto
from brokergw.rpc.wire.times import optional_time, seconds_from, time_from, time_to_proto
from brokergw.rpc.wire.trading import ORIGIN_TO

_SYMBOLS_MAX: Final = 500
_HEARTBEAT_MIN_S: Final = 1.0
_HEARTBEAT_MAX_S: Final = 60.0
_HEARTBEAT_DEFAULT_S: Final = 15.0
_CACHED_MAX: Final = 4_096

_HEADER_TAG: Final = b"\x0a"
_PAYLOAD_TAG: Final = b"\x12"
_PREVIOUS_TAG: Final = b"\x18"
_CURSOR_TAG: Final = b"\x22"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client asks of a stream, but for its start: a cursor can only be read once its owner is known."""

    kind: EventKind
    account_ids: tuple[str, ...]
    symbols: tuple[str, ...]
    start: pb.StreamStart
    heartbeat_s: float

    def request(self, start: Start) -> WatchRequest:
        """Give the desk's form of it."""
        return WatchRequest(
            kind=self.kind,
            account_ids=self.account_ids,
            symbols=frozenset(self.symbols),
            start=start,
            heartbeat_s=self.heartbeat_s,
        )


def orders_from_proto(request: orders_pb2.SubscribeOrdersRequest, found: Found) -> Subscription:
    """Read SubscribeOrdersRequest."""
    return _subscription(EventKind.ORDER, request, found)


def fills_from_proto(request: fills_pb2.SubscribeFillsRequest, found: Found) -> Subscription:
    """Read SubscribeFillsRequest."""
    return _subscription(EventKind.FILL, request, found)


def positions_from_proto(request: positions_pb2.SubscribePositionsRequest, found: Found) -> Subscription:
    """Read SubscribePositionsRequest."""
    return _subscription(EventKind.POSITION, request, found)


def start_from(start: pb.StreamStart, positions: dict[str, int] | None) -> Start:
    """Give the desk's start; `positions` are those of the cursor, where there is one."""
    match start.WhichOneof("start"):
        case "cursor":
            return FromPositions(positions or {})
        case "since_time":
            return FromTime(time_from(start.since_time, "start.since_time", Found()))
        case "snapshot":
            return FromSnapshot()
        case _:
            return FromNow()


def freshness_to_proto(freshness: Sequence[Freshness]) -> list[pb.BrokerFreshness]:
    """Write how fresh each broker's data is."""
    return [
        pb.BrokerFreshness(
            broker=item.broker,
            account_id=item.account_id,
            connected=item.connected,
            last_message_time=optional_time(item.last_message_ns),
            stale=item.stale,
        )
        for item in freshness
    ]


def gap_to_proto(gap: GapItem) -> pb.Gap:
    """Write a gap, open or closed."""
    return pb.Gap(
        broker=gap.broker,
        account_id=gap.account_id,
        from_time=time_to_proto(gap.from_ns),
        to_time=optional_time(gap.to_ns),
        state=pb.GAP_STATE_OPEN if gap.to_ns is None else pb.GAP_STATE_RECONCILED,
    )


def header_to_proto(event: LogEvent, previous_sequence: int = 0, cursor: str = "") -> pb.EventHeader:
    """Write where an event stands on the record."""
    return pb.EventHeader(
        account_id=event.account_id,
        sequence=event.sequence,
        previous_sequence=previous_sequence,
        cursor=cursor,
        event_time=time_to_proto(event.event_time_ns),
        receive_time=time_to_proto(event.receive_time_ns),
        publish_time=time_to_proto(event.publish_time_ns),
        origin=ORIGIN_TO[event.origin],
    )


def payload_to_proto(event: LogEvent) -> Message:
    """Write what an event says."""
    match event.payload:
        case Order() as order:
            return order_to_proto(order)
        case Fill() as fill:
            return fill_to_proto(fill)
        case PositionChange() as change:
            return change_to_proto(change, event.event_time_ns)
        case FeedGap():
            raise TypeError("a gap has a message of its own")


class EventEncoder:
    """Joins the shared part of events to each subscriber's own.

    Subscribers of the same user and filter that keep pace with each other even get the same bytes.
    """

    def __init__(self) -> None:
        self._shared: OrderedDict[tuple[str, int], tuple[bytes, bytes]] = OrderedDict()
        self._frames: OrderedDict[tuple[bytes, str, int, int], bytes] = OrderedDict()

    def frame(
        self, tag: bytes, event: LogEvent, previous_sequence: int, positions: Positions, cursors: CursorLine
    ) -> bytes:
        """Give the whole response as bytes: the event, in the field of the response that the tag opens."""
        # With one account the cursor follows from the sequence; with more it depends on where the others stand.
        key = (cursors.head, event.account_id, event.sequence, previous_sequence) if len(positions) == 1 else None
        if key is not None:
            known = self._frames.get(key)
            if known is not None:
                return known
        body = self.encode(event, previous_sequence, cursors.at(positions))
        frame = tag + varint(len(body)) + body
        if key is not None:
            self._frames[key] = frame
            if len(self._frames) > _CACHED_MAX:
                self._frames.popitem(last=False)
        return frame

    def encode(self, event: LogEvent, previous_sequence: int, cursor: str) -> bytes:
        """Give OrderEvent, FillEvent or PositionEvent as bytes: all three have header 1 and payload 2."""
        header, payload = self._parts(event)
        cursor_bytes = cursor.encode()
        own = _PREVIOUS_TAG + varint(previous_sequence) + _CURSOR_TAG + varint(len(cursor_bytes)) + cursor_bytes
        return _HEADER_TAG + varint(len(header) + len(own)) + header + own + payload

    def _parts(self, event: LogEvent) -> tuple[bytes, bytes]:
        key = (event.account_id, event.sequence)
        parts = self._shared.get(key)
        if parts is None:
            payload = payload_to_proto(event).SerializeToString()
            parts = (header_to_proto(event).SerializeToString(), _PAYLOAD_TAG + varint(len(payload)) + payload)
            self._shared[key] = parts
            if len(self._shared) > _CACHED_MAX:
                self._shared.popitem(last=False)
        return parts


def varint(value: int) -> bytes:
    """Write a number of the wire format that is not negative."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _subscription(kind: EventKind, request: Any, found: Found) -> Subscription:
    if len(request.symbols) > _SYMBOLS_MAX:
        found.add("symbols", f"must be at most {_SYMBOLS_MAX}")
    for index, symbol in enumerate(request.symbols[:_SYMBOLS_MAX]):
        token_from(symbol, f"symbols[{index}]", found)
    _check_start(request.start, found)
    return Subscription(
        kind=kind,
        account_ids=accounts_from(list(request.account_ids), found),
        symbols=tuple(request.symbols),
        start=request.start,
        heartbeat_s=_heartbeat(request, found),
    )


def _check_start(start: pb.StreamStart, found: Found) -> None:
    match start.WhichOneof("start"):
        case "cursor" if not start.cursor:
            found.add("start.cursor", "must not be empty")
        case "since_time":
            time_from(start.since_time, "start.since_time", found)
        case ("from_now" | "snapshot") as chosen if not getattr(start, chosen):
            found.add(f"start.{chosen}", "must be true")
        case _:
            pass


def _heartbeat(request: Any, found: Found) -> float:
    if not request.HasField("heartbeat_interval"):
        return _HEARTBEAT_DEFAULT_S
    seconds = seconds_from(request.heartbeat_interval)
    if not _HEARTBEAT_MIN_S <= seconds <= _HEARTBEAT_MAX_S:
        found.add("heartbeat_interval", "must be 1 to 60 s")
    return seconds
