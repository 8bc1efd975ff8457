"""What every account has lost today, in the memory of each process, at most a second behind the record.

Whoever holds an account's connection looks at the account and writes what it sees; every process reads that.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import structlog

from brokergw.desk.rounds import outlived
from brokergw.model.account import Environment
from brokergw.model.loss import RiskDay
from brokergw.model.order import ZERO
from brokergw.ports.clock import Clock
from brokergw.ports.losses import RiskDays

FRESH_S: Final = 60
"""How old the equity of an account may be whose value something can move."""

_LEARN_EVERY_S: Final = 1.0
_AGAIN_NS: Final = 30_000_000_000
_LOOK_BACK_NS: Final = 4 * 86_400_000_000_000
_FRESH_NS: Final = FRESH_S * 1_000_000_000

log = structlog.get_logger(__name__)


class LossBook:
    """The newest day of each account. `gone` tells whether an account's connection was revoked: nobody looks then."""

    def __init__(self, record: RiskDays, clock: Clock, gone: Callable[[str], bool]) -> None:
        self._record = record
        self._clock = clock
        self._gone = gone
        self._days: dict[str, RiskDay] = {}
        self._accounts: dict[str, list[str]] = {}
        self._learned_ns = 0

    def of(self, account_id: str, day: str) -> RiskDay | None:
        """Give an account's day; None where it has not begun."""
        known = self._days.get(account_id)
        return known if known is not None and known.trading_day == day else None

    def of_user(self, user_id: str) -> Sequence[RiskDay]:
        """Give the newest day of each of a user's accounts, by account."""
        return [self._days[account_id] for account_id in self._accounts.get(user_id, ())]

    def followed(self, user_id: str) -> Sequence[RiskDay]:
        """Give those of them whose connections are not revoked: nobody looks at the others any more."""
        return [row for row in self.of_user(user_id) if not self._gone(row.account_id)]

    def put(self, row: RiskDay) -> None:
        """Take what was seen; what is older than is known already changes nothing."""
        known = self._days.get(row.account_id)
        if known is not None and (known.trading_day, known.equity_time_ns) > (row.trading_day, row.equity_time_ns):
            return
        self._days[row.account_id] = row
        if known is None:
            insort(self._accounts.setdefault(row.user_id, []), row.account_id)

    def loss(self, user_id: str, day: str, at: Mapping[str, Decimal] | None = None) -> Decimal:
        """Sum up what a user's accounts have lost on a day; `at` gives newer losses by account.

        What is lost in one account is not made up for by what another one gains. Pretended money is no money: accounts
        of different environments are summed apart, and the largest sum counts. What was lost before a connection was
        revoked is lost still.
        """
        return _lost(self._days_of(user_id, day), at or {})

    def used(self, user_id: str, day: str, at: Mapping[str, Decimal]) -> Decimal:
        """Give a user's loss of a day, and what its orders of unknown outcome may cost beyond what its brokers show."""
        rows = self._days_of(user_id, day)
        return sum((row.doubt for row in rows), _lost(rows, at))

    def _days_of(self, user_id: str, day: str) -> Sequence[RiskDay]:
        return [row for row in self.of_user(user_id) if row.trading_day == day]

    def stale(self, user_id: str, now_ns: int, but: str = "") -> list[str]:
        """Name a user's accounts whose value may have moved since anybody last saw it; `but` leaves one out."""
        return [
            row.account_id
            for row in self.followed(user_id)
            if row.exposed and row.account_id != but and now_ns - row.equity_time_ns > _FRESH_NS
        ]

    async def learn(self) -> None:
        """Read what other processes have seen; raises JOURNAL_UNAVAILABLE."""
        now = self._clock.now_ns()
        since = self._learned_ns - _AGAIN_NS if self._learned_ns else now - _LOOK_BACK_NS
        self.put_all(await self._record.changed_since(since))
        self._learned_ns = now

    def put_all(self, rows: Iterable[RiskDay]) -> None:
        """Take what others have seen."""
        for row in rows:
            self.put(row)

    async def keep_learning(self) -> None:
        """Read what other processes have seen, each second, for ever."""
        while True:
            await self._clock.sleep(_LEARN_EVERY_S)
            with outlived(log, "losses of other processes are not known"):
                await self.learn()


def _lost(rows: Sequence[RiskDay], at: Mapping[str, Decimal]) -> Decimal:
    sums: dict[Environment, Decimal] = {}
    for row in rows:
        lost = at.get(row.account_id)
        sums[row.environment] = sums.get(row.environment, ZERO) + (row.loss if lost is None else lost)
    return max(sums.values(), default=ZERO)
