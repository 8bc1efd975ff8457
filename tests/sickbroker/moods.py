"""The ways in which a broker's server can be sick, each played on one connection that the gateway has made.

A mood of `Kind.ANSWER` spoils every answer; where it `takes` the request, the broker gets it before, so that an order
is really there of which no good answer comes. One that spoils `commands_only` answers reads well, so that orders get as
far as that. A mood of `Kind.STREAM` leaves requests alone and spoils websockets, a moment after their greeting, and one
of `Kind.FRAMES` spoils a websocket once an order comes over it. `Kind.CLOSED` connections hear nothing at all.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Final

_PIECE: Final = 64 * 1024
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Kind(Enum):
    """What a mood spoils."""

    ANSWER = auto()
    STREAM = auto()
    FRAMES = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Patient:
    """One connection's end at the sick server, and the address of a stranger who should never be visited."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    path: bytes
    stranger: bytes

    async def say(self, data: bytes) -> None:
        """Send, as fast as it is read."""
        self.writer.write(data)
        await self.writer.drain()

    async def pour(self, piece: bytes) -> None:
        """Send the same for ever."""
        while True:
            await self.say(piece)
            # A drain that need not wait does not let others work.
            await asyncio.sleep(0)

    async def drip(self) -> None:
        """Send a byte a second for ever."""
        while True:
            await self.say(b"x")
            await asyncio.sleep(1.0)

    async def nothing(self) -> None:
        """Read what comes and say nothing until the other side leaves."""
        while await self.reader.read(_PIECE):
            pass


