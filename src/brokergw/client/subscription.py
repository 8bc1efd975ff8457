"""A stream that does not end when a connection does.

It resumes from the last cursor when the gateway goes away, says that it is about to, or falls silent for three
heartbeats; drops what it has told before; and checks that each event follows the one before it in its account's
record. It ends only when it is closed, or with an error that a resumption cannot cure: a cursor that has expired, a key
that has been revoked, a refused request.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, cast

import grpc
from brokerapi.v1 import streams_pb2

from brokergw.client.errors import GatewayCallError, StreamBroken, call_error
from brokergw.client.progress import Progress, Verdict
from brokergw.client.timing import Backoff, Timing

T = TypeVar("T")

HEARTBEATS_MISSED_MAX: Final = 3
"""So many silent heartbeat intervals mean that the stream is dead, whatever the connection says."""

HEARTBEAT_S: Final = 15.0
"""How many seconds apart heartbeats are when nothing else was asked for."""

_ENDING_S: Final = 5.0
_SAME_FAILURE_MAX: Final = 5

_GONE: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED})
_PERHAPS_GONE: Final = frozenset({grpc.StatusCode.ABORTED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPolicy:
    """How patient a stream is; times are seconds.

    `opening_s` bounds the first connection. `outage_s_max` bounds every later outage; None waits for ever.
    """

    opening_s: float
    outage_s_max: float | None
    timing: Timing
    backoff: Backoff


class Subscription(Generic[T]):
    """An endless, self-resuming stream: `async for event in subscription`. One reader at a time.

    Plain, it yields events, each once. With a snapshot start the present state comes first, as events without a header;
    it may begin again when the connection fails before it is complete. Raw, it yields every message, bookkeeping
    included, but repeated events.

    Raises from the iteration:
        GatewayCallError: the stream cannot be resumed, for example OUT_OF_RANGE with CURSOR_EXPIRED.
        StreamBroken: events are missing even after a resumption.
    """

    def __init__(
        self,
        open_call: Callable[[streams_pb2.StreamStart], Any],
        start: streams_pb2.StreamStart,
        policy: StreamPolicy,
        item_of: Callable[[str, Any], T | None],
    ) -> None:
        """Make a stream; it connects when it is first read.

        Args:
            open_call: begins the call from a point of the record.
            start: where to begin.
            policy: how patient to be.
            item_of: turns the name and content of a message into what is yielded, None for nothing.
        """
        self._open_call = open_call
        self._policy = policy
        self._item_of = item_of
        self._progress = Progress(start)
        self._call: Any = None
        self._batch: deque[Any] = deque()
        self._pause: asyncio.Future[None] | None = None
        self._closed = False
        self._connected = False
        self._ever_connected = False
        self._ending = False
        self._heartbeat_s = HEARTBEAT_S
        self._failures = 0
        self._lost_at: float | None = None
        self._wait_at_least_s = 0.0
        self._broken_at: tuple[str, int] | None = None
        self.resumptions = 0

    @property
    def cursor(self) -> str:
        """Where to start another stream so that it misses nothing; empty before anything was told."""
        return self._progress.cursor

    @property
    def connected(self) -> bool:
        """Whether the gateway is telling now."""
        return self._connected

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the stream; a reader that waits in it stops."""
        self._closed = True
        self._hang_up()
        if self._pause is not None:
            self._pause.cancel()

    async def __anext__(self) -> T:
        while not self._closed:
            if self._batch:
                item = self._take("event", self._batch.popleft())
            else:
                item = self._open_message(await self._next_message())
            if item is not None:
                return item
        raise StopAsyncIteration

    async def _next_message(self) -> Any:
        """Read one message; None when the connection was lost, or the stream closed."""
        try:
            if self._call is None:
                await self._connect()
            async with asyncio.timeout(self._silence_s()):
                message = await self._call.read()
        except TimeoutError:
            self._lost(_silent(self._silence_s()))
            return None
        except grpc.aio.AioRpcError as error:
            self._lost(call_error(error))
            return None
        except asyncio.CancelledError:
            # aclose() from another task cancels the call, which must not look as if this task had been cancelled.
            if self._closed and not _being_cancelled():
                return None
            self._hang_up()
            raise
        if message is grpc.aio.EOF:
            self._lost(_ended())
            return None
        return message

    async def _connect(self) -> None:
        if self._failures:
            wait_s = self._policy.backoff.wait_s(self._failures, self._policy.timing.roll(), self._wait_at_least_s)
            self._wait_at_least_s = 0.0
            self._pause = asyncio.ensure_future(self._policy.timing.sleep(wait_s))
            await self._pause
        elif self._lost_at is None:
            self._lost_at = self._policy.timing.monotonic()
        self._call = self._open_call(self._progress.next_start())

    def _open_message(self, message: Any) -> T | None:
        kind = None if message is None else message.WhichOneof("message")
        if kind is None:
            return None
        content = getattr(message, kind)
        if kind == "batch":
            self._batch.extend(content.events)
            return None
        return self._take(kind, content)

    def _take(self, kind: str, content: Any) -> T | None:
        if kind == "event" and not self._is_new(content.header):
            return None
        if kind == "gap" and self._progress.gap(content.header) is not Verdict.NEW:
            return None
        self._note(kind, content)
        return self._item_of(kind, content)

    def _note(self, kind: str, content: Any) -> None:
        match kind:
            case "subscribed":
                self._progress.subscribed(content)
                self._heartbeat_s = content.heartbeat_interval.ToNanoseconds() / 1e9 or HEARTBEAT_S
                self.resumptions += self._ever_connected
                self._connected = self._ever_connected = True
                self._lost_at = None
            case "snapshot_complete":
                self._progress.snapshot_complete(content)
                self._failures = 0
            case "heartbeat":
                self._progress.heartbeat(content)
                self._failures = 0
            case "terminating":
                self._progress.terminating(content)
                self._wait_at_least_s = content.retry_after.ToNanoseconds() / 1e9
                self._ending = True

    def _is_new(self, header: streams_pb2.EventHeader) -> bool:
        verdict = self._progress.event(header)
        if verdict is Verdict.BROKEN:
            at = (header.account_id, self._progress.covered[header.account_id])
            if at == self._broken_at:
                self._hang_up()
                told = f"{at[1]} was the last told, then came what follows {header.previous_sequence}"
                raise StreamBroken(f"the record of {at[0]} is broken, also after a resumption: {told}")
            self._broken_at = at
            self._lost(_skipped(header.account_id))
        if verdict is Verdict.NEW:
            self._failures = 0
        return verdict is Verdict.NEW

    def _silence_s(self) -> float:
        if self._ending:
            return _ENDING_S
        return self._heartbeat_s * HEARTBEATS_MISSED_MAX if self._connected else self._policy.opening_s

    def _lost(self, failure: GatewayCallError) -> None:
        """Note a lost connection; raise when it is not worth another."""
        self._hang_up()
        self._failures += 1
        now = self._policy.timing.monotonic()
        self._lost_at = now if self._lost_at is None else self._lost_at
        self._wait_at_least_s = max(self._wait_at_least_s, failure.retry_after_s or 0.0)
        if not self._curable(failure) or self._out_of_patience(now - self._lost_at):
            self._closed = True
            raise failure

    def _curable(self, failure: GatewayCallError) -> bool:
        if failure.code in _GONE:
            return True
        if failure.code in _PERHAPS_GONE:
            return self._failures <= _SAME_FAILURE_MAX
        # The slot of the lost connection may not be free yet; a first connection over the limit is refused for good.
        throttled = failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED and failure.retry_after_s is not None
        return throttled and self._ever_connected

    def _out_of_patience(self, outage_s: float) -> bool:
        limit = self._policy.outage_s_max if self._ever_connected else self._policy.opening_s
        return limit is not None and outage_s >= limit

    def _hang_up(self) -> None:
        self._connected = self._ending = False
        self._batch.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _silent(seconds: float) -> GatewayCallError:
    return GatewayCallError(
        code=grpc.StatusCode.UNAVAILABLE, retry="SAME_KEY", message=f"the stream was silent for {seconds:g} s"
    )


def _ended() -> GatewayCallError:
    return GatewayCallError(code=grpc.StatusCode.UNAVAILABLE, retry="SAME_KEY", message="the gateway ended the stream")


def _skipped(account_id: str) -> GatewayCallError:
    return GatewayCallError(
        code=grpc.StatusCode.UNAVAILABLE, retry="SAME_KEY", message=f"the stream skipped events of {account_id}"
    )


def event_item(wrap_snapshot: Callable[[Any], T]) -> Callable[[str, Any], T | None]:
    """Yield events only; a snapshot's items become events without a header."""

    def item_of(kind: str, content: Any) -> T | None:
        if kind == "event":
            return cast("T", content)
        return wrap_snapshot(content) if kind == "snapshot_item" else None

    return item_of


def raw_item(_kind: str, content: Any) -> Any:
    """Yield the content of every message."""
    return content
