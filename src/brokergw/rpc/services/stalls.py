"""Ends streams whose client has stopped reading.

A write waits while the client's window is full, and that wait has no end of its own. One task looks at all streams
now and then, so that a write that goes through at once, which is nearly every one, pays for no timer.

What a stream that nobody reads holds here is bounded: gRPC queues 64 KiB before a write waits (its HTTP/2 write
buffer; what the client's window and the sockets take besides is not the server's), and the stream one page of events,
of which at most 256 KiB are ready as bytes.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from brokergw.ports.clock import Clock

_LOOKS_PER_STALL: Final = 4


class Pace:
    """One stream's pace: how many messages were taken off it, whether one waits, and whether it was ended for that."""

    __slots__ = ("_since", "_writes_seen", "stalled", "task", "writes", "writing")

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.task = task
        self.writes = 0
        self.writing = False
        self.stalled = False
        self._writes_seen = -1
        self._since = 0.0

    def stands_s(self, now: float) -> float:
        """Tell for how long one and the same message has been waiting, as far as earlier looks have seen."""
        if not self.writing or self.writes != self._writes_seen:
            self._writes_seen, self._since = self.writes, now
        return now - self._since


class Stalls:
    """Looks after every open stream."""

    def __init__(self, clock: Clock, stall_max_s: float) -> None:
        self._clock = clock
        self._stall_max_s = stall_max_s
        self._open: set[Pace] = set()
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def watched(self) -> Iterator[Pace]:
        """Watch the stream that runs in the present task; one that stalls is cancelled, with `stalled` set."""
        task = asyncio.current_task()
        assert task is not None
        pace = Pace(task)
        self._open.add(pace)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="stalled streams")
        try:
            yield pace
        finally:
            self._open.discard(pace)
            if not self._open:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        while True:
            await self._clock.sleep(self._stall_max_s / _LOOKS_PER_STALL)
            now = self._clock.monotonic()
            for pace in self._open:
                if pace.stands_s(now) >= self._stall_max_s and not pace.stalled:
                    pace.stalled = True
                    pace.task.cancel()