Act = Callable[[Patient], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Mood:
    """One way of being sick."""

    name: str
    kind: Kind
    act: Act
    takes: bool = False
    commands_only: bool = False


async def _silent(patient: Patient) -> None:
    await patient.nothing()


async def _drip_head(patient: Patient) -> None:
    await patient.say(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    await patient.drip()


async def _drip_body(patient: Patient) -> None:
    await patient.say(_HEAD + b"Content-Length: 100000\r\n\r\n{")
    await patient.drip()


async def _redirect_to_itself(patient: Patient) -> None:
    await patient.say(b"HTTP/1.1 307 Again\r\nLocation: " + patient.path + b"\r\nContent-Length: 0\r\n\r\n")


async def _redirect_away(patient: Patient) -> None:
    await patient.say(b"HTTP/1.1 307 Away\r\nLocation: " + patient.stranger + b"\r\nContent-Length: 0\r\n\r\n")


async def _endless_body(patient: Patient) -> None:
    await patient.say(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    await patient.pour(b"%x\r\n" % _PIECE + b" " * _PIECE + b"\r\n")


async def _huge_length(patient: Patient) -> None:
    await patient.say(_HEAD + b"Content-Length: %d\r\n\r\n" % 10**15)
    await patient.pour(b" " * _PIECE)


@cache
def _bomb() -> bytes:
    """Make two MiB that unpack to two GiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    member = packer.compress(bytes(10 * 1024 * 1024)) + packer.flush()
    return member * 200


async def _gzip_bomb(patient: Patient) -> None:
    bomb = _bomb()
    await patient.say(_HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)


async def _endless_head(patient: Patient) -> None:
    await patient.say(b"HTTP/1.1 200 OK\r\n")
    await patient.pour((b"X-More: " + b"m" * 1000 + b"\r\n") * 50)


async def _endless_continue(patient: Patient) -> None:
    await patient.pour(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" * 500)


async def _broken_json(patient: Patient) -> None:
    await patient.say(_HEAD + b'Content-Length: 7\r\n\r\n{"id":"')


async def _deep_json(patient: Patient) -> None:
    await patient.say(_HEAD + b"Content-Length: 1000000\r\n\r\n" + b"[" * 1_000_000)


async def _upside_down_json(patient: Patient) -> None:
    body = b'{"id":[],"status":{},"result":7}'
    await patient.say(_HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


async def _hang_up(patient: Patient) -> None:
    patient.writer.transport.abort()


async def _endless_message(patient: Patient) -> None:
    size = 32_768
    await patient.say(b"\x01\x00")
    await patient.pour(bytes((0x00, 126)) + size.to_bytes(2, "big") + b" " * size)


async def _flood(patient: Patient) -> None:
    frame = b'{"stream":"nothing","data":{"of":"interest"}}'
    await patient.pour((bytes((0x81, len(frame))) + frame) * 1_000)


async def _huge_frame(patient: Patient) -> None:
    await patient.say(bytes((0x81, 127)) + (2**62).to_bytes(8, "big"))
    await patient.pour(b" " * _PIECE)


async def _large_frames(patient: Patient) -> None:
    text = b'{"numbers":[' + b"1.25," * 200_000 + b"1]}"
    await patient.pour(bytes((0x81, 127)) + len(text).to_bytes(8, "big") + text)


async def _pings(patient: Patient) -> None:
    await patient.pour(b"\x89\x04ping" * 5_000)


async def _garbage(patient: Patient) -> None:
    text = b'{"payloadType":"\\ud800' + b"\x80\xff" * 400
    await patient.pour((bytes((0x82, 126)) + len(text).to_bytes(2, "big") + text) * 50)


async def _dripped_frame(patient: Patient) -> None:
    await patient.say(bytes((0x81, 126)) + (30_000).to_bytes(2, "big"))
    await patient.drip()


async def _half_close(patient: Patient) -> None:
    """Say that it is over, and stay."""
    await patient.say(b"\x88\x02\x03\xe8")
    await patient.nothing()
    await asyncio.sleep(3600)


async def _deaf(patient: Patient) -> None:
    patient.reader._transport.pause_reading()  # type: ignore[attr-defined] # that is the sickness
    await asyncio.sleep(3600)


_ALL: Final = (
    # First: an order that is lost is in doubt for minutes at some brokers.
    Mood("orders-lost", Kind.ANSWER, _silent, commands_only=True),
    Mood("ws-orders-lost", Kind.FRAMES, _silent, commands_only=True),
    Mood("silent", Kind.ANSWER, _silent),
    Mood("silent-after", Kind.ANSWER, _silent, takes=True),
    Mood("drip-head", Kind.ANSWER, _drip_head),
    Mood("drip-body", Kind.ANSWER, _drip_body, takes=True),
    Mood("redirect-loop", Kind.ANSWER, _redirect_to_itself),
    Mood("redirect-away", Kind.ANSWER, _redirect_away),
    Mood("endless-body", Kind.ANSWER, _endless_body),
    Mood("huge-length", Kind.ANSWER, _huge_length),
    Mood("gzip-bomb", Kind.ANSWER, _gzip_bomb, takes=True),
    Mood("endless-head", Kind.ANSWER, _endless_head),
    Mood("endless-continue", Kind.ANSWER, _endless_continue),
    Mood("broken-json", Kind.ANSWER, _broken_json, takes=True),
    Mood("deep-json", Kind.ANSWER, _deep_json),
    Mood("upside-down-json", Kind.ANSWER, _upside_down_json),
    Mood("orders-silent", Kind.ANSWER, _silent, takes=True, commands_only=True),
    Mood("orders-endless", Kind.ANSWER, _endless_body, takes=True, commands_only=True),
    Mood("orders-broken-json", Kind.ANSWER, _broken_json, takes=True, commands_only=True),
    Mood("orders-redirected", Kind.ANSWER, _redirect_away, commands_only=True),
    Mood("hang-up", Kind.CLOSED, _hang_up),
    Mood("hang-at-accept", Kind.CLOSED, _silent),
    Mood("ws-endless-message", Kind.STREAM, _endless_message),
    Mood("ws-flood", Kind.STREAM, _flood),
    Mood("ws-huge-frame", Kind.STREAM, _huge_frame),
    Mood("ws-large-frames", Kind.STREAM, _large_frames),
    Mood("ws-pings", Kind.STREAM, _pings),
    Mood("ws-deaf", Kind.STREAM, _deaf),
    Mood("ws-silent", Kind.STREAM, _silent),
    Mood("ws-drip", Kind.STREAM, _dripped_frame),
    Mood("ws-garbage", Kind.STREAM, _garbage),
    Mood("ws-half-closed", Kind.STREAM, _half_close),
    Mood("ws-orders-silent", Kind.FRAMES, _silent, takes=True, commands_only=True),
    Mood("ws-orders-endless", Kind.FRAMES, _endless_message, takes=True, commands_only=True),
    Mood("ws-orders-broken", Kind.FRAMES, _garbage, takes=True, commands_only=True),
)
MOODS: Final = {mood.name: mood for mood in _ALL}


def moods_for(*, frames: bool) -> tuple[str, ...]:
    """Name the moods that a broker can be in: the orders of one go over its websocket, those of another over HTTP."""
    other = Kind.ANSWER if frames else Kind.FRAMES
    return tuple(mood.name for mood in _ALL if not (mood.commands_only and mood.kind is other))
