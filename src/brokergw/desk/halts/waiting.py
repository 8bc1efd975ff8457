"""Waiting for something no longer than so long, by the desk's own clock."""

import asyncio
from collections.abc import Collection
from typing import Any

from brokergw.ports.clock import Clock


async def within(clock: Clock, seconds: float, futures: Collection[asyncio.Future[Any]]) -> bool:
    """Wait for all of them, at most so long; tells whether all are done. None of them is cancelled."""
    if all(each.done() for each in futures):
        return True
    sleeper = asyncio.ensure_future(clock.sleep(max(0.0, seconds)))
    left: set[asyncio.Future[Any]] = {each for each in futures if not each.done()}
    try:
        while left and not sleeper.done():
            _, pending = await asyncio.wait({*left, sleeper}, return_when=asyncio.FIRST_COMPLETED)
            left &= pending
    finally:
        sleeper.cancel()
    return not left
