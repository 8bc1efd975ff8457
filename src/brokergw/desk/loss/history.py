"""What an account's history says of money that came and went without trading."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import structlog

from brokergw.model.account import Position, Transaction
from brokergw.model.order import ZERO

_FLOWS: Final = frozenset({"DEPOSIT", "WITHDRAWAL", "TRANSFER"})
_FEES: Final = frozenset({"FEE"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class History:
    """The lines of an account's history that are no trades, over some days; `amounts` are their worth by line id."""

    lines: tuple[Transaction, ...]
    amounts: dict[str, Decimal]

    @classmethod
    def of(cls, lines: Iterable[Transaction], currency: str, positions: Iterable[Position]) -> "History":
        """Read lines; what shares that were moved are worth is what they trade at."""
        prices = {position.symbol: position.market_price for position in positions}
        kept = tuple(line for line in lines if line.kind != "FILL")
        return cls(kept, {line.transaction_id: _worth(line, currency, prices.get(line.symbol)) for line in kept})

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all lines."""
        return frozenset(self.amounts)

    @property
    def total(self) -> Decimal:
        """What all lines come to."""
        return sum(self.amounts.values(), ZERO)

    def flows(self, known: frozenset[str]) -> Decimal:
        """Sum up what came, less what went, in lines that were not known."""
        return self._sum(_FLOWS, known)

    def fees(self, known: frozenset[str]) -> Decimal:
        """Sum up the fees that were taken in lines that were not known, as a positive amount."""
        return -self._sum(_FEES, known)

    def has_flows(self) -> bool:
        """Tell whether anything came or went at all."""
        return any(line.kind in _FLOWS for line in self.lines)

    def _sum(self, kinds: frozenset[str], known: frozenset[str]) -> Decimal:
        wanted = (line.transaction_id for line in self.lines if line.kind in kinds)
        return sum((self.amounts[each] for each in wanted if each not in known), ZERO)


def _worth(line: Transaction, currency: str, price: Decimal | None) -> Decimal:
    if line.currency not in {"", currency}:
        log.warning("a line in another currency does not count", kind=line.kind, currency=line.currency)
        return ZERO
    if line.net_amount:
        return line.net_amount
    if line.kind != "TRANSFER" or line.quantity is None:
        return ZERO
    unit = line.price or price
    if unit is None:
        log.warning("what was transferred has no price and does not count", symbol=line.symbol)
        return ZERO
    return line.quantity * unit
