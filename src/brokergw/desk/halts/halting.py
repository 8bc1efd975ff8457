"""All that stops trading in this process, wired: it opens the book, hears of changes, and tells that it has."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from brokergw.desk.halts.clearance import Clearance
from brokergw.desk.halts.latch import Latch
from brokergw.desk.halts.standing import Standing
from brokergw.desk.halts.storms import RejectStorms
from brokergw.desk.halts.switch import Switch
from brokergw.model.alerts import Alert
from brokergw.model.errors import GatewayError
from brokergw.ports.clock import Clock
from brokergw.ports.halts import HaltBook, HaltFile, News

_ANSWERED_WITHIN_S: Final = 0.25

log = structlog.get_logger(__name__)


class Halting:
    """The parts by name; `notify` hears of halts set and lifted here."""

    def __init__(
        self,
        book: HaltBook,
        clock: Clock,
        *,
        file: HaltFile | None = None,
        notify: Callable[[Alert], None] = lambda _: None,
    ) -> None:
        self.book: Final = book
        self.standing: Final = Standing()
        self.clearance: Final = Clearance(clock.monotonic, expires=book.shared)
        self.latch: Final = Latch(self.standing, self.clearance, clock)
        self.switch: Final = Switch(book, file, self.standing, self.latch, clock, notify)
        self.storms: Final = RejectStorms(self.switch, self.standing, clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._confirmed = -1
        self._confirming: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a function in the event loop after each change of what stands."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Learn what stands and take up what the disk kept, before anything is sent; raises JOURNAL_UNAVAILABLE."""
        self._loop = asyncio.get_running_loop()
        self._hear(await self.book.open(self._hear))
        self.switch.take_up()

    async def stop(self) -> None:
        """Stop working on halts; the book is closed with the store."""
        self._loop = None
        if self._confirming is not None:
            self._confirming.cancel()
            await asyncio.gather(self._confirming, return_exceptions=True)
        await self.switch.stop()

    def _hear(self, news: News) -> None:
        """Take note of a look, in whichever thread it was made; only then does it count for the clearance."""
        newer = self.standing.learn(news)
        if news.fenced:
            self.clearance.revoke(news.asked_at)
        else:
            self.clearance.renew(news.asked_at)
        self.switch.heard(news.asked_at)
        loop = self._loop
        if loop is None or not (newer or news.fenced):
            return
        try:
            loop.call_soon_threadsafe(self._changed, news.fenced)
        except RuntimeError:
            log.warning("the event loop ended before a change of the halts could be told")

    def _changed(self, fenced: bool) -> None:  # noqa: FBT001 - the event loop passes positions only
        if self._loop is None:
            return
        if fenced:
            # Another process has struck this one's word off the book.
            self._confirmed = -1
        if self._confirming is None or self._confirming.done():
            self._confirming = asyncio.create_task(self._confirm(), name="confirm halts")
        for listener in self._listeners:
            listener()

    async def _confirm(self) -> None:
        """Say that the halts are known here, through the event loop, once what they concern has been answered."""
        while self._confirmed < self.standing.epoch:
            epoch = self.standing.epoch
            await self.latch.quiet(_ANSWERED_WITHIN_S)
            try:
                await self.book.confirm(epoch)
            except GatewayError as error:
                log.warning("a halt is known here, but that could not be said", reason=error.reason.value)
                return
            self._confirmed = epoch
