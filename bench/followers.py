"""Subscribers that leave and come back, and others that never read: what each sees, and what is wrong with it."""

import asyncio
import hashlib
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from brokerapi.v1 import fills_pb2, fills_pb2_grpc, streams_pb2
from google.protobuf.duration_pb2 import Duration

_HEARTBEAT: Final = Duration(seconds=1)
_ABSENT_S_MAX: Final = 0.3
_SILENT_CHANNEL: Final = (("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0))
"""A connection of its own, whose window does not grow: so little has to be left unread before the gateway notices."""

Stub = fills_pb2_grpc.FillServiceStub
Metadata = tuple[tuple[str, str], ...]


@dataclass
class Follower:
    """One subscriber of an account's fills, from the beginning of the record on.

    `covered` is the last sequence seen, None where that is not known.
    `faults` says what was lost, doubled or out of order; `resumptions` counts the connections after the first.
    """

    account_id: str
    metadata: Metadata
    max_batch: int = 1
    sequences: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    resumptions: int = -1
    cursor: str = ""
    covered: int | None = 0
    heartbeats: int = 0
    status: grpc.StatusCode | None = None
    trailer: dict[str, Any] = field(default_factory=dict)

    def open(self, stub: Stub) -> Any:
        """Begin a stream where the last one ended."""
        start = streams_pb2.StreamStart(cursor=self.cursor)
        if not self.cursor:
            start.since_time.FromSeconds(0)
        request = fills_pb2.SubscribeFillsRequest(
            account_ids=[self.account_id], start=start, heartbeat_interval=_HEARTBEAT, max_batch=self.max_batch
        )
        self.resumptions += 1
        return stub.SubscribeFills(request, metadata=self.metadata)

    async def follow(self, stub: Stub, leave: Callable[[], bool]) -> None:
        """Read one stream until it ends, or until it is time to leave."""
        call = self.open(stub)
        try:
            async for message in call:
                self.take(message)
                if leave():
                    return
        except grpc.aio.AioRpcError as ended:
            self.status = ended.code()
            self.trailer = dict(ended.trailing_metadata() or ())
        finally:
            call.cancel()

    async def read_all(self, stub: Stub) -> None:
        """Read until a whole heartbeat interval has brought nothing."""
        began = self.heartbeats
        await self.follow(stub, lambda: self.heartbeats > began + 1)

    def take(self, message: fills_pb2.SubscribeFillsResponse) -> None:
        """Check one message against everything before it."""
        match message.WhichOneof("message"):
            case "event":
                self._take_event(message.event.header)
            case "batch":
                for event in message.batch.events:
                    self._take_event(event.header)
            case "heartbeat":
                self.heartbeats += 1
                self.cursor = message.heartbeat.cursor
                self.covered = message.heartbeat.sequences[self.account_id]
            case _:
                pass

    def _take_event(self, header: streams_pb2.EventHeader) -> None:
        if header.previous_sequence != self.covered is not None or header.sequence <= header.previous_sequence:
            self.faults.append(f"{self.covered} was covered, then {header.sequence} after {header.previous_sequence}")
        self.covered, self.cursor = header.sequence, header.cursor
        self.sequences.append(header.sequence)

    @property
    def digest(self) -> str:
        """The sequences seen, in short."""
        return hashlib.sha256(",".join(map(str, self.sequences)).encode()).hexdigest()[:16]


class Readers:
    """Followers on one connection that leave by chance and come back soon."""

    def __init__(self, target: str, followers: list[Follower], seed: int, leave_chance: float) -> None:
        self.followers = followers
        self._channel = grpc.aio.insecure_channel(target, options=(("grpc.use_local_subchannel_pool", 1),))
        self._stub = Stub(self._channel)
        self._chance = random.Random(seed)  # noqa: S311 - chance of a test, not a secret
        self._leave_chance = leave_chance
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow."""
        self._tasks = [asyncio.create_task(self._keep_following(one)) for one in self.followers]

    async def covered(self, sequence: int) -> None:
        """Wait until every one has seen all up to a sequence."""
        while any((one.covered or 0) < sequence for one in self.followers):
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        """Leave for good."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channel.close()

    async def _keep_following(self, one: Follower) -> None:
        while True:
            await one.follow(self._stub, lambda: self._chance.random() < self._leave_chance)
            await asyncio.sleep(self._chance.uniform(0, _ABSENT_S_MAX))


class Silent:
    """A subscriber that opens its stream on a connection of its own and does not read it."""

    def __init__(self, target: str, follower: Follower) -> None:
        self.follower = follower
        self._channel = grpc.aio.insecure_channel(target, options=_SILENT_CHANNEL)
        self._stub = Stub(self._channel)
        self._call: Any = None

    async def start(self) -> None:
        """Open the stream and read its first message only."""
        self._call = self.follower.open(self._stub)
        self.follower.take(await self._call.read())

    async def wake(self, sequence: int) -> None:
        """Read what was told before the gateway gave it up, and how that ended; or up to a sequence if it did not."""
        try:
            while (self.follower.covered or 0) < sequence and (message := await self._call.read()) is not grpc.aio.EOF:
                self.follower.take(message)
        except grpc.aio.AioRpcError as ended:
            self.follower.status = ended.code()
            self.follower.trailer = dict(ended.trailing_metadata() or ())

    async def catch_up(self, sequence: int) -> None:
        """Resume from the cursor in the trailer, and read up to a sequence."""
        resume = str(self.follower.trailer.get("x-last-cursor", self.follower.cursor))
        behind = Follower(self.follower.account_id, self.follower.metadata, cursor=resume, covered=None)
        while (behind.covered or 0) < sequence:
            await behind.follow(self._stub, lambda: (behind.covered or 0) >= sequence)
        self.follower.faults += behind.faults
        # What was on its way when the gateway gave up may come again, and nothing may be missing between.
        self.follower.sequences = sorted({*self.follower.sequences, *behind.sequences})

    async def end(self) -> None:
        """Leave for good."""
        with suppress(asyncio.CancelledError):
            await self._channel.close()
