"""Feeds of brokers that replay nothing: whole when they are up, and honest about when they are not.

Theory of operation: each time the link opens, the records tell what happened since the last moment known to be whole,
while new events wait; then comes FeedUp, then the events. What was told already is not told again. When the records
cannot be read, the link is given up and tried again later: a feed is up only when it is whole.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from brokergw.model.errors import GatewayError
from brokergw.model.outcome import BrokerEvent, FeedDown, FeedUp, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.told import Told
from brokergw.transport.websocket import SupervisedLink


class Links:
    """The links of one connection's subscriptions."""

    def __init__(self) -> None:
        self._open: set[SupervisedLink] = set()

    @contextmanager
    def held(self, link: SupervisedLink) -> Iterator[None]:
        """Keep a link among those to close, while its subscription lasts."""
        self._open.add(link)
        try:
            yield
        finally:
            self._open.discard(link)

    def close(self) -> None:
        """End every subscription, each of which hears FeedDown and no more."""
        for link in self._open:
            link.close()


class Standing:
    """Whether a feed is up; a loss for the same reason as the one before is not told again."""

    def __init__(self) -> None:
        self.up = False
        self._why = ""

    def risen(self) -> None:
        """Note that the feed is whole."""
        self.up, self._why = True, ""

    def fallen(self, why: str, cause: GatewayError | None = None) -> list[BrokerEvent]:
        """Note that the feed is lost, and give what the listener is told, with the error behind it if one is known."""
        known = not self.up and why == self._why
        self.up, self._why = False, why
        return [] if known else [FeedDown(why, cause)]


class Subscription:
    """One listener's view of a feed.

    `missed` reads the records since a time; it may raise GatewayError, and then `drop` gives the link up.
    """

    def __init__(
        self,
        missed: Callable[[int, Told], Awaitable[Sequence[OrderReport]]],
        drop: Callable[[str], None],
        clock: Clock,
        since_ns: int,
    ) -> None:
        self.told = Told()
        self._missed = missed
        self._drop = drop
        self._clock = clock
        self._whole_ns = since_ns
        self._standing = Standing()

    @property
    def up(self) -> bool:
        """Whether everything that was missed has been told."""
        return self._standing.up

    async def opened(self) -> list[BrokerEvent]:
        """Tell what was missed, and that the feed is up."""
        opened_ns = self._clock.now_ns()
        try:
            missed = await self._missed(self._whole_ns, self.told)
        except GatewayError as error:
            self._drop(f"the back-fill failed: {error.message}")
            return []
        events: list[BrokerEvent] = [report for report in missed if self.told.news(report)]
        events.append(FeedUp(self._whole_ns))
        self._whole_ns = opened_ns
        self._standing.risen()
        return events

    def heard(self, reports: Iterable[OrderReport]) -> list[BrokerEvent]:
        """Tell what an event says that is new; events come in order, so all before it has been told."""
        news: list[BrokerEvent] = []
        for report in reports:
            # A time to come is not believed.
            self._whole_ns = max(self._whole_ns, min(report.event_time_ns, self._clock.now_ns()))
            if self.told.news(report):
                news.append(report)
        return news

    def lost(self, why: str) -> list[BrokerEvent]:
        """Tell that the feed is down, unless that is known."""
        return self._standing.fallen(why)
