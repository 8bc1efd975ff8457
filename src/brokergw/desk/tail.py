"""The newest part of the record, in memory, so that streams rarely read the disk; and the bell that wakes them."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from brokergw.model.events import EventKind, LogEvent
from brokergw.ports.journal import Journal

_KEPT: Final = 4096
_PAGE: Final = 512
_PAGES_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Page:
    """A part of an account's log, and the sequence up to which it is covered with this."""

    events: tuple[LogEvent, ...]
    covered: int


class Tail:
    """Per account, the last events without a hole between them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._recent: dict[str, deque[LogEvent]] = {}
        self._bells: set[asyncio.Event] = set()
        self._pages: dict[tuple[str, int, EventKind], Page] = {}
        self._reading: dict[tuple[str, int, EventKind], asyncio.Task[Page]] = {}
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

    async def after(self, account_id: str, sequence: int, kind: EventKind) -> Page:
        """Give the next page of an account's log; from the disk it holds events of the kind only."""
        recent = self._recent.get(account_id)
        if not recent or recent[0].sequence > sequence + 1:
            return await self._from_disk((account_id, sequence, kind))
        skip = sequence + 1 - recent[0].sequence
        events = tuple(islice(recent, skip, skip + _PAGE))
        return Page(events, events[-1].sequence if events else sequence)

    async def _from_disk(self, place: tuple[str, int, EventKind]) -> Page:
        """Read a page once for all streams that stand at the same place."""
        page = self._pages.get(place)
        if page is not None:
            return page
        reading = self._reading.get(place)
        if reading is None:
            reading = self._reading[place] = asyncio.create_task(self._read(*place))
            reading.add_done_callback(lambda _: self._reading.pop(place, None))
        return await asyncio.shield(reading)

    async def _read(self, account_id: str, sequence: int, kind: EventKind) -> Page:
        latest = (await self._journal.sequences((account_id,)))[account_id]
        events = tuple(await self._journal.events(account_id, sequence, _PAGE, frozenset({kind})))
        if len(events) < _PAGE:
            return Page(events, max(latest, events[-1].sequence if events else sequence))
        # A full page can never become another one.
        page = self._pages[account_id, sequence, kind] = Page(events, events[-1].sequence)
        if len(self._pages) > _PAGES_KEPT:
            del self._pages[next(iter(self._pages))]
        return page

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
