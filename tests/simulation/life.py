"""The life of a simulated process, which can be frozen or end between any two steps."""

import asyncio
from contextvars import ContextVar
from typing import Final


class Life:
    """One process. While frozen it does nothing; after its death nothing of it ever reaches the outside."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = asyncio.Event()
        self._thawed = asyncio.Event()
        self._thawed.set()

    @property
    def alive(self) -> bool:
        """Whether the process has not died."""
        return not self.ended.is_set()

    def end(self) -> None:
        """Die, as by SIGKILL: no handler runs, nothing is written, sockets are closed by others."""
        self.ended.set()

    def freeze(self) -> None:
        """Stand still, as after SIGSTOP."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on, as after SIGCONT."""
        self._thawed.set()

    async def go_on(self) -> None:
        """Pass while alive and not frozen; the dead wait for ever."""
        await self._thawed.wait()
        if not self.alive:
            await asyncio.get_running_loop().create_future()


CURRENT: Final[ContextVar[Life]] = ContextVar("CURRENT")
"""The process that the running task belongs to."""
