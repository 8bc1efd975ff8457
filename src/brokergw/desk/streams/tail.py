"""The newest part of the record, in memory, so that streams rarely read the disk; and what wakes them.

This process's own commits are told as they become durable. Those of other processes are found by a wake-up from the
journal, and behind it by a poll; what is missing is read once for all streams. Only accounts that somebody watches
are followed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import structlog

from brokergw.desk.rounds import outlived
from brokergw.desk.streams.bells import Bell, Bells
from brokergw.desk.streams.pages import CursorExpired, Page, View
from brokergw.desk.streams.recent import Recent
from brokergw.model.events import LogEvent
from brokergw.model.whose import only, these
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

PAGE: Final = 128
_PAGES_KEPT: Final = 128
_EVENTS_MAX: Final = 65_536
_PULSE_S: Final = 0.25
_PULSES_PER_LOOK_ALONE: Final = 20
"""A journal of one process only needs a look for commits whose reply was lost."""

_Place = tuple[str, str, int, View]
Place = TypeVar("Place")

log = structlog.get_logger(__name__)


class Tail:
    """Follows the log of every account that is watched."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._recent: dict[str, Recent] = {}
        self._owners: dict[str, str] = {}
        self._bells = Bells()
        self._pages: dict[tuple[str, int, int, View], Page] = {}
        self._disk_pages: dict[_Place, Page] = {}
        self._reading: dict[_Place, asyncio.Task[Page]] = {}
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._look_wanted = asyncio.Event()
        journal.on_events(self._take)
        journal.on_wake(self._look_wanted.set)

    @contextmanager
    def watching(self, user_id: str, account_ids: Iterable[str]) -> Iterator[Bell]:
        """Follow some of a user's accounts, and give a bell that rings when anything happens in one of them."""
        bell = Bell(account_ids)
        self._bells.hang(bell)
        for account_id in bell.account_ids:
            self._recent.setdefault(account_id, Recent())
            self._owners[account_id] = user_id
        if not self._tasks:
            self._tasks = tuple(
                asyncio.create_task(work, name=f"tail: {name}")
                for name, work in (("pulse", self._pulse()), ("look", self._look()))
            )
        try:
            yield bell
        finally:
            for account_id in self._bells.take_down(bell):
                del self._recent[account_id]
                del self._owners[account_id]
            if not self._bells:
                for task in self._tasks:
                    task.cancel()
                self._tasks = ()

    def ring(self) -> None:
        """Wake every stream."""
        self._bells.ring_all()

    def learn(self, latest: Mapping[str, int]) -> None:
        """Take what was read of the record's last sequences."""
        for account_id, sequence in latest.items():
            recent = self._recent.get(account_id)
            if recent is not None and recent.learn(sequence):
                self._look_wanted.set()

    async def after(self, user_id: str, account_id: str, sequence: int, view: View) -> Page:
        """Give the next page of an account's log; raises CursorExpired when it is no longer on the record."""
        page = self.at_hand(account_id, sequence, view)
        return page if page is not None else await self._from_disk((user_id, account_id, sequence, view))

    def at_hand(self, account_id: str, sequence: int, view: View) -> Page | None:
        """Give the next page if it is in memory."""
        recent = self._recent.get(account_id)
        if recent is None or recent.base is None or recent.end is None or sequence < recent.base:
            return None
        covered = min(recent.end, sequence + PAGE)
        if covered <= sequence:
            return Page(sequence, sequence, ())
        key = (account_id, sequence, covered, view)
        page = self._pages.get(key)
        if page is None:
            events = view.of(recent.part(sequence, PAGE))
            page = self._pages[key] = Page(sequence, covered, events, more=covered < recent.end)
            _bound(self._pages)
        return page

    async def _from_disk(self, place: _Place) -> Page:
        """Read a page once for all streams that stand at the same place."""
        page = self._disk_pages.get(place)
        if page is not None:
            return page
        reading = self._reading.get(place)
        if reading is None:
            reading = self._reading[place] = asyncio.create_task(self._read(place))
            reading.add_done_callback(lambda _: self._reading.pop(place, None))
        return await asyncio.shield(reading)

    async def _read(self, place: _Place) -> Page:
        user_id, account_id, sequence, view = place
        mine = only(user_id)
        # Asked before the events, so that everything up to it is among them; whether the first of them had been
        # pruned, after them.
        latest = (await self._journal.sequences(mine, (account_id,)))[account_id]
        events = await self._journal.events(user_id, account_id, sequence, PAGE, view.kinds)
        earliest = (await self._journal.earliest(mine, (account_id,)))[account_id]
        if earliest > sequence:
            raise CursorExpired({account_id: earliest})
        full = len(events) == PAGE
        covered = events[-1].sequence if full else max(latest, events[-1].sequence if events else sequence)
        page = Page(sequence, covered, view.of(events), more=full)
        if full:
            # A full page can never become another one.
            self._disk_pages[place] = page
            _bound(self._disk_pages)
        return page

    def _take(self, events: Sequence[LogEvent]) -> None:
        """Take what this process has committed; it may overtake what another one committed before."""
        for account_id, own in _by_account(events).items():
            recent = self._recent.get(account_id)
            if recent is None:
                continue
            if recent.take(own):
                self._bells.ring(account_id)
            if recent.has_hole:
                self._look_wanted.set()

    async def _pulse(self) -> None:
        """Wake whose time has come, and have the record looked at now and then."""
        pulses = 0
        while True:
            await self._clock.sleep(_PULSE_S)
            pulses += 1
            self._trim()
            self._bells.ring_due(self._clock.monotonic())
            holes = any(recent.has_hole for recent in self._recent.values())
            if self._journal.shared or holes or pulses % _PULSES_PER_LOOK_ALONE == 0:
                self._look_wanted.set()

    def _trim(self) -> None:
        """Keep what all accounts together hold in memory within its bound."""
        if sum(map(len, self._recent.values())) > _EVENTS_MAX:
            for recent in self._recent.values():
                recent.trim(max(PAGE, _EVENTS_MAX // len(self._recent)))

    async def _look(self) -> None:
        """Find and read what other processes have written, whenever there may be something."""
        while True:
            await self._look_wanted.wait()
            self._look_wanted.clear()
            await _logged(self._look_once)

    async def _look_once(self) -> None:
        latest = await self._journal.sequences(these(self._owners.values()), tuple(self._owners))
        behind = [(a, r) for a, r in self._recent.items() if a in latest and self._learned(a, r, latest[a])]
        await asyncio.gather(*(self._catch_up(account_id, recent, latest[account_id]) for account_id, recent in behind))

    def _learned(self, account_id: str, recent: Recent, latest: int) -> bool:
        before = recent.end
        behind = recent.learn(latest)
        if recent.end != before:
            self._bells.ring(account_id)
        return behind

    async def _catch_up(self, account_id: str, recent: Recent, latest: int) -> None:
        while recent.end is not None and (recent.end < latest or recent.has_hole):
            events = await self._journal.events(self._owners[account_id], account_id, recent.end, PAGE)
            if not events:
                return
            if recent.take(events):
                self._bells.ring(account_id)


def _by_account(events: Sequence[LogEvent]) -> dict[str, list[LogEvent]]:
    found: dict[str, list[LogEvent]] = {}
    for event in events:
        found.setdefault(event.account_id, []).append(event)
    return found


def _bound(pages: dict[Place, Page]) -> None:
    while len(pages) > _PAGES_KEPT:
        del pages[next(iter(pages))]


async def _logged(work: Callable[[], Awaitable[None]]) -> None:
    """Run a round whose failure the next one makes good."""
    with outlived(log, "the record could not be followed"):
        await work()
