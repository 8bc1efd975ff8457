"""So many requests in any second, and no more: who comes too soon waits for its turn."""

import asyncio
from collections import deque

from brokergw.ports.clock import Clock


class Pacer:
    """A budget per second; None lets everything through. Turns are given in the order of asking."""

    def __init__(self, per_second: int | None, clock: Clock) -> None:
        self._most = per_second
        self._clock = clock
        self._times: deque[float] = deque()
        self._turn = asyncio.Lock()

    async def wait(self) -> None:
        """Wait until a request may be made, and count it."""
        if self._most is None:
            return
        async with self._turn:
            while len(self._times) >= self._most:
                age_s = self._clock.monotonic() - self._times[0]
                if age_s >= 1:
                    self._times.popleft()
                else:
                    await self._clock.sleep(1 - age_s)
            self._times.append(self._clock.monotonic())
