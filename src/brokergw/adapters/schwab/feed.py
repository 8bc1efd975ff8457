"""What happens to one account's orders: rung by the streamer, read from the records.

Theory of operation: the streamer's messages lack executions now and then, and repeat others, so they only ring. Each
time it rings, and every `poll_s` anyhow, the list of orders that may be open is read, and what stands otherwise than it
was last told is told: executions once, by the names that the records give them. So what the stream tells and what a
back-fill tells are the same words about the same thing. When the link opens the list is read before FeedUp; while it is
down the list is read all the same, but the feed counts as down, since bells may be missing. When the records cannot be
read for long, the link is given up too: a feed is up only when it is whole.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final, TypeAlias

from brokergw.adapters.schwab.config import SchwabConfig
from brokergw.adapters.schwab.generations import singles_in
from brokergw.adapters.schwab.listing import Listing
from brokergw.adapters.schwab.mapping import Carried, Reading, readings
from brokergw.adapters.schwab.memory import Told
from brokergw.adapters.schwab.streamer import Streamer
from brokergw.model.errors import GatewayError
from brokergw.model.outcome import BrokerEvent, FeedUp, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.feed import Links, Standing
from brokergw.transport.rows import Row, Unusable
from brokergw.transport.settled import Settled
from brokergw.transport.websocket import Frame, LinkEvent, LinkLost, LinkOpened, SupervisedLink

logger = logging.getLogger(__name__)

_NS: Final = 1_000_000_000
_FAILURES_MAX: Final = 3
_WAITING_MAX: Final = 1000
"""However often it rings while the records are read: what waits leads to another look."""


_Mark: TypeAlias = tuple[Row, tuple[tuple[Carried, str], ...]]


class _Tick:
    """The records are due to be read."""


class OrderFeed:
    """The subscriptions of one connection."""

    def __init__(self, listing: Listing, streamer: Streamer, config: SchwabConfig, clock: Clock) -> None:
        self._listing = listing
        self._streamer = streamer
        self._config = config
        self._clock = clock
        self._links = Links()

    def close(self) -> None:
        """End every subscription, each of which hears FeedDown and no more."""
        self._links.close()

    async def events(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Yield reports, FeedUp and FeedDown until `close`."""
        link = SupervisedLink(
            self._streamer.locate, clock=self._clock, greet=self._streamer.greet, policy=self._config.link
        )
        subscription = _Subscription(link, self._listing, self._clock, self._config, since_ns)
        happenings: asyncio.Queue[LinkEvent | _Tick | None] = asyncio.Queue()
        tasks = [asyncio.create_task(self._listen(link, happenings)), asyncio.create_task(self._tick(happenings))]
        with self._links.held(link):
            try:
                while (happening := await happenings.get()) is not None:
                    rung: list[LinkEvent | _Tick | None] = [happening]
                    # A trade rings several times, and one look answers them all.
                    while not happenings.empty() and isinstance(rung[-1], _Tick):
                        rung.append(happenings.get_nowait())
                    ended = rung[-1] is None
                    for event in await subscription.on([each for each in rung if each is not None]):
                        yield event
                    if ended:
                        break
                tasks[0].result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, link: SupervisedLink, happenings: "asyncio.Queue[LinkEvent | _Tick | None]") -> None:
        try:
            async with aclosing(link.listen()) as heard:
                async for each in heard:
                    if not isinstance(each, Frame):
                        happenings.put_nowait(each)
                        continue
                    if _rings(each, self._streamer, link) and happenings.qsize() < _WAITING_MAX:
                        happenings.put_nowait(_Tick())
        finally:
            happenings.put_nowait(None)

    async def _tick(self, happenings: "asyncio.Queue[LinkEvent | _Tick | None]") -> None:
        while True:
            await self._clock.sleep(self._config.poll_s)
            if happenings.empty():
                happenings.put_nowait(_Tick())


def _rings(frame: Frame, streamer: Streamer, link: SupervisedLink) -> bool:
    """Read a frame as soon as it is there, since what waits takes room; one that ends the stream drops the link."""
    heard = streamer.read(frame.data)
    if heard.ended:
        link.drop(heard.ended)
    if heard.unclear:
        link.unclear(f"a frame cannot be told: {heard.unclear}")
    return heard.activity


class _Subscription:
    """One listener's view of the feed; `_whole_ns` is the time until which it has been told everything."""

    def __init__(
        self,
        link: SupervisedLink,
        listing: Listing,
        clock: Clock,
        config: SchwabConfig,
        since_ns: int,
    ) -> None:
        self._link = link
        self._listing = listing
        self._clock = clock
        self._overlap_ns = config.overlap_s * _NS
        self._whole_ns = since_ns
        self._told = Told(listing.generations)
        self._settled = Settled[_Mark]()
        self._begun = False
        self._standing = Standing()
        self._failures = 0

    async def on(self, happenings: "list[LinkEvent | _Tick]") -> list[BrokerEvent]:
        """Turn what happened into what the listener is told."""
        events: list[BrokerEvent] = []
        look = False
        for happening in happenings:
            match happening:
                case LinkOpened():
                    events += await self._opened()
                case LinkLost(why):
                    events += self._standing.fallen(why)
                case _:
                    look = True
        return [*events, *(await self._looked() if look else [])]

    async def _opened(self) -> list[BrokerEvent]:
        try:
            missed = await self._look(replayed=True)
        except GatewayError as error:
            self._link.drop(f"the back-fill failed: {error.message}")
            return []
        up = FeedUp(self._whole_ns)
        self._standing.risen()
        return [*missed, up]

    async def _looked(self) -> list[BrokerEvent]:
        try:
            return list(await self._look(replayed=not self._standing.up))
        except GatewayError as error:
            self._failures += 1
            if self._standing.up and self._failures >= _FAILURES_MAX:
                self._link.drop(f"the records cannot be read: {error.message}")
            return []

    async def _look(self, *, replayed: bool) -> list[OrderReport]:
        """Read the records, and give what is new in them, oldest first; raises GatewayError."""
        began = self._clock.now_ns()
        since_ns = None if self._begun else max(0, self._whole_ns - self._overlap_ns)
        rows = await self._listing.recent(since_ns)
        found = [report for row in self._changed(rows) for report in self._news(row, since_ns)]
        self._begun, self._failures, self._whole_ns = True, 0, began
        found.sort(key=lambda report: report.event_time_ns)
        return [replace(report, replayed=replayed) for report in found]

    def _changed(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Give the rows that do not stand as they were last read, each taken for read once the next is asked for."""
        marks = {str(row.get("orderId")): self._mark(row) for row in rows}
        self._settled.keep(marks.keys())
        for name, mark in marks.items():
            if not self._settled.stands(name, mark):
                yield mark[0]
                self._settled.settle(name, mark)

    def _mark(self, row: Row) -> _Mark:
        """Give all that a reading is made of: the row, and which orders took which one's place."""
        links = self._listing.generations
        names = [str(single.get("orderId")) for single in singles_in(row)]
        return row, tuple((links.carried(name), links.successor(name)) for name in names)

    def _news(self, row: Row, since_ns: int | None) -> list[OrderReport]:
        return [report for reading in self._read(row) for report in self._told.news(reading, since_ns)]

    def _read(self, row: Row) -> list[Reading]:
        """Read a row; one with an undocumented word is left out and logged, so that it cannot silence all others."""
        try:
            return readings(row, self._listing.generations)
        except Unusable as error:
            logger.warning("order %s cannot be told: %s", row.get("orderId"), error)
            return []
