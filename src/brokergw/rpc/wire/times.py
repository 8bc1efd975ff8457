"""Instants and spans: Unix nanoseconds inside, Timestamp and Duration on the wire."""

from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from brokergw.rpc.wire.found import Found

NANOSECONDS: Final = 1_000_000_000
_SECONDS_MIN: Final = -62_135_596_800
_SECONDS_MAX: Final = 253_402_300_799


def time_to_proto(time_ns: int) -> Timestamp:
    """Write an instant."""
    seconds, nanos = divmod(time_ns, NANOSECONDS)
    return Timestamp(seconds=seconds, nanos=nanos)


def optional_time(time_ns: int | None) -> Timestamp | None:
    """Write an instant that may be unknown; None leaves the field unset."""
    return None if time_ns is None else time_to_proto(time_ns)


def duration_to_proto(seconds: float) -> Duration:
    """Write a span of seconds, to the nanosecond."""
    whole, nanos = divmod(round(seconds * NANOSECONDS), NANOSECONDS)
    return Duration(seconds=whole, nanos=nanos)


def time_from(stamp: Timestamp, field: str, found: Found) -> int:
    """Read an instant; notes one outside the years 1 to 9999."""
    if not (_SECONDS_MIN <= stamp.seconds <= _SECONDS_MAX and 0 <= stamp.nanos < NANOSECONDS):
        found.add(field, "is not a time between the years 1 and 9999")
    return stamp.seconds * NANOSECONDS + stamp.nanos


def seconds_from(span: Duration) -> float:
    """Read a span as seconds."""
    return span.seconds + span.nanos / NANOSECONDS
