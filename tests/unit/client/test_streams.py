import asyncio
from typing import Any

import grpc
import pytest
from brokerapi.v1 import fills_pb2, orders_pb2, positions_pb2, streams_pb2

from brokergw.client import Backoff, Client, GatewayCallError, StreamBroken, Timing
from tests.fixtures.fake_gateway import API_KEY, Failure, FakeGateway, Silence
from tests.fixtures.fake_streams import fill, header, heartbeat, subscribed, take, until

Fills = fills_pb2.SubscribeFillsResponse
Orders = orders_pb2.SubscribeOrdersResponse
Positions = positions_pb2.SubscribePositionsResponse

GONE = Failure(grpc.StatusCode.UNAVAILABLE)
EXPIRED = Failure(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", metadata={"earliestCursor": "c0"})
REVOKED = Failure(grpc.StatusCode.UNAUTHENTICATED, "API_KEY_REVOKED")
SLOW = Failure(grpc.StatusCode.ABORTED, "SLOW_CONSUMER", "NONE", "SAME_KEY")
FULL = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "STREAM_LIMIT", "NONE", "SAME_KEY", 0.001)
BUG = Failure(grpc.StatusCode.INTERNAL, "INTERNAL_ERROR", "NONE", "SAME_KEY")


def starts(gateway: FakeGateway, method: str = "SubscribeFills") -> list[Any]:
    """List where each connection asked to begin."""
    return [call.request.start for call in gateway.seen(method)]


@pytest.mark.parametrize("ending", [[GONE], [], [SLOW], [BUG]], ids=["gone", "ended", "slow", "bug"])
async def test_a_lost_stream_resumes_from_the_last_event(
    fake_gateway: FakeGateway, quick_client: Client, ending: list[Any]
) -> None:
    """However the connection ends, the next one starts after the last event that was told."""
    fake_gateway.script("SubscribeFills", [subscribed(), fill(7), *ending], [subscribed(), fill(8), Silence()])

    stream = quick_client.fills(["acc_1"])
    events = await take(stream, 2)
    await stream.aclose()

    assert [event.fill.fill_id for event in events] == ["f7", "f8"]
    assert [start.cursor for start in starts(fake_gateway)] == ["", "c7"]
    assert stream.cursor == "c8"
    assert stream.resumptions == 1


@pytest.mark.parametrize(("told", "resumed"), [([fill(7)], "c7"), ([], "c9")], ids=["its own", "the one it was given"])
async def test_a_stream_announced_to_end_resumes_from_what_it_was_told(
    fake_gateway: FakeGateway, quick_client: Client, told: list[Any], resumed: str
) -> None:
    """Its own last cursor can be checked against the events that follow; without one, Terminating names the point."""
    ending = streams_pb2.Terminating(reason=streams_pb2.TERMINATION_REASON_DRAINING, resume_cursor="c9")
    fake_gateway.script(
        "SubscribeFills",
        [subscribed(), *told, Fills(terminating=ending), GONE],
        [subscribed(), fill(10, previous=7), Silence()],
    )

    stream = quick_client.fills(start=1_700_000_000_000_000_000)
    await take(stream, len(told) + 1)
    await stream.aclose()

    assert starts(fake_gateway)[1].cursor == resumed


