"""Whether an account's cash moved by what trades, fees and known transactions come to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from operator import sub
from typing import Final

from brokergw.desk.reconcile.history import cash_of
from brokergw.desk.sessions import Session
from brokergw.model.errors import GatewayError
from brokergw.model.events import LogEvent
from brokergw.model.instrument import Instrument
from brokergw.model.order import ZERO, Fill
from brokergw.model.reconciliation import Baseline

_EARLY_NS: Final = 5_000_000_000


@dataclass(frozen=True, slots=True)
class CashMove:
    """How cash should have moved since a baseline: each sum that would be right, the first where all fills count.

    A fill that came right after the baseline may have been in its cash already, so there may be more than one.
    """

    sums: tuple[Decimal, ...]

    def excesses(self, moved: Decimal) -> tuple[Decimal, ...]:
        """Give what cash moved beyond each of the sums, the least first."""
        return tuple(sorted((moved - each for each in self.sums), key=abs))


async def cash_move(session: Session, baseline: Baseline, fills: Sequence[LogEvent]) -> CashMove | None:
    """Sum up what the fills since a baseline cost; None where that is not known here."""
    instruments = await _instruments(session, fills)
    costs: list[Decimal] = []
    for event in fills:
        cost = cash_of(event, instruments, baseline.currency)
        if cost is None:
            return None
        costs.append(cost)
    early = sum(1 for event in fills if event.receive_time_ns < baseline.as_of_ns + _EARLY_NS)
    # Each sum from the one before: in a storm there are a thousand early fills, and the event loop waits for this.
    return CashMove(tuple(accumulate(costs[:early], sub, initial=sum(costs, ZERO))))


async def _instruments(session: Session, fills: Sequence[LogEvent]) -> dict[str, Instrument | None]:
    found: dict[str, Instrument | None] = {}
    for symbol in dict.fromkeys(_symbols(fills)):
        try:
            found[symbol] = await session.instrument(symbol) if symbol else None
        except GatewayError:
            # Without the size of a unit its cash cannot be judged, and is left alone.
            found[symbol] = None
    return found


def _symbols(fills: Sequence[LogEvent]) -> Iterator[str]:
    for event in fills:
        if isinstance(event.payload, Fill):
            yield event.payload.symbol
