"""Streams over a real channel: opening, events, resuming, ending, and the slot they hold."""

import asyncio
from decimal import Decimal
from typing import Any

import grpc
import pytest
from brokerapi.v1 import fills_pb2, fills_pb2_grpc, orders_pb2, positions_pb2, streams_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from brokergw.desk.streams.pages import CursorExpired
from brokergw.desk.streams.watch import FromNow, FromPositions, FromSnapshot, FromTime
from brokergw.model.events import FeedGap, PositionChange
from brokergw.model.order import Fill
from brokergw.rpc.settings import RateSettings
from brokergw.rpc.wire.fills import fill_to_proto
from tests.fixtures.edge import KEY, Edge, MakeEdge, Reading, a_submit, refusal_of, refused
from tests.fixtures.edge_samples import ACCOUNT, NOW_NS, a_fill, an_order

FROM_SNAPSHOT = streams_pb2.StreamStart(snapshot=True)


def _fills(edge: Edge, **fields: Any) -> Reading:
    return Reading(edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(**fields), metadata=KEY))


def _orders(edge: Edge, **fields: Any) -> Reading:
    return Reading(edge.orders.SubscribeOrders(orders_pb2.SubscribeOrdersRequest(**fields), metadata=KEY))


async def _ended(stream: Reading, seen: list[int] | None = None) -> aio.AioRpcError:
    """Read to the end, note the sequences on the way, and give the status."""
    try:
        while True:
            message = await stream.read()
            if seen is not None:
                seen.append(message.event.header.sequence)
    except aio.AioRpcError as error:
        return error


async def test_a_stream_opens_at_once_and_tells_where_it_stands(edge: Edge) -> None:
    """The headers and Subscribed come before anything has happened, with both ends of the record."""
    stream = _fills(edge, heartbeat_interval=Duration(seconds=5))
    assert dict(await stream.call.initial_metadata())["x-request-id"]
    subscribed = (await stream.read()).subscribed
    assert list(subscribed.account_ids) == [ACCOUNT]
    assert (subscribed.heartbeat_interval.seconds, subscribed.epoch) == (5, "epoch-1")
    assert subscribed.stream_id.startswith("str_")
    assert subscribed.earliest_cursor
    assert subscribed.latest_cursor
    assert edge.desk.seen[-1][2].heartbeat_s == 5
    stream.cancel()


async def test_events_carry_their_place_and_their_payload(edge: Edge) -> None:
    """A joined event is an ordinary message: header with previous sequence and cursor, then the fill."""
    stream = _fills(edge)
    await stream.read()
    edge.desk.happen(an_order())
    edge.desk.happen(a_fill())
    event = (await stream.read()).event
    header = event.header
    assert (header.account_id, header.sequence, header.previous_sequence) == (ACCOUNT, 2, 0)
    assert header.publish_time.nanos == 3
    assert (event.fill.fill_id, event.fill.quantity) == ("fil_1", "4")
    edge.desk.happen(a_fill(fill_id="fil_2"))
    later = (await stream.read()).event
    assert (later.header.sequence, later.header.previous_sequence) == (3, 2)
    assert later.header.cursor != header.cursor
    stream.cancel()


