import asyncio

import grpc
import pytest

from brokergw.client import Backoff, Client
from tests.fixtures.fake_gateway import API_KEY, Failure, FakeGateway, Silence
from tests.fixtures.fake_streams import fill, subscribed, take, until

GONE = Failure(grpc.StatusCode.UNAVAILABLE)


async def test_closing_wakes_the_reader_that_waits(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """`aclose` from another task ends the iteration without an error, and the call on the server."""
    fake_gateway.script("SubscribeFills", [subscribed(), fill(7), Silence()])
    stream = quick_client.fills()

    async def read_all() -> list[int]:
        return [event.header.sequence async for event in stream]

    reader = asyncio.create_task(read_all())
    await until(lambda: stream.cursor == "c7")
    await stream.aclose()

    async with asyncio.timeout(2):
        assert await reader == [7]


async def test_closing_ends_a_wait_for_the_next_attempt(fake_gateway: FakeGateway) -> None:
    """A stream that waits to come back is closed at once, too."""
    patient = Backoff(first_s=60.0, longest_s=60.0)
    fake_gateway.script("SubscribeFills", [subscribed(), fill(7), GONE])
    async with Client(fake_gateway.target, API_KEY, backoff=patient) as client:
        stream = client.fills()
        await take(stream, 1)
        reader = asyncio.create_task(anext(stream, None))
        await until(lambda: not stream.connected)
        await stream.aclose()
        async with asyncio.timeout(2):
            assert await reader is None


async def test_cancelling_the_reader_cancels_it(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """A task that is cancelled while it reads ends as cancelled, not as if the stream had ended."""
    fake_gateway.script("SubscribeFills", [subscribed(), Silence()])
    stream = quick_client.fills()
    reader = asyncio.create_task(anext(stream))
    await until(lambda: stream.connected)
    reader.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_closing_the_client_ends_its_streams(fake_gateway: FakeGateway) -> None:
    """No reader is left hanging when the client goes."""
    fake_gateway.script("SubscribeFills", [subscribed(), Silence()])
    async with Client(fake_gateway.target, API_KEY) as client:
        stream = client.fills()
        reader = asyncio.create_task(anext(stream, None))
        await until(lambda: stream.connected)

    async with asyncio.timeout(2):
        assert await reader is None