async def test_a_cursor_covers_more_of_other_accounts_than_was_told(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """After a resumption an account may go on beyond its last event: numbers of other kinds were under the cursor."""
    fake_gateway.script(
        "SubscribeFills",
        [subscribed(), fill(40, account="acc_2"), fill(7), GONE],
        [subscribed(), fill(51, previous=50, account="acc_2"), fill(8), Silence()],
    )

    stream = quick_client.fills()
    events = await take(stream, 4)
    await stream.aclose()

    assert [event.header.sequence for event in events] == [40, 7, 51, 8]
    assert stream.resumptions == 1


async def test_a_stream_announced_to_end_waits_as_long_as_it_was_told(fake_gateway: FakeGateway) -> None:
    """The gateway's retry_after is the least wait before the stream comes back."""
    ending = streams_pb2.Terminating(reason=streams_pb2.TERMINATION_REASON_DRAINING)
    ending.retry_after.FromMilliseconds(1500)
    fake_gateway.script("SubscribeFills", [subscribed(), fill(7), Fills(terminating=ending)], [subscribed(), fill(8)])
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with Client(fake_gateway.target, API_KEY, timing=Timing(sleep=sleep, roll=lambda: 0.0)) as client:
        await take(client.fills(), 2)

    assert slept == [1.5]
    assert starts(fake_gateway)[1].cursor == "c7"


async def test_a_stream_announced_to_end_that_does_not_is_left(
    fake_gateway: FakeGateway, quick_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Terminating the client does not wait three heartbeats for the end."""
    monkeypatch.setattr("brokergw.client.subscription._ENDING_S", 0.02)
    ending = Fills(terminating=streams_pb2.Terminating(resume_cursor="c7"))
    fake_gateway.script("SubscribeFills", [subscribed(), ending, Silence()], [subscribed(), fill(8), Silence()])

    events = await take(quick_client.fills(), 1)

    assert events[0].header.sequence == 8


async def test_silence_beyond_three_heartbeats_is_taken_for_death(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """A connection that looks alive but says nothing is left for another."""
    fake_gateway.script(
        "SubscribeFills", [subscribed(heartbeat_s=0.05), fill(7), Silence()], [subscribed(), fill(8), Silence()]
    )

    stream = quick_client.fills()
    events = await take(stream, 2)
    await stream.aclose()

    assert [event.fill.fill_id for event in events] == ["f7", "f8"]
    assert starts(fake_gateway)[1].cursor == "c7"


async def test_what_was_told_before_is_not_told_again(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Events that the gateway repeats after a resumption are dropped, account by account."""
    fake_gateway.script(
        "SubscribeFills",
        [subscribed(), fill(7), fill(8), GONE],
        [subscribed(), fill(7), fill(8), fill(8, account="acc_2"), fill(9), Silence()],
    )

    stream = quick_client.fills()
    events = await take(stream, 4)
    await stream.aclose()

    told = [(event.header.account_id, event.header.sequence) for event in events]
    assert told == [("acc_1", 7), ("acc_1", 8), ("acc_2", 8), ("acc_1", 9)]


async def test_a_skipped_event_makes_the_stream_resume(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """An event that does not follow the last one told is not yielded; the stream goes back for what is missing."""
    fake_gateway.script(
        "SubscribeFills",
        [subscribed(), fill(7), fill(9, previous=8), Silence()],
        [subscribed(), fill(8), fill(9), Silence()],
    )

    stream = quick_client.fills()
    events = await take(stream, 3)
    await stream.aclose()

    assert [event.header.sequence for event in events] == [7, 8, 9]
    assert starts(fake_gateway)[1].cursor == "c7"


async def test_a_record_with_a_hole_is_an_error(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """When the same events are missing after a resumption too, the stream says so and ends."""
    hole = [subscribed(), fill(9, previous=8), Silence()]
    fake_gateway.script("SubscribeFills", [subscribed(), fill(7), fill(9, previous=8), Silence()], hole)

    stream = quick_client.fills()
    await take(stream, 1)
    with pytest.raises(StreamBroken, match="acc_1"):
        await take(stream, 1)


async def test_numbers_of_other_kinds_are_no_gap(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """A filtered stream skips numbers: what counts is previous_sequence, and heartbeats move it."""
    fake_gateway.script(
        "SubscribeFills",
        [subscribed(), fill(7), fill(12, previous=7), heartbeat("c20", acc_1=20), fill(25, previous=20), GONE],
        [subscribed(), Silence()],
    )

    stream = quick_client.fills(raw=True)
    items = await take(stream, 6)
    await stream.aclose()

    sequences = [item.header.sequence for item in items if isinstance(item, fills_pb2.FillEvent)]
    assert sequences == [7, 12, 25]


async def test_an_idle_stream_resumes_from_its_last_heartbeat(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Heartbeats move the cursor when nothing happens; one without a cursor leaves it."""
    fake_gateway.script(
        "SubscribeFills", [subscribed(), heartbeat("c42"), heartbeat(""), GONE], [subscribed(), fill(43), Silence()]
    )

    stream = quick_client.fills()
    await take(stream, 1)
    await stream.aclose()

    assert starts(fake_gateway)[1].cursor == "c42"


async def test_a_stream_from_now_loses_nothing_when_it_breaks_at_once(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """The record's end as of the subscription is where a stream that was told nothing resumes."""
    fake_gateway.script("SubscribeFills", [subscribed(latest="c5"), GONE], [subscribed(), fill(6), Silence()])

    stream = quick_client.fills()
    await take(stream, 1)
    await stream.aclose()

    assert starts(fake_gateway)[0].from_now
    assert starts(fake_gateway)[1].cursor == "c5"


async def test_a_stream_since_a_time_does_not_jump_to_the_end_of_the_record(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """Before its first event such a stream begins again at its time."""
    fake_gateway.script("SubscribeFills", [subscribed(latest="c5"), GONE], [subscribed(), fill(3), Silence()])

    stream = quick_client.fills(start=1_700_000_000_000_000_000)
    await take(stream, 1)
    await stream.aclose()

    assert all(start.since_time.seconds == 1_700_000_000 for start in starts(fake_gateway))


@pytest.mark.parametrize("ending", [EXPIRED, REVOKED], ids=lambda failure: failure.reason)
async def test_what_a_resumption_cannot_cure_is_raised(
    fake_gateway: FakeGateway, quick_client: Client, ending: Failure
) -> None:
    """An expired cursor or a revoked key ends the stream with its error; afterwards it stays ended."""
    fake_gateway.script("SubscribeFills", [subscribed(), fill(7), ending])

    stream = quick_client.fills(start="c1")
    await take(stream, 1)
    with pytest.raises(GatewayCallError) as failed:
        await take(stream, 1)

    assert failed.value.reason == ending.reason
    assert failed.value.metadata == ending.metadata
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_full_house_refuses_the_first_connection_but_not_a_resumption(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """STREAM_LIMIT is final for a new stream; a stream that had a slot waits for it to be freed."""
    fake_gateway.script("SubscribeFills", [FULL], [subscribed(), fill(7), GONE], [FULL], [subscribed(), fill(8)])

    with pytest.raises(GatewayCallError, match="STREAM_LIMIT"):
        await take(quick_client.fills(), 1)
    stream = quick_client.fills()
    events = await take(stream, 2)
    await stream.aclose()

    assert [event.header.sequence for event in events] == [7, 8]


async def test_a_bug_that_comes_every_time_is_raised(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """A gateway that fails each connection in the same way is not asked for ever."""
    fake_gateway.script("SubscribeFills", *([subscribed(), BUG] for _ in range(10)))

    with pytest.raises(GatewayCallError, match="INTERNAL_ERROR"):
        await take(quick_client.fills(), 1)

    assert len(fake_gateway.seen("SubscribeFills")) == 6


async def test_an_outage_beyond_the_limit_is_raised(fake_gateway: FakeGateway) -> None:
    """A client with a limit learns that its stream has been gone for too long."""
    quick = Backoff(first_s=0.001, longest_s=0.01)
    fake_gateway.script("SubscribeFills", [subscribed(), fill(7), GONE], *([GONE] for _ in range(100)))
    async with Client(fake_gateway.target, API_KEY, backoff=quick, outage_s_max=0.1) as client:
        stream = client.fills()
        await take(stream, 1)
        with pytest.raises(GatewayCallError, match="UNAVAILABLE"):
            await take(stream, 1)


async def test_a_gateway_that_is_not_there_fails_the_stream_within_the_timeout() -> None:
    """The first connection is bounded by the client's timeout."""
    quick = Backoff(first_s=0.01, longest_s=0.05)
    async with Client("127.0.0.1:1", API_KEY, timeout_s=0.3, backoff=quick) as client:
        with pytest.raises(GatewayCallError, match="UNAVAILABLE"):
            await take(client.fills(), 1)


async def test_a_snapshot_comes_first_and_begins_again_when_it_was_cut(
    fake_gateway: FakeGateway, quick_client: Client
) -> None:
    """Until the snapshot is complete there is no cursor to resume from; afterwards there is."""
    opening = Orders(subscribed=streams_pb2.Subscribed(latest_cursor="c5"))
    item = Orders(snapshot_item=orders_pb2.Order(order_id="ord_1"))
    complete = Orders(snapshot_complete=streams_pb2.SnapshotComplete(item_count=1, cursor="c5"))
    change = Orders(event=orders_pb2.OrderEvent(header=header(6), order=orders_pb2.Order(order_id="ord_2")))
    fake_gateway.script(
        "SubscribeOrders", [opening, item, GONE], [opening, item, complete, GONE], [opening, change, Silence()]
    )

    stream = quick_client.orders(start="snapshot")
    events = await take(stream, 3)
    await stream.aclose()

    assert [event.order.order_id for event in events] == ["ord_1", "ord_1", "ord_2"]
    assert [event.HasField("header") for event in events] == [False, False, True]
    first, second, third = starts(fake_gateway, "SubscribeOrders")
    assert first.snapshot
    assert second.snapshot
    assert third.cursor == "c5"


async def test_a_raw_stream_tells_everything(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Raw, the bookkeeping comes as the contract's own messages."""
    gap = streams_pb2.Gap(broker="alpaca", state=streams_pb2.GAP_STATE_OPEN)
    position = positions_pb2.Position(symbol="AAPL")
    fake_gateway.script(
        "SubscribePositions",
        [
            Positions(subscribed=streams_pb2.Subscribed()),
            Positions(snapshot_item=position),
            Positions(snapshot_complete=streams_pb2.SnapshotComplete(cursor="c1")),
            Positions(heartbeat=streams_pb2.Heartbeat(cursor="c2")),
            Positions(gap=gap),
            Positions(event=positions_pb2.PositionEvent(header=header(3), position=position)),
            Positions(),
            Positions(terminating=streams_pb2.Terminating(resume_cursor="c3")),
        ],
    )

    stream = quick_client.positions(start="snapshot", raw=True)
    items = await take(stream, 7)
    await stream.aclose()

    assert [type(item).__name__ for item in items] == [
        "Subscribed",
        "Position",
        "SnapshotComplete",
        "Heartbeat",
        "Gap",
        "PositionEvent",
        "Terminating",
    ]


async def test_a_stream_asks_for_what_its_caller_named(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Accounts, symbols, start and heartbeat interval reach the gateway, and no deadline cuts the stream off."""
    async with quick_client.orders(["acc_1"], symbols=["AAPL"], start="c9", heartbeat_s=2.5) as stream:
        reader = asyncio.create_task(anext(stream, None))
        await until(lambda: bool(fake_gateway.calls))
    await reader

    (call,) = fake_gateway.calls
    assert call.request.account_ids == ["acc_1"]
    assert call.request.symbols == ["AAPL"]
    assert call.request.start.cursor == "c9"
    assert call.request.heartbeat_interval.ToMilliseconds() == 2500
    assert call.metadata["authorization"] == f"Bearer {API_KEY}"
