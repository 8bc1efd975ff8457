"""How far a broker's clock is from ours, for brokers that refuse what is signed at the wrong time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from brokergw.ports.clock import Clock
from brokergw.transport.heard_clock import HeardClock

_CONTRADICTED_NS: Final = 500_000_000
"""How far outside of what was heard since the offset may be; beyond, what is signed may soon be refused."""


class BrokerClock:
    """Tells the broker's time; shared by every connection to one broker, since it has one clock.

    The offset is taken between question and answer: the broker read its clock somewhere in that span, so the middle is
    at most half of it wrong. A measurement is good for `keep_s`; until the first one our own clock has to do.

    What is measured is told to `heard`, whose word on how far the clocks are apart then is the same; and where that
    hears anything else later, since one of the clocks was set, it is measured again.
    """

    def __init__(self, clock: Clock, heard: HeardClock, *, keep_s: float = 1800.0) -> None:
        self.heard = heard
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
        if self._measured_at is None or self._clock.monotonic() - self._measured_at > self._keep_s:
            return True
        ahead = self.heard.ahead_ns()
        return ahead is not None and not ahead[0] - _CONTRADICTED_NS <= self._offset_ns <= ahead[1] + _CONTRADICTED_NS

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
            asked_at, before_ns = self._clock.monotonic(), self._clock.now_ns()
            theirs_ns = await ask()
            after_ns = self._clock.now_ns()
            self._offset_ns = theirs_ns - (before_ns + after_ns) // 2
            self._measured_at = self._clock.monotonic()
            self.heard.hear_exactly(theirs_ns, asked_at)
