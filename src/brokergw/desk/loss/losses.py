"""The daily loss, whole: what follows it, what stops users for it, and what it is."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from brokergw.desk.feeds.holding import Holding
from brokergw.desk.halts.halting import Halting
from brokergw.desk.limits.desk import LimitsDesk
from brokergw.desk.loss.book import LossBook
from brokergw.desk.loss.fees import Fees
from brokergw.desk.loss.latch import LossLatch
from brokergw.desk.loss.looking import Looker
from brokergw.desk.loss.watching import Watching
from brokergw.desk.sessions import Sessions
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal
from brokergw.ports.losses import RiskDays
from brokergw.ports.notifier import Notifier


@dataclass(frozen=True, slots=True)
class LossParts:
    """What following losses takes of the desk."""

    journal: Journal
    sessions: Sessions
    holding: Holding
    limits: LimitsDesk
    halting: Halting
    notifier: Notifier
    clock: Clock


class Losses:
    """The parts by name; the accounts of every connection that becomes this process's are followed."""

    def __init__(self, record: RiskDays, parts: LossParts) -> None:
        self._parts = parts
        limits, days, clock, journal = parts.limits.book, parts.limits.days, parts.clock, parts.journal
        self.book = LossBook(record, clock, parts.sessions.is_revoked)
        fees = Fees(journal, limits.broker)
        self.looker = Looker(record, journal, self.book, fees, days, clock)
        halting = parts.halting
        self.latch = LossLatch(self.book, limits, days, halting.switch, halting.standing, parts.notifier, clock)
        self.watching = Watching(self.looker, self.book, self.latch, journal, days, clock)
        parts.holding.on_take(self.watching.start)
        parts.limits.loss_of = self.of_user

    def of_user(self, user_id: str) -> Decimal:
        """Give what a user has lost today."""
        return self.book.loss(user_id, self.today())

    def today(self) -> str:
        """Give the trading day of this moment."""
        return self._parts.limits.days.of(self._parts.clock.now_ns())

    async def start(self) -> list[asyncio.Task[None]]:
        """Learn what was seen before; gives what goes on learning. Raises JOURNAL_UNAVAILABLE."""
        await self.book.learn()
        if not self._parts.journal.shared:
            return []
        return [asyncio.create_task(self.book.keep_learning(), name="losses seen by others")]
