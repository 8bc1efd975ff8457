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

from brokergw.desk.pages import Page
from brokergw.desk.watch import EventPage
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

_CHUNKS_KEPT: Final = 64
_EVENTS_KEPT: Final = 4_096

_HEADER_TAG: Final = b"\x0a"
_PAYLOAD_TAG: Final = b"\x12"
_PREVIOUS_TAG: Final = b"\x18"
_CURSOR_TAG: Final = b"\x22"
_CONFLATED_TAG: Final = b"\x18"
_GAP_HEADER_TAG: Final = b"\x32"


@dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of stream writes its messages: the response, and the tags of its event and gap fields."""

    response: type[Message]
    event_tag: bytes
    gap_tag: bytes


def shape_of(response: type[Message]) -> Shape:
    """Read the tags from the response's fields."""
    event, gap = (response.DESCRIPTOR.fields_by_name[name].number for name in ("event", "gap"))
    return Shape(response, bytes((event << 3 | 2,)), bytes((gap << 3 | 2,)))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Whole responses, one for each event of a page from the event at `first` on; `next` is the event after them."""

    frames: tuple[bytes, ...]
    first: int
    next: int


class Frames:
    """Makes chunks, and keeps them while others may want the same."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[str, int], tuple[bytes, bytes]] = OrderedDict()
        self._chunks: OrderedDict[tuple[object, ...], Chunk] = OrderedDict()

    def chunk(self, shape: Shape, told: EventPage, first: int, cursors: CursorLine) -> Chunk:
        """Give the page's events from one on as bytes, as many as fit."""
        page = told.page
        key = (cursors.head, told.account_id, page.after, page.covered, told.told, told.others, first, len(page.events))
        chunk = self._chunks.get(key)
        if chunk is None:
            chunk = self._chunks[key] = self._make(shape, told, first, cursors)
            if len(self._chunks) > _CHUNKS_KEPT:
                self._chunks.popitem(last=False)
        return chunk

    def _make(self, shape: Shape, told: EventPage, first: int, cursors: CursorLine) -> Chunk:
        page, frames, size = told.page, list[bytes](), 0
        previous, others = _previous(told, first), dict(told.others)
        for event in page.events[first:]:
            cursor = cursors.at({told.account_id: event.sequence, **others}).encode()
            own = _PREVIOUS_TAG + varint(previous) + _CURSOR_TAG + varint(len(cursor)) + cursor
            if event.kind is EventKind.GAP:
                frame = _field(shape.gap_tag, self._gap(event, own))
            else:
                frame = _field(shape.event_tag, self._event(event, own, page.conflated.get(event.sequence, 0)))
                previous = event.sequence
            if frames and size + len(frame) > CHUNK_BYTES_MAX:
                break
            frames.append(frame)
            size += len(frame)
        return Chunk(tuple(frames), first, first + len(frames))

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
