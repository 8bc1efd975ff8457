"""The operating system's time behind the Clock port."""

import asyncio
import time


class SystemClock:
    """Real time."""

    def now_ns(self) -> int:
        """Give the wall time as Unix nanoseconds, UTC."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
