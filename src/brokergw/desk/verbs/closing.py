"""The orders that close a position: a market order for all of it, reserved at what the broker says it is worth.

Where a broker keeps several positions in one symbol, each is closed by an order of its own.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.desk.results import Hold
from brokergw.model.account import Position
from brokergw.model.instrument import AssetClass, Instrument
from brokergw.model.order import ONE, ZERO
from brokergw.model.terms import OrderTerms, OrderType, PositionSide, Side, TimeInForce
from brokergw.ports.journal import Admission

_WITHOUT_DAYS: Final = frozenset({AssetClass.CRYPTO, AssetClass.FUTURE})
"""What trades where a day has no end, or where an order for the day is not known everywhere."""


@dataclass(frozen=True, slots=True)
class ToClose:
    """What one closing order is for: a position, or one `part` of it; `same_side` is all that is held on its side."""

    position: Position
    part: str
    same_side: Decimal

    @property
    def position_side(self) -> PositionSide:
        """The side of hedge mode that the part is; a part of another name is none."""
        return next((side for side in PositionSide if self.part == side), PositionSide.NET)


def to_close(position: Position) -> tuple[ToClose, ...]:
    """Give what must be closed, each by one order; nothing of a position that is none."""
    if not position.parts:
        return (ToClose(position, "", position.quantity),) if position.quantity else ()
    found = []
    for part in position.parts:
        beside = [each.quantity for each in position.parts if (each.quantity > 0) is (part.quantity > 0)]
        found.append(ToClose(position.alone(part), part.part_id, sum(beside, ZERO)))
    return tuple(found)


def closing_terms(position: Position) -> OrderTerms:
    """Give the terms that close a position."""
    around_the_clock = position.asset_class in _WITHOUT_DAYS
    return OrderTerms(
        symbol=position.symbol,
        side=Side.SELL if position.quantity > 0 else Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.GTC if around_the_clock else TimeInForce.DAY,
        quantity=abs(position.quantity),
        # Where positions may stand against each other, nothing else tells a closing order from one that opens.
        reduce_only=True,
    )


def closing_hold(closed: ToClose, instrument: Instrument | None) -> Hold:
    """Give what a closing order is reserved for, with the instrument where it is at hand: nobody waits for it here."""
    position = closed.position
    multiplier = instrument.multiplier if instrument is not None else ONE
    return Hold(abs(position.quantity), unit_worth(position), multiplier, closed.position_side)


def closing_admission(closed: ToClose, *, through_halts: bool) -> Admission:
    """Give what a closing order must pass; only the kill switch's own go through halts."""
    return Admission(
        reduces=True,
        must_reduce=True,
        broker_decides=True,
        closing=through_halts,
        position=closed.same_side,
        mark=unit_worth(closed.position),
    )


def unit_worth(position: Position) -> Decimal:
    """Give what a unit is worth by what the broker told of the position; zero where it told nothing."""
    worth = position.market_value if position.market_value is not None else position.cost_basis
    return ZERO if worth is None or not position.quantity else abs(worth / position.quantity)
