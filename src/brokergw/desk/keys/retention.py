"""Letting go of what is old: of what idempotency keys came to, much later of the fact that they were used, and of the
events of accounts.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from brokergw.desk.rounds import outlived
from brokergw.desk.rules import DeskRules
from brokergw.desk.sessions import Sessions
from brokergw.model.errors import GatewayError
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

_EVERY_S: Final = 3600.0
_FIRST_AFTER_S: Final = 60.0
_BATCH: Final = 500
_BETWEEN_BATCHES_S: Final = 1.0
_REPEATS_KEPT_NS: Final = 600 * 1_000_000_000
"""Far longer than the same order again is taken for a mistake."""
_DAY_NS: Final = 24 * 3600 * 1_000_000_000

log = structlog.get_logger(__name__)


class Retention:
    """Lets go every hour, a small batch a second, so that no order waits for it.

    It runs in every process that does background work: keys in each of them, an account's events where its connection
    is held. Two at once do no harm, because each step is one of its own.
    """

    def __init__(self, journal: Journal, sessions: Sessions, clock: Clock, rules: DeskRules) -> None:
        self._journal = journal
        self._sessions = sessions
        self._clock = clock
        self._rules = rules

    async def run(self) -> None:
        """Go on until cancelled."""
        await self._clock.sleep(_FIRST_AFTER_S)
        while True:
            if any(session.lease is not None for session in self._sessions.all()):
                await self._round()
                if self._rules.event_retention_days:
                    await self._events_round()
            await self._clock.sleep(_EVERY_S)

    async def _events_round(self) -> None:
        """Let go of old events of the accounts held here, and of those that nobody holds since they were revoked."""
        before_ns = self._clock.now_ns() - self._rules.event_retention_days * _DAY_NS
        with outlived(log, "old events stay until the next round"):
            held = {each.connection.connection_id for each in self._sessions.all() if each.lease is not None}
            for own in await self._sessions.every_connection():
                if own.revoked or own.connection_id in held:
                    pruned = await self._all(
                        partial(self._journal.prune_events, own.user_id, own.account_id), before_ns
                    )
                    if pruned:
                        log.info("old events let go", account_id=own.account_id, events=pruned)

    async def _round(self) -> None:
        now = self._clock.now_ns()
        try:
            retired = await self._all(self._journal.retire_keys, now - self._rules.key_retention_days * _DAY_NS)
            dropped = await self._all(self._journal.drop_retired_keys, now - self._rules.key_tombstone_days * _DAY_NS)
            await self._all(self._journal.forget_repeats, now - _REPEATS_KEPT_NS)
        except GatewayError as error:
            log.warning("old keys stay until the next round", reason=error.reason.value)
        except Exception:
            log.exception("old keys could not be let go")
        else:
            if retired or dropped:
                log.info("old keys let go", retired=retired, dropped=dropped)

    async def _all(self, let_go: Callable[[int, int], Awaitable[int]], before_ns: int) -> int:
        total = 0
        while True:
            done = await let_go(before_ns, _BATCH)
            total += done
            if done < _BATCH:
                return total
            await self._clock.sleep(_BETWEEN_BATCHES_S)