async def test_every_kind_streams_its_own_events(edge: Edge) -> None:
    """Orders, fills and positions each show their kind, with the snapshot that the kind has."""
    orders, fills = _orders(edge, start=FROM_SNAPSHOT), _fills(edge, start=FROM_SNAPSHOT)
    positions = Reading(
        edge.positions.SubscribePositions(positions_pb2.SubscribePositionsRequest(start=FROM_SNAPSHOT), metadata=KEY)
    )
    heads = [[(await stream.read()) for _ in range(n)] for stream, n in ((orders, 3), (fills, 2), (positions, 3))]
    kinds = [[message.WhichOneof("message") for message in head] for head in heads]
    assert kinds == [
        ["subscribed", "snapshot_item", "snapshot_complete"],
        ["subscribed", "snapshot_complete"],
        ["subscribed", "snapshot_item", "snapshot_complete"],
    ]
    assert heads[0][1].snapshot_item.order_id == "ord_1"
    assert heads[2][1].snapshot_item.average_price == "187.4"
    assert (heads[0][2].snapshot_complete.item_count, heads[1][1].snapshot_complete.item_count) == (1, 0)
    edge.desk.happen(an_order(order_id="ord_2"))
    edge.desk.happen(a_fill())
    edge.desk.happen(PositionChange(ACCOUNT, "mock", "AAPL", Decimal(0)))
    assert (await orders.read()).event.order.order_id == "ord_2"
    assert (await fills.read()).event.fill.fill_id == "fil_1"
    position = (await positions.read()).event.position
    assert (position.symbol, position.quantity, position.closed) == ("AAPL", "0", True)
    for stream in (orders, fills, positions):
        stream.cancel()


async def test_a_stream_resumes_after_its_cursor(edge: Edge) -> None:
    """Starting from an event's cursor gives everything after that event, and nothing twice."""
    stream = _fills(edge)
    await stream.read()
    for n in range(3):
        edge.desk.happen(a_fill(fill_id=f"fil_{n}"))
    cursor = (await stream.read()).event.header.cursor
    stream.cancel()
    again = _fills(edge, start=streams_pb2.StreamStart(cursor=cursor))
    await again.read()
    assert [(await again.read()).event.fill.fill_id for _ in range(2)] == ["fil_1", "fil_2"]
    assert edge.desk.seen[-1][2].start == FromPositions({ACCOUNT: 1})
    again.cancel()


async def test_a_cursor_fits_its_own_stream_only(edge: Edge) -> None:
    """A cursor under another kind, filter or owner is refused; that of a mutation fits every stream of its owner."""
    stream = _fills(edge, symbols=["AAPL"])
    cursor = (await stream.read()).subscribed.latest_cursor
    stream.cancel()
    start = streams_pb2.StreamStart(cursor=cursor)
    same = _fills(edge, symbols=["AAPL", "AAPL"], start=start)
    assert (await same.read()).HasField("subscribed")
    same.cancel()
    for other in (_fills(edge, start=start), _orders(edge, symbols=["AAPL"], start=start)):
        refusal = await refused(other.read())
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_FILTER_MISMATCH")
    request = fills_pb2.SubscribeFillsRequest(symbols=["AAPL"], start=start)
    foreign = Reading(edge.fills.SubscribeFills(request, metadata=(("x-api-key", "brk_other"),)))
    assert (await refused(foreign.read())).reason == "CURSOR_INVALID"
    written = await edge.orders.SubmitOrder(a_submit(), metadata=KEY)
    for stream in (
        _fills(edge, start=streams_pb2.StreamStart(cursor=written.cursor)),
        _orders(edge, start=start_of(written)),
    ):
        assert (await stream.read()).HasField("subscribed")
        stream.cancel()


def start_of(answer: orders_pb2.SubmitOrderResponse) -> streams_pb2.StreamStart:
    """Start after a mutation."""
    return streams_pb2.StreamStart(cursor=answer.cursor)


async def test_every_start_reaches_the_desk(edge: Edge) -> None:
    """No start, from_now, a time and a snapshot are what the desk is asked for."""
    starts = [
        (streams_pb2.StreamStart(), FromNow()),
        (streams_pb2.StreamStart(from_now=True), FromNow()),
        (streams_pb2.StreamStart(since_time=Timestamp(seconds=7, nanos=8)), FromTime(7 * 10**9 + 8)),
        (FROM_SNAPSHOT, FromSnapshot()),
    ]
    for start, expected in starts:
        stream = _fills(edge, start=start, account_ids=[ACCOUNT], symbols=["A"])
        await stream.read()
        request = edge.desk.seen[-1][2]
        assert (request.start, request.account_ids, request.symbols) == (expected, (ACCOUNT,), frozenset({"A"}))
        stream.cancel()


