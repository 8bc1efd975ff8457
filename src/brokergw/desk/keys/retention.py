"""Letting go of old idempotency keys: first of what they came to, much later of the fact that they were used."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

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
    """Retires and drops keys every hour, a small batch a second, so that no order waits for it.

    It runs in every process that does background work. Two at once do no harm, because each step is one of its own.
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
            await self._clock.sleep(_EVERY_S)

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
