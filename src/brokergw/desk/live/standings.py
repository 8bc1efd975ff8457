"""How every user stands, in this process's memory: a second old at most, and read again only where it has changed."""

import asyncio
from typing import Final

from brokergw.model.modes import Standing
from brokergw.ports.clock import Clock
from brokergw.ports.modes import Modes

_TRUSTED_FOR_S: Final = 1.0
_RENEWED_AFTER_S: Final = 0.5
"""Looked up again from then on, while what is known still counts, so that busy callers never wait for it."""


class Standings:
    """Keeps what `Modes` holds. One question, for what has changed since the last, serves all callers and users."""

    def __init__(self, modes: Modes, clock: Clock) -> None:
        self._modes = modes
        self._clock = clock
        self._known: dict[str, Standing] = {}
        self._change = 0
        self._asked_at: float | None = None
        self._running: asyncio.Task[None] | None = None

    async def of(self, user_id: str) -> Standing:
        """Tell how a user stands; raises JOURNAL_UNAVAILABLE when nobody could tell for a second."""
        now = self._clock.monotonic()
        age_s = _TRUSTED_FOR_S if self._asked_at is None else now - self._asked_at
        if age_s >= _TRUSTED_FOR_S:
            await asyncio.shield(self._look())
        elif age_s >= _RENEWED_AFTER_S:
            self._look()
        return self._known.get(user_id) or Standing(user_id=user_id)

    async def refresh(self) -> None:
        """Take in what has been written before this call."""
        if self._running is not None:
            # It may have read before that.
            await asyncio.wait([self._running])
        await asyncio.shield(self._look())

    def _look(self) -> asyncio.Task[None]:
        if self._running is None:
            self._running = asyncio.create_task(self._ask(), name="look for changed modes")
            self._running.add_done_callback(self._ended)
        return self._running

    def _ended(self, look: asyncio.Task[None]) -> None:
        self._running = None
        if not look.cancelled():
            # Marks a failure as seen: where nobody waited, the next look fails in front of those who do.
            look.exception()

    async def _ask(self) -> None:
        now = self._clock.monotonic()
        self._change, changed = await self._modes.changed_since(self._change)
        self._known.update((standing.user_id, standing) for standing in changed)
        self._asked_at = now