async def test_heartbeats_and_gaps_are_told(edge: Edge) -> None:
    """A heartbeat moves the cursor and shows freshness; a gap shows whether it is open."""
    stream = _orders(edge)
    await stream.read()
    edge.desk.heartbeat()
    beat = (await stream.read()).heartbeat
    assert (dict(beat.sequences), beat.brokers[0].connected) == ({ACCOUNT: 0}, True)
    assert beat.cursor
    assert beat.server_time.seconds == edge.clock.now_ns() // 10**9
    for to_ns, state in ((None, streams_pb2.GAP_STATE_OPEN), (NOW_NS + 9, streams_pb2.GAP_STATE_RECONCILED)):
        edge.desk.happen(FeedGap(ACCOUNT, "mock", NOW_NS, to_ns))
        gap = (await stream.read()).gap
        assert (gap.state, gap.HasField("to_time")) == (state, to_ns is not None)
    stream.cancel()


async def test_a_drain_ends_a_stream_with_its_cursor(edge: Edge) -> None:
    """Draining announces the end, then UNAVAILABLE with the cursor to resume from in the trailer too."""
    stream = _fills(edge)
    await stream.read()
    edge.desk.happen(a_fill())
    cursor = (await stream.read()).event.header.cursor
    edge.desk.drain()
    last = (await stream.read()).terminating
    assert (last.reason, last.resume_cursor) == (streams_pb2.TERMINATION_REASON_DRAINING, cursor)
    refusal = refusal_of(await _ended(stream))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
    assert refusal.trailing["x-last-cursor"] == cursor
    assert refusal.details["RetryInfo"].retry_delay.seconds == 1


async def test_a_revoked_key_ends_its_streams_at_the_next_heartbeat(edge: Edge) -> None:
    """The key of a stream is looked up again at each heartbeat, and the stream ends when it no longer holds."""
    stream = _fills(edge)
    await stream.read()
    edge.authenticator.revoked.add("brk_good")
    edge.desk.heartbeat()
    await stream.read()
    assert (await stream.read()).terminating.reason == streams_pb2.TERMINATION_REASON_CREDENTIAL_ENDED
    refusal = refusal_of(await _ended(stream))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "API_KEY_REVOKED")
    assert refusal.trailing["x-last-cursor"]


async def test_a_busy_stream_looks_its_key_up_too(edge: Edge) -> None:
    """Where events leave no room for heartbeats, the time that has passed brings the look-up."""
    stream = _fills(edge)
    await stream.read()
    edge.authenticator.revoked.add("brk_good")
    edge.clock.advance(16)
    edge.desk.happen(a_fill())
    assert refusal_of(await _ended(stream)).reason == "API_KEY_REVOKED"


async def test_a_scope_that_is_taken_away_ends_the_stream(edge: Edge) -> None:
    """A key that lost the stream's scope ends it with PERMISSION_DENIED."""
    stream = _fills(edge)
    await stream.read()
    edge.authenticator.keys["brk_good"] = edge.authenticator.keys["brk_reader"].__class__("ann", "key_1", frozenset())
    edge.desk.heartbeat()
    assert refusal_of(await _ended(stream)).reason == "SCOPE_MISSING"


async def test_a_stream_ends_at_its_age(make_edge: MakeEdge) -> None:
    """With a greatest age set, a stream ends itself so that clients spread over the servers anew."""
    edge = await make_edge(stream_age_max_s=60.0)
    stream = _fills(edge)
    await stream.read()
    edge.clock.advance(61)
    edge.desk.heartbeat()
    told = await stream.read()
    if not told.HasField("terminating"):
        # The heartbeat may be told before the age is looked at, or not any more.
        told = await stream.read()
    assert told.terminating.reason == streams_pb2.TERMINATION_REASON_MAX_AGE
    refusal = refusal_of(await _ended(stream))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STREAM_MAX_AGE")


