"""Requests and answers over one websocket: each request is sent at most once, and an answer finds whoever asked.

Theory of operation: one link is kept up from the first need until `close`. A request gets a correlation id of its own,
and waits for the first message that carries it; everything that comes is told to the listeners too, since an answer may
be an event as well. What became of a request is one of three things, as for HTTP: a message, a NotSentError (no link,
or a permit that did not let the frame out) or an UnknownError (the frame may have left, and no answer came).

While a link that was up is being renewed, a request waits for that one attempt. Once an attempt has failed, requests
are turned away at once until a link is up again, so that nobody waits for a broker that is known not to be there.

A link whose session has ended is left rather than dropped: nothing more is asked on it, what was asked on it may still
be answered there, and then a fresh one follows without a pause.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.heard_clock import HeardClock
from brokergw.transport.http import NotSentError, UnknownError
from brokergw.transport.intake import MIB
from brokergw.transport.websocket import Frame, LinkError, LinkLost, LinkOpened, LinkPolicy, SupervisedLink, Wire

logger = logging.getLogger(__name__)

_Message = TypeVar("_Message")
_Message_co = TypeVar("_Message_co", covariant=True)

_PREFIX: Final = "gw-"
_TOLD_BYTES_MAX: Final = 4 * MIB
"""How much may wait for one listener, counted in bytes as they came; decoded it is some ten times as much."""
_LEAVE_S: Final = 1.0
"""How long a link that is left is kept for answers that are due."""


class Dialogue(Protocol[_Message]):
    """What a broker's protocol adds to a link."""

    async def greet(self, wire: Wire) -> None:
        """Sign in on a fresh link; raises LinkError."""
        ...

    def read(self, data: str | bytes) -> tuple[str, _Message]:
        """Read a frame: the correlation id that it carries, or none, and the message; raises ValueError."""
        ...

    def heard(self, message: _Message) -> None:
        """Take notice of a message, whoever it is for."""
        ...

    def beat(self) -> Sequence[str]:
        """Give what is said in place of a ping."""
        ...


@dataclass(frozen=True, slots=True)
class Told(Generic[_Message_co]):
    """One message as it came."""

    message: _Message_co


CallEvent: TypeAlias = LinkOpened | LinkLost | Told[_Message]


