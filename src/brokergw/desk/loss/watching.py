"""Following the accounts whose connections this process holds: on every fill, and every few seconds while exposed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from brokergw.desk.limits.day import TradingDays
from brokergw.desk.loss.book import LossBook
from brokergw.desk.loss.latch import LossLatch
from brokergw.desk.loss.looking import Looker
from brokergw.desk.sessions import Session
from brokergw.model.account import Connection
from brokergw.model.errors import GatewayError
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.whose import only
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


@dataclass(slots=True)
class _Known:
    """How far an account's log had come when it was last asked, when that was, and how often others had rung."""

    sequence: int
    asked_at: float
    rings: int


class Watching:
    """Looks at each account in time, and has its user stopped or released."""

    def __init__(
        self, looker: Looker, book: LossBook, latch: LossLatch, journal: Journal, days: TradingDays, clock: Clock
    ) -> None:
        self._looker = looker
        self._book = book
        self._latch = latch
        self._journal = journal
        self._days = days
        self._clock = clock
        self._traded: set[str] = set()
        self._moved: set[str] = set()
        self._rings = 0
        journal.on_events(self._hear)
        journal.on_wake(self._ring)

    def start(self, session: Session) -> None:
        """Follow a session's account for as long as this process holds its connection."""
        session.later("loss", lambda: self.run(session))

    def _hear(self, events: Sequence[LogEvent]) -> None:
        self._moved.update(event.account_id for event in events)
        self._traded.update(event.account_id for event in events if event.kind is EventKind.FILL)

    def _ring(self) -> None:
        self._rings += 1

    async def run(self, session: Session) -> None:
        """Look whenever it is time to, until cancelled; a look that fails is made again a moment later."""
        account_id = session.connection.account_id
        # The first look is due at once.
        looked_at, known = self._clock.monotonic() - _IDLE_S, _Known(-1, self._clock.monotonic(), self._rings)
        while True:
            gap = self._clock.monotonic() - looked_at
            if gap >= _least_s(session) and await self._is_due(session.connection, gap, known):
                self._traded.discard(account_id)
                self._moved.discard(account_id)
                looked_at = self._clock.monotonic()
                known.sequence = await self._sequence(session.connection, known)
                await self._try(session)
            await self._clock.sleep(_STEP_S)

    async def _is_due(self, own: Connection, gap: float, known: _Known) -> bool:
        account_id = own.account_id
        row = self._book.of(account_id, self._days.of(self._clock.now_ns()))
        if row is None or account_id in self._traded or gap >= _IDLE_S:
            return True
        if gap < _EXPOSED_S:
            return False
        return row.exposed or await self._has_moved(own, known)

    async def _has_moved(self, own: Connection, known: _Known) -> bool:
        """Tell whether anything has happened on the account since the last look.

        What this process commits is told. The record is asked where another process has rung, and every few seconds
        for what nobody could tell: a commit whose outcome was unknown, a ring that was never heard.
        """
        if own.account_id in self._moved:
            return True
        every_s = _EXPOSED_S if known.rings == self._rings else _LEAST_S
        if self._clock.monotonic() - known.asked_at < every_s:
            return False
        return await self._sequence(own, known) != known.sequence

    async def _sequence(self, own: Connection, known: _Known) -> int:
        """Ask how far the account's log has come, here or in any process."""
        known.asked_at, known.rings = self._clock.monotonic(), self._rings
        try:
            return (await self._journal.sequences(only(own.user_id), (own.account_id,))).get(own.account_id, 0)
        except GatewayError:
            return known.sequence

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