async def test_streams_are_limited_and_a_slot_is_free_at_once(make_edge: MakeEdge) -> None:
    """One stream too many is refused with the open ones named; a cancelled one frees its slot and its watch."""
    edge = await make_edge(rates=RateSettings(streams_max=2))
    first, second = _fills(edge), _orders(edge)
    ids = [(await stream.read()).subscribed.stream_id for stream in (first, second)]
    refusal = await refused(_fills(edge).read())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STREAM_LIMIT")
    assert refusal.metadata["open_streams"].split(",") == sorted(ids)
    assert refusal.details["QuotaFailure"].violations[0].subject == "streams"
    first.cancel()
    while edge.desk.open_watches > 1:
        await asyncio.sleep(0.01)
    third = _fills(edge)
    assert (await third.read()).HasField("subscribed")
    for stream in (second, third):
        stream.cancel()


async def test_a_refusal_of_the_desk_reaches_the_client(edge: Edge) -> None:
    """A cursor that the record no longer reaches is refused with the earliest one, which can be used at once."""
    edge.desk.raises["watch"] = CursorExpired({ACCOUNT: 7})
    refusal = await refused(_fills(edge).read())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")
    del edge.desk.raises["watch"]
    again = _fills(edge, start=streams_pb2.StreamStart(cursor=refusal.metadata["earliestCursor"]))
    assert (await again.read()).HasField("subscribed")
    assert edge.desk.seen[-1][2].start == FromPositions({ACCOUNT: 7})
    again.cancel()


async def test_a_payload_is_serialised_once_for_all_subscribers(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many subscribers there are, each event's payload is written once."""
    from brokergw.rpc.wire import frames as wire

    written: list[str] = []

    def count(fill: Fill) -> fills_pb2.Fill:
        written.append(fill.fill_id)
        return fill_to_proto(fill)

    monkeypatch.setattr(wire, "fill_to_proto", count)
    streams = [_fills(edge) for _ in range(8)]
    for stream in streams:
        await stream.read()
    edge.desk.happen(a_fill())
    assert [(await stream.read()).event.fill.fill_id for stream in streams] == ["fil_1"] * 8
    assert written == ["fil_1"]
    for stream in streams:
        stream.cancel()


async def test_a_client_that_stops_reading_is_let_go(make_edge: MakeEdge) -> None:
    """A stream that nobody reads ends as SLOW_CONSUMER and can be resumed without a loss.

    Its slot is free once its client has read the end, or has gone: until then gRPC holds what is not read.
    """
    edge = await make_edge(stream_stall_max_s=30.0)
    # Small windows, so that little has to be left unread.
    options = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536))
    channel = aio.insecure_channel(f"127.0.0.1:{edge.port}", options=options)
    edge.spare.append(channel)
    stub = fills_pb2_grpc.FillServiceStub(channel)
    slow = Reading(stub.SubscribeFills(fills_pb2.SubscribeFillsRequest(), metadata=KEY))
    await slow.read()
    for n in range(3_000):
        edge.desk.happen(a_fill(fill_id=f"fil_{n}"))
    while edge.desk.open_watches:
        await edge.clock.pass_time(10)
        await asyncio.sleep(0.05)
    assert edge.server.budgets.streams.left("ann") == 99
    seen: list[int] = []
    refusal = refusal_of(await _ended(slow, seen))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "SLOW_CONSUMER")
    assert 0 < len(seen) < 3_000
    while edge.server.budgets.streams.left("ann") < 100:
        await asyncio.sleep(0.01)
    again = _fills(edge, start=streams_pb2.StreamStart(cursor=refusal.trailing["x-last-cursor"]))
    await again.read()
    following = (await again.read()).event.header.sequence
    assert following <= seen[-1] + 1
    again.cancel()
