"""Time that costs nothing: an event loop that jumps to the next timer, and the clock that reads it."""

import asyncio
import selectors
from typing import Any, Final

from tests.simulation.life import Life

START_NS: Final = 1_800_000_000_000_000_000
_LIFE_MAX_S: Final = 7_200.0
_ROUNDS_AT_ONE_TIME_MAX: Final = 200_000


def wall_ns() -> int:
    """Give the virtual wall time as Unix nanoseconds."""
    return START_NS + round(asyncio.get_running_loop().time() * 1e9)


class NothingWillHappen(RuntimeError):
    """Everybody waits, and nobody has set a timer: in real life this would hang for ever."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without threads or sockets in which waiting takes no time.

    Callbacks run in the order of their (virtual) time and, at one time, in the order they were set; so the same
    program does the same things again.
    """

    def __init__(self) -> None:
        self._virtual_s = 0.0
        self._rounds = 0
        super().__init__(_Skipper(self))

    def time(self) -> float:
        """Give the virtual seconds since the start."""
        return self._virtual_s

    def skip(self, seconds: float) -> None:
        """Let time pass, and see that it does not stand still or go on for ever."""
        self._rounds = 0 if seconds > 0 else self._rounds + 1
        self._virtual_s += seconds
        if self._rounds > _ROUNDS_AT_ONE_TIME_MAX:
            raise NothingWillHappen("the same moment goes on and on")
        if self._virtual_s > _LIFE_MAX_S:
            raise NothingWillHappen("the world does not come to rest")


class _Skipper(selectors.SelectSelector):
    """Passes the time instead of waiting for it."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise NothingWillHappen
        self._loop.skip(max(0.0, timeout))
        return super().select(0)


class VirtualClock:
    """The Clock of one process: it stops for good when the process dies."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def now_ns(self) -> int:
        """Give the virtual wall time."""
        return wall_ns()

    def monotonic(self) -> float:
        """Give virtual seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time; a dead process never wakes."""
        await asyncio.sleep(seconds)
        await self._life.go_on()
