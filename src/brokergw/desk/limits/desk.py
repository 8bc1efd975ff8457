"""The limits of one process, whole: what holds, which day it is, and the verbs."""

from collections.abc import Collection
from typing import Self

from brokergw.desk.limits.book import LimitsBook
from brokergw.desk.limits.day import TradingDays
from brokergw.desk.limits.verbs import CodeCheck, LimitsVerbs, Usage, UsageOf
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.limits import Limits, ScopeLimits
from brokergw.ports.clock import Clock
from brokergw.ports.limits import LimitsRecord, LimitsStore


async def no_usage(_user_id: str, _strategy_id: str) -> Usage:
    """Tell of nothing that is used."""
    return Usage({}, {})


async def no_code(_user_id: str, _code: str, _what: str) -> None:
    """Ask nobody for a code."""


class LimitsDesk(LimitsVerbs):
    """The verbs, with the `book` they stand on and the trading `days`."""

    def __init__(
        self,
        store: LimitsStore | None,
        hard: Limits,
        brokers: Collection[str],
        clock: Clock,
        days: TradingDays | None = None,
        codes: CodeCheck = no_code,
        usage: UsageOf = no_usage,
    ) -> None:
        self.book = LimitsBook(store, hard, clock)
        self.days = days or TradingDays()
        super().__init__(store or _NoRecord(), self.book, brokers, clock, codes, usage)

    @classmethod
    def of_settings(cls, hard: Limits, clock: Clock) -> Self:
        """Hold to the mandatory limits alone, with no record of others."""
        return cls(None, hard, (), clock)


class _NoRecord:
    """Keeps nothing, and says so."""

    async def revision(self) -> int:
        return 0

    async def load(self) -> LimitsRecord:
        return LimitsRecord()

    async def knows_user(self, _user_id: str) -> bool:
        return True

    async def put_limits(self, limits: ScopeLimits, _audit: AuditRow) -> bool:
        raise _not_kept(limits)

    async def put_broker(self, config: object, _audit: AuditRow) -> bool:
        raise _not_kept(config)


def _not_kept(_what: object) -> GatewayError:
    return GatewayError(Reason.JOURNAL_UNAVAILABLE, "this gateway keeps no limits")
