"""Ends streams whose client has stopped reading.

A write waits while the client's window is full, and that wait has no end of its own. One task looks at all streams
now and then, so that a write that goes through at once, which is nearly every one, pays for no timer.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from brokergw.ports.clock import Clock

_LOOKS_PER_STALL: Final = 4


class Pace:
    """One stream's pace: since when its present write waits, and whether it was ended for that."""

    __slots__ = ("since", "stalled", "task")

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.task = task
        self.since: float | None = None
        self.stalled = False


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
                if pace.since is not None and now - pace.since >= self._stall_max_s and not pace.stalled:
                    pace.stalled = True
                    pace.task.cancel()
