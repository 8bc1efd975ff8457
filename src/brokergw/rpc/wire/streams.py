"""Streams: what is asked of them, where they start, and the messages that go with their events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from brokerapi.v1 import fills_pb2, orders_pb2, positions_pb2
from brokerapi.v1 import streams_pb2 as pb

from brokergw.desk.streams.watch import (
    Freshness,
    FromNow,
    FromPositions,
    FromSnapshot,
    FromTime,
    Start,
    WatchRequest,
)
from brokergw.model.events import EventKind, FeedGap
from brokergw.rpc.wire.found import Found, token_from
from brokergw.rpc.wire.orders import accounts_from
from brokergw.rpc.wire.times import optional_time, seconds_from, time_from, time_to_proto

_SYMBOLS_MAX: Final = 500
_HEARTBEAT_MIN_S: Final = 1.0
_HEARTBEAT_MAX_S: Final = 60.0
_HEARTBEAT_DEFAULT_S: Final = 15.0
_BATCH_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client asks of a stream, but for its start: a cursor can only be read once its owner is known."""

    kind: EventKind
    account_ids: tuple[str, ...]
    symbols: tuple[str, ...]
    start: pb.StreamStart
    heartbeat_s: float
    batch: int

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


def gap_to_proto(gap: FeedGap) -> pb.Gap:
    """Write a gap, open or closed."""
    return pb.Gap(
        broker=gap.broker,
        account_id=gap.account_id,
        from_time=time_to_proto(gap.from_ns),
        to_time=optional_time(gap.to_ns),
        state=pb.GAP_STATE_OPEN if gap.to_ns is None else pb.GAP_STATE_RECONCILED,
    )


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
        heartbeat_s=heartbeat_from(request, found),
        batch=_batch(request.max_batch, found),
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


def _batch(asked: int, found: Found) -> int:
    if asked < 0:
        found.add("max_batch", "must not be negative")
    return min(max(asked, 1), _BATCH_MAX)


def heartbeat_from(request: Any, found: Found) -> float:
    """Read how many seconds a heartbeat is apart from the next, from any request for a stream."""
    if not request.HasField("heartbeat_interval"):
        return _HEARTBEAT_DEFAULT_S
    seconds = seconds_from(request.heartbeat_interval)
    if not _HEARTBEAT_MIN_S <= seconds <= _HEARTBEAT_MAX_S:
        found.add("heartbeat_interval", "must be 1 to 60 s")
    return seconds
