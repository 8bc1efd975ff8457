"""The order that closes a position: a market order for all of it, reserved at what the broker says it is worth."""

from decimal import Decimal
from typing import Final

from brokergw.desk.results import Hold
from brokergw.model.account import Position
from brokergw.model.instrument import AssetClass
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.journal import Admission

_WITHOUT_DAYS: Final = frozenset({AssetClass.CRYPTO, AssetClass.FUTURE})
"""What trades where a day has no end, or where an order for the day is not known everywhere."""


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


def closing_hold(position: Position) -> Hold:
    """Give what a closing order is reserved for."""
    return Hold(abs(position.quantity), unit_worth(position))


def closing_admission(position: Position, *, through_halts: bool) -> Admission:
    """Give what a closing order must pass; only the kill switch's own go through halts."""
    return Admission(
        reduces=True,
        must_reduce=True,
        broker_decides=True,
        closing=through_halts,
        position=position.quantity,
        mark=unit_worth(position),
    )


def unit_worth(position: Position) -> Decimal:
    """Give what a unit is worth by what the broker told of the position; zero where it told nothing."""
    worth = position.market_value if position.market_value is not None else position.cost_basis
    return ZERO if worth is None or not position.quantity else abs(worth / position.quantity)
