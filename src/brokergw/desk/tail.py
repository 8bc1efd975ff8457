"""The newest part of the record, in memory, so that streams rarely read the disk; and the bell that wakes them."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from brokergw.model.events import LogEvent
from brokergw.ports.journal import Journal

_KEPT: Final = 4096
_READ_MAX: Final = 512


class Tail:
    """Per account, the last events without a hole between them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._recent: dict[str, deque[LogEvent]] = {}
        self._bells: set[asyncio.Event] = set()
        journal.on_events(self._take)

    def bell(self) -> asyncio.Event:
        """Make an event that is set whenever something happens; give it back with `hush`."""
        bell = asyncio.Event()
        self._bells.add(bell)
        return bell

    def hush(self, bell: asyncio.Event) -> None:
        """Stop ringing a bell."""
        self._bells.discard(bell)

    def ring(self) -> None:
        """Wake every stream."""
        for bell in self._bells:
            bell.set()

    async def after(self, account_id: str, sequence: int) -> Sequence[LogEvent]:
        """Give the next events of an account after a sequence, in order; empty when there are none yet."""
        recent = self._recent.get(account_id)
        if recent and recent[0].sequence <= sequence + 1:
            newest = recent[-1].sequence
            if newest <= sequence:
                return ()
            skip = sequence + 1 - recent[0].sequence
            return [recent[i] for i in range(skip, min(len(recent), skip + _READ_MAX))]
        return await self._journal.events(account_id, sequence, _READ_MAX)

    def _take(self, events: Sequence[LogEvent]) -> None:
        for event in events:
            recent = self._recent.get(event.account_id)
            if recent is None:
                recent = self._recent[event.account_id] = deque(maxlen=_KEPT)
            elif recent and event.sequence != recent[-1].sequence + 1:
                # Another process wrote in between; what is in memory must not pretend to be whole.
                recent.clear()
            recent.append(event)
        self.ring()
