"""The operating system's time behind the Clock port."""

import asyncio
import time


class SystemClock:
    """Real time. An order asks for it some thirty times, so nothing stands around the functions that tell it."""

    now_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
