"""What an account has lost on a trading day: where it began, what came and went, where it is."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final, Self

from brokergw.model.account import Environment

_ZERO: Final = Decimal(0)


@unique
class OpeningSource(StrEnum):
    """Where a day's opening equity is from.

    BROKER: the broker's equity as the day began. BROKER_CLOSE: its equity at the end of the session before, as the
    broker tells it later, because nobody asked as the day began. LATE: its equity when it was first asked on that day,
    which hides what was lost before.
    """

    BROKER = "BROKER"
    BROKER_CLOSE = "BROKER_CLOSE"
    LATE = "LATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskDay:
    """One account on one trading day; money in the account's currency, times in Unix nanoseconds.

    `opening_equity` is what it began with, `known_lines` the ids of the deposits, fees and other lines of the account's
    history that were in it already. `flows` sums up the deposits, withdrawals and transfers that came later. `equity`
    is the broker's at `equity_time_ns`, of which `fees` are still to be taken. `doubt` is what orders of unknown
    outcome may cost beyond it, `exposed` whether anything could move it. `equity_low` and `equity_high` are its
    extremes. `crossed_time_ns` is when the user's loss was first found at its limit on that day.
    """

    account_id: str
    user_id: str
    environment: Environment
    trading_day: str
    opening_equity: Decimal
    opening_source: OpeningSource
    opening_time_ns: int
    known_lines: frozenset[str]
    equity: Decimal
    equity_time_ns: int
    exposed: bool
    equity_low: Decimal
    equity_high: Decimal
    flows: Decimal = _ZERO
    fees: Decimal = _ZERO
    doubt: Decimal = _ZERO
    crossed_time_ns: int | None = None

    @property
    def loss(self) -> Decimal:
        """What the account has lost since the day began, by what its broker says; never below zero."""
        return self.loss_at(self.equity)

    def loss_at(self, equity: Decimal) -> Decimal:
        """What it has lost if the broker's equity is another one."""
        return max(_ZERO, self.opening_equity + self.flows - equity + self.fees)

    def seen(self, equity: Decimal, time_ns: int) -> Self:
        """Give the day as it stands with a newer equity."""
        low, high = min(self.equity_low, equity), max(self.equity_high, equity)
        return replace(self, equity=equity, equity_time_ns=time_ns, equity_low=low, equity_high=high)
