"""What no gRPC client sends, frame by frame: refused, cut or ignored; it tells nothing and hurts nobody."""

import asyncio
import gzip
import re
import struct
import zlib
from typing import Any, Final

import pytest
from brokerapi.v1 import orders_pb2

from tests.fixtures.edge import KEY, Edge, MakeEdge
from tests.fixtures.raw_http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    RawHttp2,
    block,
    frame,
    request_headers,
)

INSIDE: Final = re.compile(
    rb"Traceback|Error\b.*\(|\.py\b|\.pyx|\.cc:|google\.protobuf|<class|object at 0x|DecodeError"
    rb"|brokergw\.|site-packages"
)
_STATUS: Final = re.compile(rb"grpc-status.([0-9]{1,2})", re.DOTALL)
_MARK: Final = b"are you?"

GET: Final = "/brokerapi.v1.OrderService/GetOrder"
BODY: Final = orders_pb2.GetOrderRequest(order_id="ord_1").SerializeToString()
PADDED: Final = 0x8

RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = "8", "12", "13"
UNAVAILABLE, UNAUTHENTICATED, INVALID_ARGUMENT, OK = "14", "16", "3", "0"
RESET, CLOSED, IGNORED = "reset", "closed", "ignored"


def _message(content: bytes, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(content)) + content


def _headers(pairs: Any, stream: int = 1, flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, block(pairs))


def _data(content: bytes, stream: int = 1, flags: int = END_STREAM) -> bytes:
    return frame(DATA, flags, stream, content)


def _call(
    changed: Any = (), *, more: Any = (), without: str = "none", path: str | bytes = GET, body: bytes = _message(BODY)
) -> bytes:
    metadata = [*KEY, *more] if not any(name in {"authorization", "x-api-key"} for name, _ in more) else more
    pairs = request_headers(GET, metadata, [(":path", path), *changed])
    return _headers([pair for pair in pairs if pair[0] != without]) + _data(body)


def _packed(encoding: str, content: bytes) -> bytes:
    return _call(more=[("grpc-encoding", encoding)], body=_message(content, 1))


_BOMB: Final = bytes(10_000_000)
_FULL: Final = request_headers(GET, KEY)

