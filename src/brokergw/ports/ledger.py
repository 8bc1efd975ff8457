"""The record's own count of what is held, open and used, for those who show it, compare it and prove it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageOnRecord:
    """What a user has used; of one strategy or one account where that is named. Amounts in the base currency.

    `day_orders` and `day_volume` are those of `trading_day`, the latest on which anything was admitted.
    """

    user_id: str
    strategy_id: str = ""
    account_id: str = ""
    exposure: Decimal
    open_orders: int
    unacknowledged: Decimal
    trading_day: str
    day_orders: int
    day_volume: Decimal
    minute_orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionOnRecord:
    """One symbol in one account: `quantity` is signed, `average_cost` what a unit cost in the base currency.

    `open_buys` and `open_sells` are the units that open orders may still trade; `worst` is what the symbol may come to.
    """

    account_id: str
    symbol: str
    quantity: Decimal
    average_cost: Decimal
    open_buys: Decimal
    open_sells: Decimal
    worst: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDifference:
    """Where the ledger is not what its orders come to. `subject` names whose row it is, `measure` its column."""

    subject: str
    measure: str
    recorded: Decimal
    counted: Decimal


class Ledger(Protocol):
    """What the record counts beside its orders, in the same commits."""

    async def usage(self, user_id: str) -> Sequence[UsageOnRecord]:
        """Give what a user, each strategy of theirs and each account has used."""
        ...

    async def positions_on_record(self, user_id: str, account_id: str) -> Sequence[PositionOnRecord]:
        """Give every symbol of an account that is held or has open orders."""
        ...

    async def anchor(
        self, user_id: str, account_id: str, symbol: str, quantity: Decimal, average_cost: Decimal, expected: Decimal
    ) -> bool:
        """Set a position to what the broker told; False where it is no longer `expected`: it moved meanwhile.

        `average_cost` is what a unit cost in the base currency, multiplier included.
        """
        ...

    async def recount(self) -> Sequence[LedgerDifference]:
        """Count what is open anew from the open orders, and give every difference to the ledger."""
        ...
