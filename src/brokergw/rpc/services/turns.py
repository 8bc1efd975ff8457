"""Keeps many busy streams from holding up everything else.

A thousand streams that replay at once have a thousand messages ready in each turn of the event loop, and a call that
needs a dozen turns would wait for all of them a dozen times. So only so many messages start in one turn; what waits
is served in the order it came. A message whose client does not take it holds nothing here.
"""

import asyncio
from collections import deque
from typing import Final

_EACH: Final = 64


class Turns:
    """Shared by all streams of a server: `each` messages may start in one turn of the loop."""

    def __init__(self, each: int = _EACH) -> None:
        self._each = each
        self._left = each
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._counting = False

    def take(self) -> bool:
        """Take a place in the present turn, if one is free and nobody waits for it."""
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._left == 0 or self._waiting:
            return False
        self._left -= 1
        return True

    async def wait(self) -> None:
        """Wait for a place in a later turn, and take it."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        await place

    def _next_turn(self) -> None:
        self._left = self._each
        while self._waiting and self._left:
            place = self._waiting.popleft()
            # Whose stream has ended meanwhile has cancelled its place.
            if not place.done():
                place.set_result(None)
                self._left -= 1
        self._counting = bool(self._waiting) or self._left < self._each
        if self._counting:
            asyncio.get_running_loop().call_soon(self._next_turn)