CASES: Final[dict[str, tuple[bytes, str]]] = {
    # gRPC's core takes any content type; what counts is that the body is framed as gRPC frames it.
    "content type of a form": (_call([("content-type", "text/plain")], body=b"order_id=ord_1"), INVALID_ARGUMENT),
    "content type of JSON": (
        _call([("content-type", "application/json")], body=b'{"order_id":"ord_1"}'),
        INVALID_ARGUMENT,
    ),
    "no content type and no message": (_call(without="content-type", body=b"x"), IGNORED),
    "GET": (_call([(":method", "GET")]), RESET),
    "no te": (_call(without="te"), RESET),
    "no path": (_call(without=":path"), RESET),
    "no method": (_call(without=":method"), RESET),
    "no scheme": (_call(without=":scheme"), RESET),
    "an empty path": (_call(path=""), UNIMPLEMENTED),
    "a path of another place": (_call(path="/../../etc/passwd"), UNIMPLEMENTED),
    "a path that is no text": (_call(path=b"/\xff\xfe/\xc3\x28"), UNIMPLEMENTED),
    "a long path": (_call(path="/" + "a" * 9_000), UNIMPLEMENTED),
    "two paths": (_headers([(":path", "/x/Y"), *_FULL]) + _data(_message(BODY)), OK),
    "an upper case header": (_call(more=[("X-Upper", "y")]), INTERNAL),
    "a pseudo header of nobody's": (_call(more=[(":odd", "y")]), INTERNAL),
    "a header without a name": (_call(more=[("", "y")]), INTERNAL),
    "a key that is no text": (_call(more=[("authorization", b"Bearer \xff\xfe")]), UNAUTHENTICATED),
    "a key in Latin": (_call(more=[("x-api-key", b"\xc3\xa9")]), UNAUTHENTICATED),
    "a request id that is no text": (_call(more=[("x-request-id", b"\xff")]), OK),
    "a line break in a header": (_call(more=[("x-odd", b"a\r\nb: c\0")]), OK),
    "bytes that are no base64": (_call(more=[("x-odd-bin", "!!!")]), INTERNAL),
    "a deadline that is none": (_call(more=[("grpc-timeout", "1X")]), INTERNAL),
    "a deadline in the past": (_call(more=[("grpc-timeout", "-1S")]), INTERNAL),
    "a deadline beyond time": (_call(more=[("grpc-timeout", "9" * 20 + "H")]), OK),
    "an encoding of nobody's": (_packed("zstd", b"xx"), INTERNAL),
    "packed by nothing": (_call(body=_message(b"xx", 1)), INTERNAL),
    "packed badly": (_packed("gzip", b"no gzip"), INTERNAL),
    "a bomb of gzip": (_packed("gzip", gzip.compress(_BOMB)), RESOURCE_EXHAUSTED),
    "a bomb of deflate": (_packed("deflate", zlib.compress(_BOMB)), RESOURCE_EXHAUSTED),
    "a flag of nobody's": (_call(body=_message(BODY, 0x7F)), INVALID_ARGUMENT),
    "a message longer than any": (_call(body=struct.pack(">BI", 0, 0xFFFFFFFF) + b"x"), RESOURCE_EXHAUSTED),
    "a message cut short": (_call(body=struct.pack(">BI", 0, 1_000) + b"x"), IGNORED),
    "half of a prefix": (_call(body=b"\0\0"), IGNORED),
    "no message": (_call(body=b""), IGNORED),
    "data of no stream": (_data(b"x", 0), IGNORED),
    "data of a stream that is not open": (_data(b"x", 7), IGNORED),
    "a stream of the server's": (_headers(_FULL, 2), IGNORED),
    "headers of no stream": (_headers(_FULL, 0), IGNORED),
    "a frame of nobody's": (frame(0xFA, 0xFF, 1, b"odd") + _call(), OK),
    "a frame larger than agreed": (frame(DATA, 0, 1, bytes(20_000)), CLOSED),
    "settings of no length": (frame(SETTINGS, 0, 0, b"abc"), CLOSED),
    "settings of a stream": (frame(SETTINGS, 0, 3, b""), CLOSED),
    "a window beyond its end": (frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, 0xFFFFFFFF)), CLOSED),
    "a ping of no length": (frame(PING, 0, 0, b"abc"), CLOSED),
    "a window made no larger": (frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0)), CLOSED),
    "a reset of no length": (frame(RST_STREAM, 0, 1, b"x"), CLOSED),
    "a reset of no stream": (frame(RST_STREAM, 0, 9, struct.pack(">I", 0)), IGNORED),
    "a promise": (frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + block(_FULL)), IGNORED),
    "a stream that waits for itself": (frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 1)), IGNORED),
    "a farewell": (frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0) + b"bye"), IGNORED),
    "a continuation of nothing": (frame(CONTINUATION, END_HEADERS, 1, block(_FULL)), CLOSED),
    "headers that go on elsewhere": (frame(HEADERS, 0, 1, block(_FULL)) + frame(PING, 0, 0, _MARK), UNAVAILABLE),
    "an index beyond the table": (frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\x0f"), INTERNAL),
    "a table beyond memory": (frame(HEADERS, END_HEADERS, 1, b"\x3f\xff\xff\xff\xff\x0f"), INTERNAL),
    "a header cut short": (frame(HEADERS, END_HEADERS, 1, b"\x10\x7f"), INTERNAL),
    "padding beyond the frame": (frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + block(_FULL)), INTERNAL),
    "data after the end": (_call() + _data(b"x"), OK),
    "trailers of a client's": (
        _headers(_FULL) + _data(_message(BODY), flags=0) + _headers([("x", "y")], flags=END_HEADERS | END_STREAM),
        OK,
    ),
    "noise": (bytes(range(255, 0, -1)), CLOSED),
}


def _ending(odd: RawHttp2) -> str:
    """Tell what became of the stream, or of the connection."""
    status = _STATUS.search(odd.said)
    if status:
        return status.group(1).decode()
    if any(each.kind == RST_STREAM for each in odd.frames):
        return RESET
    return CLOSED if odd.ended or any(each.kind == GOAWAY for each in odd.frames) else IGNORED


def _is_mark(each: Frame) -> bool:
    return each.kind == PING and bool(each.flags & ACK) and each.payload == _MARK


@pytest.mark.parametrize("case", CASES)
async def test_what_no_client_sends_tells_nothing_and_hurts_nobody(edge: Edge, case: str) -> None:
    """Each oddity ends as it should, without a word of the inside, and the next client is served as ever."""
    content, expected = CASES[case]
    async with RawHttp2.open(edge.port) as odd:
        odd.send(content)
        if expected in {IGNORED, CLOSED}:
            # Who answers this has dealt with everything before it.
            odd.send(frame(PING, 0, 0, _MARK))
            await odd.until(_is_mark if expected == IGNORED else lambda each: each.kind == GOAWAY)
        else:
            await odd.end_of(1)
        assert _ending(odd) == expected
        assert INSIDE.search(odd.said) is None, odd.said
    if expected != OK:
        assert edge.desk.seen == []
    answer = await edge.orders.GetOrder(orders_pb2.GetOrderRequest(order_id="ord_1"), metadata=KEY)
    assert answer.order.order_id == "ord_1"


