"""Answers that are never older than the question, shared by all who ask at the same time.

A fetch that is already running may have read the world before a caller arrived, so a newcomer never joins it: it waits
for the next one, together with everybody else who arrived meanwhile. While many ask at once, the next question lets
them gather, at most as long as an answer takes: brokers count every request.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from brokergw.ports.clock import Clock

_GATHER_S_MIN: Final = 0.001
_GATHER_S_MAX: Final = 0.005

T = TypeVar("T")


class FreshFetch(Generic[T]):
    """One kind of question to one broker account."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._gather_s = 0.0
        self._waiting: list[asyncio.Future[T]] = []
        self._asking: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """Give an answer fetched entirely after this call."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await answer

    async def _ask(self) -> None:
        """Ask, one question after another, as long as somebody waits."""
        try:
            while self._waiting:
                if self._gather_s >= _GATHER_S_MIN:
                    await self._clock.sleep(self._gather_s)
                # From here on the broker may be read, so nobody may join these any more.
                sharing, self._waiting = self._waiting, []
                began = self._clock.monotonic()
                await self._answer(sharing)
                took = self._clock.monotonic() - began
                self._gather_s = min(took, _GATHER_S_MAX) if len(sharing) > 1 else 0.0
        finally:
            self._asking = None

    async def _answer(self, sharing: list[asyncio.Future[T]]) -> None:
        """Ask once and tell everybody; who has left meanwhile has cancelled its own future."""
        try:
            result = await self._fetch()
        except BaseException as error:
            for answer in sharing:
                if not answer.done():
                    answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for answer in sharing:
            if not answer.done():
                answer.set_result(result)
