"""Waiting for what another process must come to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

_POLL_S: Final = 0.05

T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], satisfied: Callable[[T], bool], timeout_s: float = 20.0) -> T:
    """Look again and again until what is seen satisfies; fails with what was seen last."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + timeout_s
    while True:
        seen = await look()
        if satisfied(seen):
            return seen
        assert loop.time() < give_up, f"after {timeout_s} s still: {seen}"
        await asyncio.sleep(_POLL_S)