@pytest.mark.parametrize(
    "beginning",
    [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 64, PREFACE[:10] + b"x" * 64],
    ids=["HTTP/1.1", "TLS", "zeros", "half a preface"],
)
async def test_another_protocol_is_cut(edge: Edge, beginning: bytes) -> None:
    """Who does not begin as HTTP/2 does is cut, with nothing but a farewell."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(beginning)
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    assert INSIDE.search(said) is None
    assert b"SSH" not in said
    assert b"Python" not in said


async def _answer_to_metadata(edge: Edge, size: int, frame_bytes: int) -> str:
    """Call with headers of so many bytes, as HTTP/2 counts them: name, value and 32 for each; in so large frames."""
    pairs = request_headers(GET, [*KEY, ("x-filling", "")])
    bare = sum(len(name) + len(value) + 32 for name, value in pairs)
    pairs[-1] = ("x-filling", "x" * (size - bare))
    content = block(pairs)
    parts = [content[start : start + frame_bytes] for start in range(0, len(content), frame_bytes)]
    async with RawHttp2.open(edge.port) as odd:
        for number, part in enumerate(parts):
            flags = END_HEADERS if number == len(parts) - 1 else 0
            odd.send(frame(HEADERS if number == 0 else CONTINUATION, flags, 1, part))
        odd.send(_data(_message(BODY)))
        await odd.end_of(1)
        assert INSIDE.search(odd.said) is None
        return _ending(odd)


@pytest.mark.parametrize("frame_bytes", [16_000, 1_000])
async def test_metadata_are_only_so_long(make_edge: MakeEdge, frame_bytes: int) -> None:
    """Below and at the limit metadata are taken, above it refused before a look-up, in however many frames they come.

    gRPC looks at the size of each frame alone; what it lets through is measured here.
    """
    edge = await make_edge(metadata_bytes_max=10_000)
    # What names the method is no metadata.
    own = sum(len(name) + len(value) + 32 for name, value in request_headers(GET) if name != "user-agent")
    for size in (9_999, 10_000):
        assert await _answer_to_metadata(edge, size, frame_bytes) == OK
    asked = edge.authenticator.asked
    for size in (10_001 + own, *((100_000, 1_000_000) if frame_bytes == 1_000 else (15_000,))):
        assert (size, await _answer_to_metadata(edge, size, frame_bytes)) == (size, RESOURCE_EXHAUSTED)
    assert edge.authenticator.asked == asked


async def test_clients_are_told_the_limits_of_a_connection(make_edge: MakeEdge) -> None:
    """The server's settings say how many streams, and how long headers, it takes."""
    edge = await make_edge(metadata_bytes_max=20_000)
    async with RawHttp2.open(edge.port) as client:
        first = await client.until(lambda each: each.kind == SETTINGS and not each.flags & ACK)
    assert first is not None
    told = dict(struct.iter_unpack(">HI", first.payload))
    assert (told[MAX_CONCURRENT_STREAMS], told[MAX_HEADER_LIST_SIZE]) == (1_000, 20_000)


async def test_floods_of_frames_end_their_connection(edge: Edge) -> None:
    """Pings by the hundred are answered with the end of the connection; resets by the hundred leave nothing behind."""
    async with RawHttp2.open(edge.port) as odd:
        for number in range(500):
            odd.send(frame(PING, 0, 0, number.to_bytes(8)))
        await odd.until(lambda each: each.kind == GOAWAY)
        assert _ending(odd) == CLOSED
    async with RawHttp2.open(edge.port) as odd:
        for number in range(500):
            odd.call(2 * number + 1, GET, BODY, KEY)
            odd.send(frame(RST_STREAM, 0, 2 * number + 1, struct.pack(">I", 8)))
        odd.send(frame(PING, 0, 0, _MARK))
        await odd.until(_is_mark)
    async with asyncio.timeout(20):
        while edge.server.budgets.calls._held or edge.server.budgets.unread._waiting:
            await asyncio.sleep(0.01)
    await edge.orders.GetOrder(orders_pb2.GetOrderRequest(order_id="ord_1"), metadata=KEY)
