"""When the next request may leave: evenly spaced, with a lane for cancels, and one reading for all who ask at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from brokergw.adapters.ibkr import faults
from brokergw.ports.clock import Clock
from brokergw.transport.throttle import Spent

_Value = TypeVar("_Value")

_CANCEL_SHARE: Final = 0.2
_WAIT_MAX_S: Final = 5.0
_MARGIN: Final = 0.9
"""What of the budget is used: requests that leave evenly need not arrive so."""


class Lane:
    """Lets requests through one by one, no closer to each other than `every_s` seconds.

    Several `processes` share the broker's pace, so each takes its part of it. Whoever would wait longer than
    `wait_max_s` is turned away instead. The first turn comes a step after the lane was made where it is `careful`:
    an earlier process may have had its last one just before.
    """

    def __init__(
        self,
        clock: Clock,
        every_s: float,
        *,
        processes: Callable[[], int] = lambda: 1,
        wait_max_s: float = 60.0,
        careful: bool = False,
    ) -> None:
        self._clock = clock
        self._every_s = every_s
        self._processes = processes
        self._wait_max_s = wait_max_s
        self._free_at = clock.monotonic() + every_s if careful else 0.0

    async def turn(self) -> None:
        """Wait for a turn, in the order of coming; raises Spent."""
        now = self._clock.monotonic()
        at = max(now, self._free_at)
        if at - now > self._wait_max_s:
            raise Spent(at - now)
        self._free_at = at + self._every_s * max(1, self._processes())
        if at > now:
            await self._clock.sleep(at - now)


async def list_turn(lane: Lane) -> None:
    """Wait for a turn to read a list; raises Throttled, as a query does."""
    try:
        await lane.turn()
    except Spent as error:
        raise faults.throttled(error.retry_after_s) from error


class Pacer:
    """The gateway's budget of requests a second, a part of it kept for cancels."""

    def __init__(self, clock: Clock, per_second: float | None, processes: Callable[[], int] = lambda: 1) -> None:
        share = 0.0 if per_second is None else 1 / (per_second * _MARGIN)
        self._ordinary = Lane(clock, share / (1 - _CANCEL_SHARE), processes=processes, wait_max_s=_WAIT_MAX_S)
        self._cancels = Lane(clock, share / _CANCEL_SHARE, processes=processes, wait_max_s=_WAIT_MAX_S)

    async def turn(self, *, cancel: bool = False) -> None:
        """Wait for a turn; raises Spent."""
        await (self._cancels if cancel else self._ordinary).turn()


class Reading(Generic[_Value]):
    """Something that is read as a whole: who asks shares a reading with others, one that begins after the asking."""

    def __init__(self, lane: Lane, read: Callable[[], Awaitable[_Value]], clock: Clock) -> None:
        self._lane = lane
        self._read = read
        self._clock = clock
        self._next: asyncio.Task[_Value] | None = None
        self.last: _Value | None = None
        self.last_at = 0.0

    async def fresh(self) -> _Value:
        """Read now, or with whoever reads next; raises what the reading raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._begin())
            self._next.add_done_callback(seen)
        return await asyncio.shield(self._next)

    async def recent(self, age_s: float) -> _Value:
        """Give the last reading where it is not older than so many seconds, or else a fresh one."""
        if self.last is not None and self._clock.monotonic() - self.last_at < age_s:
            return self.last
        return await self.fresh()

    async def _begin(self) -> _Value:
        try:
            await list_turn(self._lane)
        finally:
            # Whoever asks from now on may miss what happens meanwhile, and waits for another reading.
            self._next = None
        began = self._clock.monotonic()
        value = await self._read()
        self.last, self.last_at = value, began
        return value


def seen(task: "asyncio.Task[Any]") -> None:
    """Look at an error that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
