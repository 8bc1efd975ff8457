"""The events of a stream as bytes, ready to be written to every subscriber that stands at the same place.

An event reaches many subscribers. What it says is the same for all of them and is serialised once; the previous
sequence and the cursor are joined to it. Subscribers with the same view (one user, kind and filter) that keep pace with
each other share the joined bytes too, so that telling one of them an event is one write. Fields of a message may be
written in any order and in pieces, so the joined bytes are an ordinary message.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from brokerapi.v1 import streams_pb2 as pb
from google.protobuf.message import Message

from brokergw.desk.streams.pages import Page
from brokergw.desk.streams.watch import EventPage
from brokergw.model.events import EventKind, FeedGap, LogEvent, PositionChange
from brokergw.model.order import Fill, Order
from brokergw.rpc.wire.cursor import CursorLine
from brokergw.rpc.wire.fills import fill_to_proto
from brokergw.rpc.wire.orders import order_to_proto
from brokergw.rpc.wire.positions import change_to_proto
from brokergw.rpc.wire.streams import gap_to_proto
from brokergw.rpc.wire.times import time_to_proto
from brokergw.rpc.wire.trading import ORIGIN_TO

CHUNK_BYTES_MAX: Final = 256 * 1024
"""What a stream may have ready to be written at once, but for a single message that is larger."""

BATCH_BYTES_MAX: Final = 64 * 1024
"""How large a message of several events may be: gRPC's clients take 4 MiB, and this much is ready to go at once."""

_CHUNKS_KEPT: Final = 64
_EVENTS_KEPT: Final = 4_096

_HEADER_TAG: Final = b"\x0a"
_PAYLOAD_TAG: Final = b"\x12"
_PREVIOUS_TAG: Final = b"\x18"
_CURSOR_TAG: Final = b"\x22"
_CONFLATED_TAG: Final = b"\x18"
_EVENTS_TAG: Final = b"\x0a"
_GAP_HEADER_TAG: Final = b"\x32"


@dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of stream writes its messages: the response, and the tags of some of its fields."""

    response: type[Message]
    event_tag: bytes
    batch_tag: bytes
    gap_tag: bytes


def shape_of(response: type[Message]) -> Shape:
    """Read the tags from the response's fields."""
    fields = response.DESCRIPTOR.fields_by_name
    return Shape(response, *(bytes((fields[name].number << 3 | 2,)) for name in ("event", "batch", "gap")))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Whole responses for the events of a page from one on; `ends` tells for each which event follows after it."""

    frames: tuple[bytes, ...]
    ends: tuple[int, ...]


class Frames:
    """Makes chunks, and keeps them while others may want the same."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[str, int], tuple[bytes, bytes]] = OrderedDict()
        self._chunks: OrderedDict[tuple[object, ...], Chunk] = OrderedDict()

    def chunk(self, shape: Shape, told: EventPage, first: int, cursors: CursorLine, batch: int = 1) -> Chunk:
        """Give the page's events from one on as bytes, as many as fit, up to `batch` of them in a message."""
        page = told.page
        # A page of one view is known by where it begins and ends, but for conflation, which leaves fewer events.
        part = (page.after, page.covered, len(page.events), first)
        key = (cursors.head, told.account_id, told.told, told.others, part, batch)
        chunk = self._chunks.get(key)
        if chunk is None:
            chunk = self._chunks[key] = self._make(shape, told, first, cursors, batch)
            if len(self._chunks) > _CHUNKS_KEPT:
                self._chunks.popitem(last=False)
        return chunk

    def _make(self, shape: Shape, told: EventPage, first: int, cursors: CursorLine, batch: int) -> Chunk:
        packer = _Packer(shape, first, batch)
        previous, others = _previous(told, first), dict(told.others)
        for event in told.page.events[first:]:
            cursor = cursors.at({told.account_id: event.sequence, **others}).encode()
            own = _PREVIOUS_TAG + varint(previous) + _CURSOR_TAG + varint(len(cursor)) + cursor
            if event.kind is EventKind.GAP:
                went_in = packer.put_gap(self._gap(event, own))
            else:
                went_in = packer.put(self._event(event, own, told.page.conflated.get(event.sequence, 0)))
                previous = event.sequence
            if not went_in:
                break
        return packer.chunk()

    def _event(self, event: LogEvent, own: bytes, conflated: int) -> bytes:
        """Give OrderEvent, FillEvent or PositionEvent: all three have header 1 and payload 2."""
        header, payload = self._parts_of(event)
        body = _field(_HEADER_TAG, header + own) + payload
        return body + _CONFLATED_TAG + varint(conflated) if conflated else body

    def _gap(self, event: LogEvent, own: bytes) -> bytes:
        header, gap = self._parts_of(event)
        return gap + _field(_GAP_HEADER_TAG, header + own)

    def _parts_of(self, event: LogEvent) -> tuple[bytes, bytes]:
        """Give what is the same for all subscribers: the header, and the payload with its tag (a gap without one)."""
        key = (event.account_id, event.sequence)
        parts = self._parts.get(key)
        if parts is None:
            payload = payload_to_proto(event).SerializeToString()
            body = payload if event.kind is EventKind.GAP else _field(_PAYLOAD_TAG, payload)
            parts = self._parts[key] = (header_to_proto(event).SerializeToString(), body)
            if len(self._parts) > _EVENTS_KEPT:
                self._parts.popitem(last=False)
        return parts


