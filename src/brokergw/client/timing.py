"""Where the client gets its time and its chance from, so that a test can own both."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clocks, waiting and jitter.

    `now_ns` is wall time in Unix nanoseconds, `monotonic` seconds that never go back, `sleep` waits for seconds, and
    `roll` gives a number in [0, 1).
    """

    now_ns: Callable[[], int] = time.time_ns
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    roll: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before a repetition: doubling, capped, and spread so that clients do not come back together."""

    first_s: float = 0.1
    longest_s: float = 10.0

    def wait_s(self, failures: int, roll: float, at_least_s: float = 0.0) -> float:
        """Give the wait after so many failures in a row.

        Half of the doubled step is certain, half is chance. A wait that the server asked for is never cut short.

        Args:
            failures: how often it has failed, from 1.
            roll: a number in [0, 1).
            at_least_s: what the server asked for, in seconds.
        """
        step = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return max(step * (0.5 + 0.5 * roll), at_least_s * (1.0 + 0.1 * roll))
