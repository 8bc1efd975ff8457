"""Subscribers that remember their cursor, lose their stream, and resume."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Generic, TypeVar

import grpc
from brokerapi.v1 import fills_pb2, orders_pb2, streams_pb2
from google.protobuf.duration_pb2 import Duration

from tests.fixtures.bare_client import BareClient

_HEARTBEAT: Final = Duration(seconds=1)

Event = TypeVar("Event", orders_pb2.OrderEvent, fills_pb2.FillEvent)


class Subscriber(ABC, Generic[Event]):
    """What a subscriber of one account has seen over all its streams, in the order of arrival."""

    def __init__(self, account: str, start: streams_pb2.StreamStart) -> None:
        self.account = account
        self.events: list[Event] = []
        self.cursor = ""
        self.opened = False
        self.ending: streams_pb2.Terminating | None = None
        self.ending_at_s = 0.0
        self.trailer: dict[str, Any] = {}
        self.breaks: list[str] = []
        self.gaps: list[streams_pb2.Gap] = []
        self._first_start = start
        self._covered: int | None = None
        self._heartbeats = 0
        self._news = asyncio.Event()

    @property
    def sequences(self) -> list[int]:
        """The place of every event in the account's record."""
        return [event.header.sequence for event in self.events]

    async def follow(self, client: BareClient) -> grpc.StatusCode:
        """Read from where the last stream ended until this one ends, and tell how it ended."""
        self.opened = False
        self._covered = None
        start = streams_pb2.StreamStart(cursor=self.cursor) if self.cursor else self._first_start
        try:
            async for message in self._open(client, start):
                self._take(message)
                self._news.set()
        except grpc.aio.AioRpcError as ended:
            self.trailer = dict(ended.trailing_metadata() or ())
            return ended.code()
        return grpc.StatusCode.OK

    async def until(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Wait until a condition on what was seen holds; the chain of sequences must not have a break by then."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._news.clear()
                await self._news.wait()
        assert self.breaks == []

    async def until_opened(self) -> None:
        """Wait for the word that opens every stream."""
        await self.until(lambda: self.opened)

    async def until_quiet(self) -> None:
        """Wait for two more heartbeats: whatever was on its way has come."""
        before = self._heartbeats
        await self.until(lambda: self._heartbeats >= before + 2)

    @abstractmethod
    def _open(self, client: BareClient, start: streams_pb2.StreamStart) -> AsyncIterator[Any]: ...

    def _take(self, message: Any) -> None:
        match message.WhichOneof("message"):
            case "subscribed":
                self.opened = True
                self.cursor = self.cursor or message.subscribed.latest_cursor
            case "snapshot_complete":
                self.cursor = message.snapshot_complete.cursor
            case "event":
                self._take_event(message.event)
            case "heartbeat":
                self._heartbeats += 1
                self.cursor = message.heartbeat.cursor
                self._covered = message.heartbeat.sequences[self.account]
            case "gap":
                self.gaps.append(message.gap)
            case "terminating":
                self.ending = message.terminating
                self.ending_at_s = asyncio.get_running_loop().time()
            case _:
                pass

    def _take_event(self, event: Event) -> None:
        header = event.header
        if self._covered not in {None, header.previous_sequence}:
            self.breaks.append(f"covered {self._covered}, yet {header.sequence} follows {header.previous_sequence}")
        self._covered = header.sequence
        self.cursor = header.cursor
        self.events.append(event)


class OrderSubscriber(Subscriber[orders_pb2.OrderEvent]):
    """Follows the orders."""

    def _open(self, client: BareClient, start: streams_pb2.StreamStart) -> AsyncIterator[Any]:
        request = orders_pb2.SubscribeOrdersRequest(
            account_ids=[self.account], start=start, heartbeat_interval=_HEARTBEAT
        )
        return aiter(client.orders.SubscribeOrders(request, metadata=client.identity))


class FillSubscriber(Subscriber[fills_pb2.FillEvent]):
    """Follows the fills."""

    def _open(self, client: BareClient, start: streams_pb2.StreamStart) -> AsyncIterator[Any]:
        request = fills_pb2.SubscribeFillsRequest(
            account_ids=[self.account], start=start, heartbeat_interval=_HEARTBEAT
        )
        return aiter(client.fills.SubscribeFills(request, metadata=client.identity))
