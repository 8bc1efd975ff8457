"""How far a broker's clock is from ours, for brokers that refuse what is signed at the wrong time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from brokergw.ports.clock import Clock

_NS: Final = 1_000_000_000


class BrokerClock:
    """Tells the broker's time; shared by every connection to one broker, since it has one clock.

    The offset is taken between question and answer: the broker read its clock somewhere in that span, so the middle is
    at most half of it wrong. A measurement is good for `keep_s`; until the first one our own clock has to do.
    """

    def __init__(self, clock: Clock, *, keep_s: float = 1800.0) -> None:
        self._clock = clock
        self._keep_s = keep_s
        self._offset_ns = 0
        self._measured_at: float | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def offset_ns(self) -> int:
        """How far the broker is ahead of us."""
        return self._offset_ns

    @property
    def is_due(self) -> bool:
        """Whether it should be measured."""
        return self._measured_at is None or self._clock.monotonic() - self._measured_at > self._keep_s

    def now_ns(self) -> int:
        """Give the broker's time."""
        return self._clock.now_ns() + self._offset_ns

    def distrust(self) -> None:
        """Measure again before the next use, because the broker has refused a time."""
        self._measured_at = None

    async def measure(self, ask: Callable[[], Awaitable[int]]) -> None:
        """Ask for the broker's time in nanoseconds, once for all who wait; an error of the question is raised on."""
        async with self._one_at_a_time:
            if not self.is_due:
                return
            before_ns = self._clock.now_ns()
            theirs_ns = await ask()
            after_ns = self._clock.now_ns()
            self._offset_ns = theirs_ns - (before_ns + after_ns) // 2
            self._measured_at = self._clock.monotonic()