class CallLink(Generic[_Message]):
    """One websocket for requests, answers and events. `answer_s` is how long an answer is waited for."""

    def __init__(
        self,
        url: str,
        dialogue: Dialogue[_Message],
        *,
        clock: Clock,
        policy: LinkPolicy,
        answer_s: float,
        heard: HeardClock | None = None,
    ) -> None:
        self._dialogue = dialogue
        self._clock = clock
        self._policy = policy
        self._answer_s = answer_s
        self._link = SupervisedLink(
            url, clock=clock, greet=dialogue.greet, policy=policy, beat=dialogue.beat, heard=heard
        )
        self._ids = count(1)
        self._waiting: dict[str, asyncio.Future[_Message]] = {}
        self._listeners: set[_Listener[_Message]] = set()
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._up = False
        self._why = ""
        self._closed = False
        self._spoilt = False
        self._leaving: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether the link stands, as far as is known."""
        return self._up

    async def ready(self) -> None:
        """Wait until the link stands; raises NotSentError."""
        self._begin()
        while not self._up or self._leaving is not None:
            if self._closed:
                raise NotSentError("the connection is closed")
            if self._settled.is_set():
                raise NotSentError(self._why)
            await self._settled.wait()

    async def call(self, write: Callable[[str], str], permit: Permit | None = None) -> _Message:
        """Send one request, as `write` words it with its correlation id, and give the first answer to it.

        Raises NotSentError or UnknownError; a link that just broke is `stale`, one that brought nonsense is not.
        """
        await self.ready()
        correlation = f"{_PREFIX}{next(self._ids)}"
        waiter = self._waiting[correlation] = asyncio.get_running_loop().create_future()
        try:
            await self._link.send(write(correlation), permit)
            return await self._answered(waiter)
        finally:
            del self._waiting[correlation]
            if not waiter.cancel() and not waiter.cancelled():
                # Whoever asked may have left before the link was lost.
                waiter.exception()

    async def events(self) -> AsyncGenerator[CallEvent[_Message], None]:
        """Tell what happens on the link, from its present state on, until `close`."""
        listener = _Listener[_Message](self._policy.backlog_max)
        self._listeners.add(listener)
        self._begin()
        try:
            if self._up:
                yield LinkOpened()
            elif self._closed:
                yield LinkLost("closed by us")
                return
            while (event := await listener.next()) is not None:
                yield event
        finally:
            self._listeners.discard(listener)

    def drop(self, why: str) -> None:
        """Give the present link up; it is renewed."""
        self._link.drop(why)

    def leave(self, why: str) -> None:
        """Give the present link up once what was asked on it is answered, or a second later; whoever asks meanwhile
        waits for the fresh one.
        """
        if self._up and self._leaving is None:
            self._settled.clear()
            self._leaving = asyncio.create_task(self._left(set(self._waiting.values()), why), name="leave a link")

    def unclear(self, words: str) -> None:
        """Log that a message cannot be told; too many of them cost the link, and what waits on it."""
        self._link.unclear(words)

    async def close(self) -> None:
        """End the link for good; may be called again."""
        self._closed = True
        self._link.close()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._lost("closed by us")
        for listener in self._listeners:
            listener.end()

    def _begin(self) -> None:
        if self._task is None and not self._closed:
            self._settled.clear()
            self._task = asyncio.create_task(self._keep(), name="websocket for calls")
            self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Have whoever comes next begin anew where the link ended by an error that nobody had thought of."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        logger.error("a link has broken down", exc_info=error)
        self._task = None
        self._lost(f"broken: {type(error).__name__}")
        self._settled.set()

    async def _keep(self) -> None:
        async with aclosing(self._link.listen()) as happenings:
            async for happening in happenings:
                match happening:
                    case LinkOpened():
                        self._opened()
                    case LinkLost(why):
                        self._lost(why)
                    case Frame(data):
                        self._frame(data)

    async def _left(self, waiting: "set[asyncio.Future[_Message]]", why: str) -> None:
        if waiting:
            await asyncio.wait(waiting, timeout=_LEAVE_S)
        self._link.drop(why, renew=True)

    def _opened(self) -> None:
        self._up, self._spoilt = True, False
        self._settled.set()
        self._tell(LinkOpened())

    def _lost(self, why: str) -> None:
        was_up, self._up, self._why = self._up, False, why
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        if was_up and not self._closed:
            self._settled.clear()
        else:
            self._settled.set()
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(UnknownError(f"no answer: {why}", stale=not self._spoilt))
        self._tell(LinkLost(why))

    def _frame(self, data: str | bytes) -> None:
        try:
            correlation, message = self._dialogue.read(data)
        except ValueError:
            # Whose answer it was nobody can tell, nor what else it said.
            self._spoilt = True
            self._link.drop("a frame that makes no sense")
            return
        self._dialogue.heard(message)
        waiter = self._waiting.get(correlation)
        if waiter is not None and not waiter.done():
            waiter.set_result(message)
        self._tell(Told(message), len(data))

    def _tell(self, event: CallEvent[_Message], size: int = 0) -> None:
        for listener in self._listeners:
            listener.put(event, size)

    async def _answered(self, waiter: "asyncio.Future[_Message]") -> _Message:
        alarm = asyncio.ensure_future(self._clock.sleep(self._answer_s))
        either: set[asyncio.Future[Any]] = {waiter, alarm}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
        if not waiter.done():
            raise UnknownError(f"no answer within {self._answer_s:g} s")
        return waiter.result()


class _Listener(Generic[_Message]):
    """What waits to be told to one listener; who falls behind is told of a loss, and begins again."""

    def __init__(self, most: int) -> None:
        self._queue: asyncio.Queue[tuple[CallEvent[_Message] | None, int]] = asyncio.Queue()
        self._most = most
        self._bytes = 0

    async def next(self) -> CallEvent[_Message] | None:
        """Wait for an event; None is the end."""
        event, size = await self._queue.get()
        self._bytes -= size
        return event

    def put(self, event: CallEvent[_Message], size: int = 0) -> None:
        """Queue an event that came in so many bytes; one that finds nothing before it may have any size."""
        if self._queue.empty() or (self._queue.qsize() < self._most and self._bytes + size <= _TOLD_BYTES_MAX):
            self._bytes += size
            self._queue.put_nowait((event, size))
            return
        while not self._queue.empty():
            self._queue.get_nowait()
        self._bytes = 0
        for each in (LinkLost("the reader fell behind"), LinkOpened()):
            self._queue.put_nowait((each, 0))

    def end(self) -> None:
        """Queue the end."""
        self._queue.put_nowait((None, 0))


async def ask_on(
    wire: Wire, dialogue: Dialogue[_Message], correlation: str, text: str, *, frames_max: int = 1_000
) -> _Message:
    """Send a request during a greeting, and give its answer; raises LinkError."""
    await wire.send(text)
    for _ in range(frames_max):
        try:
            carried, message = dialogue.read(await wire.receive())
        except ValueError as error:
            raise LinkError("the greeting was answered with something that makes no sense") from error
        if carried == correlation:
            return message
        dialogue.heard(message)
    raise LinkError("the greeting was not answered")
