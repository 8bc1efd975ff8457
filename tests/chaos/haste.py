"""Time that can be made to run faster, for everybody at once: what is in doubt settles after minutes at some brokers.

A chain's trials happen in real time. Then nothing is left but to wait, and from that moment on the simulator, the last
gateway and the clients may live by a clock that runs at a multiple of the real one.
"""

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

from brokergw.app.clock import SystemClock
from brokergw.desk.feeds import holding


@dataclass(frozen=True, slots=True)
class Haste:
    """By what factor time runs, since when by the real clock, and what it was then."""

    factor: float = 1.0
    since_ns: int = 0
    then_ns: int = 0

    def now_ns(self) -> int:
        """Tell the time."""
        return self.then_ns + round((time.time_ns() - self.since_ns) * self.factor)

    def at(self, time_ns: int) -> float:
        """Tell how much faster than the machine, and so how much slower the machine seems, time ran at a moment."""
        return self.factor if time_ns >= self.then_ns else 1.0

    def as_json(self) -> dict[str, Any]:
        """Write it down for another process."""
        return asdict(self)

    def rule(self) -> None:
        """Let this whole process live by it; only before its gateway is built.

        Its leases last as long as in real time: they are about how fast a process is, not about what time it is.
        """
        factor, began = self.factor, time.monotonic()

        async def sleep(_: SystemClock, seconds: float) -> None:
            await asyncio.sleep(seconds / factor)

        setattr(holding, "_LEASE_LIFE_S", holding._LEASE_LIFE_S * factor)  # noqa: B010 - it is final to all others
        SystemClock.now_ns = staticmethod(self.now_ns)
        SystemClock.monotonic = staticmethod(lambda: began + (time.monotonic() - began) * factor)
        SystemClock.sleep = sleep  # type: ignore[method-assign,assignment]


class ChainClock:
    """The time of one chain; `first` is how it was hurried at first."""

    def __init__(self) -> None:
        self.haste = self.first = Haste()

    def now_ns(self) -> int:
        """Tell the time."""
        return self.haste.now_ns()

    def hurry(self, factor: float) -> Self:
        """Run faster from now on, or slower again."""
        self.haste = Haste(factor, time.time_ns(), self.now_ns())
        if self.first.factor == 1:
            self.first = self.haste
        return self
