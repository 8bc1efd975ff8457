"""Every limit that is set, in the memory of each process, at most a second behind the record.

Theory of operation: nobody asks the record for an order's limits. The book reads everything once, then asks four times
a second how far changes have come (one small query) and reads again when they have moved, and every ten seconds all the
same, for rows that somebody has edited by hand. What a change lowers therefore binds within a second in every process;
the process that made the change knows it before it answers. A book that has not reached its record for ten seconds
may be behind a limit that was lowered meanwhile, and says so: its limits then have a fault.
"""

import asyncio
from dataclasses import replace
from functools import cache
from typing import Final

import structlog

from brokergw.desk.limits.effective import effective
from brokergw.desk.rounds import outlived
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.errors import Reason
from brokergw.model.limits import EffectiveLimits, Limits, LimitsFault, LimitSource, LimitsScope, ScopeLimits
from brokergw.ports.clock import Clock
from brokergw.ports.limits import LimitsRecord, LimitsStore

LOOK_EVERY_S: Final = 0.25
READ_EVERY_S: Final = 10.0
STALE_AFTER_S: Final = 10.0
_KEPT_MAX: Final = 20_000

log = structlog.get_logger(__name__)


class LimitsBook:
    """What holds for whom. `hard` are the platform's mandatory limits, which no row of the record can raise."""

    def __init__(self, store: LimitsStore | None, hard: Limits, clock: Clock) -> None:
        self._store = store
        self._hard = hard
        self._clock = clock
        self._scopes: dict[LimitsScope, ScopeLimits] = {}
        self._faults: dict[tuple[str, str], str] = {}
        self._brokers: dict[str, BrokerConfig] = {}
        self._regions: dict[str, str] = {}
        self._made: dict[tuple[str, str, str], EffectiveLimits] = {}
        self._record: LimitsRecord | None = None
        self._revision = -1
        self._read_at = self._seen_at = clock.monotonic() - STALE_AFTER_S
        self._reading = asyncio.Lock()

    @property
    def hard(self) -> Limits:
        """The platform's mandatory limits."""
        return self._hard

    @property
    def revision(self) -> int:
        """How far the changes have come that the book has."""
        return self._revision

    def effective(self, user_id: str, broker: str = "", strategy_id: str = "") -> EffectiveLimits:
        """Give what holds for a user, at a broker, for a strategy; empty leaves that scope out."""
        key = (user_id, broker, strategy_id)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _KEPT_MAX:
                self._made.clear()
            made = self._made[key] = self._put_together(user_id, broker, strategy_id)
        if self._stale:
            return replace(made, fault=_STALE)
        return made

    def bound(self, scope: LimitsScope) -> EffectiveLimits:
        """Give what holds whatever the scope itself says: nothing it sets may be looser than this."""
        wider = [LimitSource.PLATFORM]
        if scope.source in {LimitSource.USER, LimitSource.STRATEGY}:
            wider.append(LimitSource.ADMIN)
        if scope.source is LimitSource.STRATEGY:
            wider.append(LimitSource.USER)
        layers = [(LimitSource.PLATFORM, self._hard)]
        if scope.source is not LimitSource.PLATFORM:
            layers += [(source, self.scope(_scope(source, scope.user_id)).limits) for source in wider]
        return effective(layers, self._revision)

    def scope(self, scope: LimitsScope) -> ScopeLimits:
        """Give the limits of one scope as they stand."""
        return self._scopes.get(scope) or ScopeLimits(scope=scope)

    def broker(self, broker: str) -> BrokerConfig:
        """Give a broker's configuration as it stands."""
        return self._brokers.get(broker) or _untouched(broker)

    def region(self, user_id: str) -> str:
        """Give a user's region; empty is none."""
        return self._regions.get(user_id, "")

    async def refresh(self) -> None:
        """Read everything now; raises JOURNAL_UNAVAILABLE."""
        if self._store is None:
            return
        async with self._reading:
            asked = self._clock.monotonic()
            self._take(await self._store.load())
            self._read_at = self._seen_at = asked

    async def run(self) -> None:
        """Stay current, for ever."""
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            with outlived(log, "limits could not be looked at"):
                await self.look()

    async def look(self) -> None:
        """Ask how far changes have come, and read again when they have moved or it is time to."""
        if self._store is None:
            return
        asked = self._clock.monotonic()
        if asked - self._read_at >= READ_EVERY_S or await self._store.revision() != self._revision:
            await self.refresh()
        else:
            self._seen_at = asked

    @property
    def _stale(self) -> bool:
        return self._store is not None and self._clock.monotonic() - self._seen_at >= STALE_AFTER_S

    def _take(self, record: LimitsRecord) -> None:
        if record is self._record:
            return
        scopes = {each.scope: each for each in record.limits}
        faults = {(each.scope.user_id, each.scope.strategy_id): each.fault for each in record.limits if each.fault}
        brokers = {each.broker: each for each in record.brokers}
        for (user_id, strategy_id), fault in faults.items():
            log.error("limits cannot be read", user_id=user_id, strategy_id=strategy_id, fault=fault)
        self._scopes, self._faults, self._brokers = scopes, faults, brokers
        self._regions = {scope.user_id: each.region for scope, each in scopes.items() if each.region}
        self._record, self._revision = record, record.revision
        self._made.clear()

    def _put_together(self, user_id: str, broker: str, strategy_id: str) -> EffectiveLimits:
        layers = [
            (LimitSource.PLATFORM, self._hard),
            (LimitSource.PLATFORM, self.scope(_scope(LimitSource.PLATFORM)).limits),
            (LimitSource.ADMIN, self.scope(_scope(LimitSource.ADMIN, user_id)).limits),
            (LimitSource.USER, self.scope(_scope(LimitSource.USER, user_id)).limits),
        ]
        config = self.broker(broker)
        if broker:
            layers.insert(2, (LimitSource.BROKER, config.limits))
        if strategy_id:
            strategy = LimitsScope(source=LimitSource.STRATEGY, user_id=user_id, strategy_id=strategy_id)
            layers.append((LimitSource.STRATEGY, self.scope(strategy).limits))
        made = effective(layers, self._revision)
        concerned = (("", ""), (user_id, ""), (user_id, strategy_id))
        fault = next((self._faults[each] for each in concerned if each in self._faults), config.fault)
        return replace(made, fault=LimitsFault(Reason.LIMITS_UNREADABLE, fault)) if fault else made


_STALE: Final = LimitsFault(
    Reason.RISK_DATA_STALE, f"the limits were not read for {STALE_AFTER_S:g} s; they may have been lowered meanwhile"
)


@cache
def _untouched(broker: str) -> BrokerConfig:
    return BrokerConfig(broker=broker)


def _scope(source: LimitSource, user_id: str = "") -> LimitsScope:
    return LimitsScope(source=source, user_id="" if source is LimitSource.PLATFORM else user_id)
