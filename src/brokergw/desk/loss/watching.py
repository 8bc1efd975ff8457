"""Following the accounts whose connections this process holds: on every fill, and every few seconds while exposed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from brokergw.desk.limits.day import TradingDays
from brokergw.desk.loss.book import LossBook
from brokergw.desk.loss.latch import LossLatch
from brokergw.desk.loss.looking import Looker
from brokergw.desk.rounds import outlived
from brokergw.desk.sessions import Session
from brokergw.model.errors import GatewayError
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.whose import these
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

_EXPOSED_S: Final = 3.5
"""Within five seconds of a price a user must be stopped, the second look and the switch included."""

_IDLE_S: Final = 60.0
_STEP_S: Final = 0.25
_LEAST_S: Final = 1.0
_SURE_AFTER_S: Final = 0.5
_REQUESTS: Final = 2
_BUDGET_SHARE: Final = 5

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Followed:
    """An account that is followed: when it was last looked at, and what has happened on it since.

    `sequence` is how far its log had come when its broker was last asked for what that look has seen.
    """

    session: Session
    looked_at: float
    sequence: int = -1
    looking: bool = False
    traded: bool = False
    moved: bool = False


class Watching:
    """Looks at each account in time, and has its user stopped or released.

    One round, four times a second, goes over all accounts: it costs an idle one a few comparisons in memory.
    """

    def __init__(
        self, looker: Looker, book: LossBook, latch: LossLatch, journal: Journal, days: TradingDays, clock: Clock
    ) -> None:
        self._looker = looker
        self._book = book
        self._latch = latch
        self._journal = journal
        self._days = days
        self._clock = clock
        self._followed: dict[str, _Followed] = {}
        self._rung = False
        self._asked_at = clock.monotonic()
        journal.on_events(self._hear)
        journal.on_wake(self._ring)

    def start(self, session: Session) -> None:
        """Follow a session's account while this process holds its connection; the first look is due at once."""
        self._followed[session.connection.account_id] = _Followed(session, self._clock.monotonic() - _IDLE_S)

    def _hear(self, events: Sequence[LogEvent]) -> None:
        for event in events:
            each = self._followed.get(event.account_id)
            if each is not None:
                each.moved = True
                each.traded = each.traded or event.kind is EventKind.FILL

    def _ring(self) -> None:
        self._rung = True

    async def run(self) -> None:
        """Have every account looked at whenever it is time to, until cancelled."""
        while True:
            with outlived(log, "losses were not followed"):
                await self._round()
            await self._clock.sleep(_STEP_S)

    async def _round(self) -> None:
        self._followed = {name: each for name, each in self._followed.items() if each.session.lease is not None}
        day = self._days.of(self._clock.now_ns())
        await self._ask_for_news(day)
        for each in tuple(self._followed.values()):
            if self._is_due(each, day):
                each.looking, each.looked_at = True, self._clock.monotonic()
                each.traded = each.moved = False
                each.session.later("loss", partial(self._look, each))

    def _is_due(self, each: _Followed, day: str) -> bool:
        if each.looking:
            return False
        gap = self._clock.monotonic() - each.looked_at
        row = self._book.of(each.session.connection.account_id, day)
        due = row is None or each.traded or gap >= _IDLE_S
        if not due and row is not None:
            due = gap >= _EXPOSED_S and (row.exposed or each.moved)
        return due and gap >= _least_s(each.session)

    async def _ask_for_news(self, day: str) -> None:
        """See on which of the accounts that nothing can move something has happened that nobody has told.

        What this process commits is told. The record is asked when another process has rung, and every few seconds for
        what nobody could tell: a commit whose outcome was unknown, a ring that was never heard.
        """
        now = self._clock.monotonic()
        if now - self._asked_at < (_LEAST_S if self._rung else _EXPOSED_S):
            return
        self._asked_at, self._rung = now, False
        resting = {name: each for name, each in self._followed.items() if self._rests(each, day)}
        if not resting:
            return
        whose = these(each.session.connection.user_id for each in resting.values())
        for account_id, sequence in (await self._journal.sequences(whose, tuple(resting))).items():
            resting[account_id].moved |= sequence != resting[account_id].sequence

    def _rests(self, each: _Followed, day: str) -> bool:
        row = self._book.of(each.session.connection.account_id, day)
        return row is not None and not (row.exposed or each.looking or each.moved)

    async def _look(self, each: _Followed) -> None:
        """Look once; after one that failed the next is made as if nothing had been seen."""
        try:
            await self._try(each.session)
        finally:
            each.sequence = self._looker.seen_from(each.session.connection.account_id)
            each.looking = False

    async def _try(self, session: Session) -> None:
        account_id = session.connection.account_id
        try:
            await self._follow(session)
        except GatewayError as error:
            log.warning("an account's loss is not known", account_id=account_id, reason=error.reason.value)
        except Exception:
            log.exception("an account's loss is not known", account_id=account_id)

    async def _follow(self, session: Session) -> None:
        user_id = session.connection.user_id
        row = await self._looker.look(session)
        if row is None:
            return
        if not self._latch.reached(user_id):
            await self._latch.release(user_id)
        elif self._latch.stands(user_id):
            await self._looker.mark_crossed(row)
        else:
            await self._stop(session)

    async def _stop(self, session: Session) -> None:
        """Look once more, history included, before a user is stopped: one answer may be wrong, or ahead of its reasons.

        While cash has moved and nothing has told yet why, orders are refused and nobody is stopped.
        """
        user_id = session.connection.user_id
        await self._clock.sleep(_SURE_AFTER_S)
        row = await self._looker.look(session, sure=True)
        if row is None or not self._latch.reached(user_id) or self._looker.is_strange(row.account_id):
            return
        await self._latch.stop(user_id)
        await self._looker.mark_crossed(row)


def _least_s(session: Session) -> float:
    """Tell how long to wait between looks, so that they use a fifth of the broker's budget at most."""
    limit = session.adapter.budget().limit
    return max(_LEAST_S, _REQUESTS * 60 * _BUDGET_SHARE / limit) if limit else _LEAST_S
