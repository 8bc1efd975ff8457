"""What the broker's own account history says about a difference, and about cash."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.desk.reconcile.compare import Suspect, signed
from brokergw.model.account import Transaction
from brokergw.model.events import LogEvent
from brokergw.model.instrument import AssetClass, Instrument
from brokergw.model.order import ZERO, Fill
from brokergw.model.reconciliation import Explanation

CORPORATE: Final = "CORPORATE_ACTION"
"""The kind of a transaction that changes what a holding is: a split, a merger, another symbol."""

_UNIT: Final = frozenset({AssetClass.STOCK, AssetClass.ETF, AssetClass.CRYPTO})
_CONTRACT: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class News:
    """The lines of an account's history that are no trades and were not known before."""

    lines: tuple[Transaction, ...] = ()

    @classmethod
    def of(cls, history: Iterable[Transaction], known: frozenset[str]) -> "News":
        """Pick what is new out of a history; trades are on the record by themselves."""
        return cls(tuple(line for line in history if line.kind != "FILL" and line.transaction_id not in known))

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the lines."""
        return frozenset(line.transaction_id for line in self.lines)

    @property
    def cash(self) -> Decimal:
        """What the lines come to in cash."""
        return sum((line.net_amount for line in self.lines if line.net_amount is not None), ZERO)

    def explains(self, suspect: Suspect, since_ns: int) -> tuple[Explanation, str]:
        """Say whether the lines account for a symbol's change of quantity since a time, and in which words.

        A line may have been told late, for a change that was taken over already: so all of them may come to it, those
        since then, or one alone.
        """
        own = [line for line in self.lines if _same(line.symbol, suspect.symbol)]
        words = ", ".join(sorted({line.broker_kind for line in own}))
        late = [line for line in own if line.time_ns >= since_ns]
        if suspect.excess in {_quantity(own), _quantity(late), *(line.quantity for line in own)}:
            return Explanation.TRANSACTION, f"the account's history has it: {words}"
        if any(line.kind == CORPORATE for line in own):
            return Explanation.CORPORATE_ACTION, f"the account's history names a corporate action: {words}"
        return Explanation.NONE, ""


def _quantity(lines: Iterable[Transaction]) -> Decimal:
    return sum((line.quantity for line in lines if line.quantity is not None), ZERO)


def _same(told: str, symbol: str) -> bool:
    # Some brokers write a currency pair with its slash here and without it there.
    return told.replace("/", "") == symbol.replace("/", "")


def cash_of(event: LogEvent, instruments: Mapping[str, Instrument | None], currency: str) -> Decimal | None:
    """Give what an event comes to in an account's cash; None when what a unit of its fill costs is not known here."""
    fill = event.payload
    if not isinstance(fill, Fill):
        return ZERO
    instrument = instruments.get(fill.symbol)
    if instrument is None or instrument.currency != currency:
        return None
    if instrument.asset_class not in _UNIT and instrument.asset_class is not AssetClass.OPTION:
        return None
    size = Decimal(1) if instrument.asset_class in _UNIT else _CONTRACT
    return -signed(fill) * fill.price * size - sum((fee.amount for fee in fill.fees if fee.asset == currency), ZERO)