class _Packer:
    """Puts events into messages, and messages into a chunk."""

    def __init__(self, shape: Shape, first: int, batch: int) -> None:
        self._shape = shape
        self._batch = batch
        self._frames: list[bytes] = []
        self._ends: list[int] = []
        self._open: list[bytes] = []
        self._open_bytes = self._bytes = 0
        self._next = first

    def put(self, body: bytes) -> bool:
        """Take an event; tells whether there was room."""
        if not self._has_room(len(body)):
            return False
        if len(self._open) == self._batch or (self._open and self._open_bytes + len(body) > BATCH_BYTES_MAX):
            self._close()
        self._open.append(body)
        self._open_bytes += len(body)
        self._next += 1
        return True

    def put_gap(self, body: bytes) -> bool:
        """Take a gap, which has a message of its own; tells whether there was room."""
        if not self._has_room(len(body)):
            return False
        self._close()
        self._next += 1
        self._add(_field(self._shape.gap_tag, body))
        return True

    def chunk(self) -> Chunk:
        """Give what was taken."""
        self._close()
        return Chunk(tuple(self._frames), tuple(self._ends))

    def _has_room(self, size: int) -> bool:
        self._bytes += size
        return self._bytes <= CHUNK_BYTES_MAX or not (self._frames or self._open)

    def _close(self) -> None:
        if len(self._open) > 1:
            events = b"".join(_field(_EVENTS_TAG, body) for body in self._open)
            self._add(_field(self._shape.batch_tag, events))
        elif self._open:
            self._add(_field(self._shape.event_tag, self._open[0]))
        self._open, self._open_bytes = [], 0

    def _add(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._ends.append(self._next)


def header_to_proto(event: LogEvent, previous_sequence: int = 0, cursor: str = "") -> pb.EventHeader:
    """Write where an event stands on the record; the last two depend on the stream."""
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
        case FeedGap() as gap:
            return gap_to_proto(gap)


def covered_at(told: EventPage, written: int) -> dict[str, int]:
    """Tell how far a stream has covered its accounts when so many events of a page were written."""
    page: Page = told.page
    if written == len(page.events):
        sequence = page.covered
    else:
        sequence = page.events[written - 1].sequence if written else page.after
    return {told.account_id: sequence, **dict(told.others)}


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


def _previous(told: EventPage, first: int) -> int:
    """Give the sequence that the event at a place in the page follows; gaps stand outside the chain."""
    before = (event.sequence for event in reversed(told.page.events[:first]) if event.kind is not EventKind.GAP)
    return next(before, told.told)


def _field(tag: bytes, body: bytes) -> bytes:
    return tag + varint(len(body)) + body
