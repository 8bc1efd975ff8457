"""Streams over a real channel: batches, gaps, conflation, and a record that fails or moves on under a reader."""

from decimal import Decimal
from typing import Any

import grpc
from brokerapi.v1 import fills_pb2, positions_pb2, streams_pb2
from grpc import aio

from brokergw.desk.streams.pages import CursorExpired
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import FeedGap, PositionChange
from brokergw.rpc.wire.cursor import Cursors
from tests.fixtures.edge import CURSOR_KEY, KEY, Edge, Reading, refusal_of, refused
from tests.fixtures.edge_samples import ACCOUNT, NOW_NS, a_fill


def _fills(edge: Edge, **fields: Any) -> Reading:
    return Reading(edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(**fields), metadata=KEY))


async def _ended(stream: Reading) -> aio.AioRpcError:
    """Read to the end and give the status."""
    try:
        while True:
            await stream.read()
    except aio.AioRpcError as error:
        return error


async def test_events_come_together_for_who_asks(edge: Edge) -> None:
    """With `max_batch` events that are there together share a message, each as it would have come alone."""
    for n in range(5):
        edge.desk.happen(a_fill(fill_id=f"fil_{n}"))
    start = streams_pb2.StreamStart(cursor=_fills_cursor())
    singly, together = _fills(edge, start=start), _fills(edge, start=start, max_batch=3)
    for stream in (singly, together):
        await stream.read()
    alone = [(await singly.read()).event for _ in range(5)]
    batches = [(await together.read()).batch for _ in range(2)]
    assert [len(batch.events) for batch in batches] == [3, 2]
    assert [event for batch in batches for event in batch.events] == alone
    edge.desk.happen(a_fill(fill_id="fil_5"))
    assert (await together.read()).event.fill.fill_id == "fil_5"
    for stream in (singly, together):
        stream.cancel()


def _fills_cursor() -> str:
    """Make a cursor at the very beginning, as a mutation's answer would carry it."""
    return Cursors(CURSOR_KEY, lambda: "epoch-1").issue("ann", {ACCOUNT: 0})


async def test_a_negative_batch_is_refused(edge: Edge) -> None:
    """The size of a batch is a count."""
    refusal = await refused(_fills(edge, max_batch=-1).read())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")


async def test_a_gap_has_its_place_and_does_not_break_the_chain(edge: Edge) -> None:
    """A gap tells its sequence and a cursor that can be used; the next event follows the event before it."""
    stream = _fills(edge)
    await stream.read()
    edge.desk.happen(a_fill(fill_id="fil_1"))
    edge.desk.happen(FeedGap(ACCOUNT, "mock", NOW_NS, None))
    edge.desk.happen(a_fill(fill_id="fil_2"))
    first, gap, second = [await stream.read() for _ in range(3)]
    assert (gap.gap.header.sequence, gap.gap.header.previous_sequence) == (2, 1)
    assert (second.event.header.sequence, second.event.header.previous_sequence) == (3, first.event.header.sequence)
    stream.cancel()
    again = _fills(edge, start=streams_pb2.StreamStart(cursor=gap.gap.header.cursor))
    await again.read()
    assert (await again.read()).event.fill.fill_id == "fil_2"
    again.cancel()


async def test_a_record_that_fails_ends_the_stream_with_its_cursor(edge: Edge) -> None:
    """When the record cannot be read on, the end is announced with the place where to go on."""
    stream = _fills(edge)
    await stream.read()
    edge.desk.happen(a_fill())
    cursor = (await stream.read()).event.header.cursor
    edge.desk.record_fails = GatewayError(Reason.JOURNAL_UNAVAILABLE, "the journal cannot be read now")
    edge.desk.heartbeat()
    last = (await stream.read()).terminating
    assert (last.reason, last.resume_cursor) == (streams_pb2.TERMINATION_REASON_FAILED, cursor)
    refusal = refusal_of(await _ended(stream))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE")
    assert refusal.trailing["x-last-cursor"] == cursor


async def test_a_stream_that_the_record_overtakes_learns_where_to_go_on(edge: Edge) -> None:
    """Events pruned under a reading stream end it with the earliest cursor, never with a silent skip."""
    stream = _fills(edge)
    await stream.read()
    edge.desk.record_fails = CursorExpired({ACCOUNT: 40})
    edge.desk.heartbeat()
    assert (await stream.read()).terminating.reason == streams_pb2.TERMINATION_REASON_FAILED
    refusal = refusal_of(await _ended(stream))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")
    assert Cursors(CURSOR_KEY, lambda: "epoch-1").read(refusal.metadata["earliestCursor"], "ann") == {ACCOUNT: 40}


async def test_a_conflated_position_says_how_many_it_stands_for(edge: Edge) -> None:
    """A position that stands for earlier ones carries their number."""
    stream = Reading(edge.positions.SubscribePositions(positions_pb2.SubscribePositionsRequest(), metadata=KEY))
    await stream.read()
    edge.desk.conflated = {1: 7}
    edge.desk.happen(PositionChange(ACCOUNT, "mock", "AAPL", Decimal(3)))
    event = (await stream.read()).event
    assert (event.position.quantity, event.conflated_count) == ("3", 7)
    stream.cancel()
