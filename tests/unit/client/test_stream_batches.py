"""Batches and gaps, as the typed client takes them."""

from typing import Any

import grpc
import pytest
from brokerapi.v1 import fills_pb2, streams_pb2

from brokergw.client import Client, StreamBroken
from tests.fixtures.fake_gateway import Failure, FakeGateway, Silence
from tests.fixtures.fake_streams import fill, header, subscribed, take

Fills = fills_pb2.SubscribeFillsResponse
GONE = Failure(grpc.StatusCode.UNAVAILABLE)


def batch(*messages: Any) -> Any:
    """Put fills into one message."""
    return Fills(batch=fills_pb2.FillEventBatch(events=[message.event for message in messages]))


def gap(sequence: int, previous: int) -> Any:
    """Tell a gap at a place of the record."""
    return Fills(gap=streams_pb2.Gap(header=header(sequence, previous), state=streams_pb2.GAP_STATE_OPEN))


async def test_a_batch_is_yielded_one_by_one(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """The client asks for batches, and its reader does not notice them; the cursor moves with what was yielded."""
    fake_gateway.script("SubscribeFills", [subscribed(), batch(fill(7), fill(8), fill(9)), fill(10), Silence()])
    stream = quick_client.fills(["acc_1"])
    assert [event.fill.fill_id for event in await take(stream, 2)] == ["f7", "f8"]
    assert stream.cursor == "c8"
    assert [event.fill.fill_id for event in await take(stream, 2)] == ["f9", "f10"]
    assert fake_gateway.seen("SubscribeFills")[0].request.max_batch == 128
    await stream.aclose()


async def test_a_resumption_drops_what_a_batch_repeats(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """An event is yielded once, whichever message brings it again."""
    fake_gateway.script(
        "SubscribeFills",
        [subscribed(), batch(fill(7), fill(8)), GONE],
        [subscribed(), batch(fill(8, previous=7), fill(9)), Silence()],
    )
    stream = quick_client.fills(["acc_1"])
    assert [event.fill.fill_id for event in await take(stream, 3)] == ["f7", "f8", "f9"]
    await stream.aclose()


async def test_a_hole_within_a_batch_is_found(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """Events of a batch are checked like any others; what follows a hole is not yielded."""
    holed = [subscribed(), batch(fill(7), fill(9, previous=8), fill(10))]
    fake_gateway.script("SubscribeFills", holed, [subscribed(), fill(9, previous=8), Silence()])
    stream = quick_client.fills(["acc_1"])
    assert [event.fill.fill_id for event in await take(stream, 1)] == ["f7"]
    with pytest.raises(StreamBroken):
        await take(stream, 1)


async def test_a_gap_comes_once_and_breaks_no_chain(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """A gap that a resumption repeats is dropped; the stream can resume from it, and events chain over it."""
    fake_gateway.script(
        "SubscribeFills",
        [subscribed(), fill(7), gap(8, 7), GONE],
        [subscribed(), gap(8, 7), fill(9, previous=7), Silence()],
    )
    stream = quick_client.fills(["acc_1"], raw=True)
    items = await take(stream, 5)
    kinds = [type(item).__name__ for item in items]
    assert kinds == ["Subscribed", "FillEvent", "Gap", "Subscribed", "FillEvent"]
    assert [call.request.start.cursor for call in fake_gateway.seen("SubscribeFills")] == ["", "c8"]
    await stream.aclose()
