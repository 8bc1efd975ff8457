"""Answers that are never older than the question, shared by all who ask at the same time.

A fetch that is already running may have read the world before a caller arrived, so a newcomer never joins it: it waits
for the next one, together with everybody else who arrived meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FreshFetch(Generic[T]):
    """One kind of question to one broker account."""

    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self._fetch = fetch
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Give an answer fetched entirely after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
        return await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[T] | None) -> T:
        if before is not None and not before.done():
            await asyncio.wait({before})
        # From here on the broker may be read, so nobody may join any more.
        self._running, self._next = self._next, None
        return await self._fetch()
