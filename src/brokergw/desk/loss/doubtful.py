"""What orders of unknown outcome may have cost beyond what the broker shows."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from brokergw.desk.results import BrokerState
from brokergw.desk.sessions import Session
from brokergw.model.errors import GatewayError
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import UNRESOLVED
from brokergw.model.order import ZERO, Order
from brokergw.model.terms import Side
from brokergw.model.whose import only
from brokergw.ports.journal import Journal

_UNITS: Final = frozenset({AssetClass.STOCK, AssetClass.ETF, AssetClass.CRYPTO})


async def doubtful_cost(journal: Journal, session: Session, state: BrokerState) -> Decimal:
    """Sum up the worst that an account's orders in doubt may have cost; raises JOURNAL_UNAVAILABLE.

    That is how much worse than the market they may trade. Without a price of the market it is all that they hold.
    """
    own = session.connection
    orders = await journal.open_orders(only(own.user_id), own.account_id, UNRESOLVED)
    if not orders:
        return ZERO
    worths = {position.symbol: _unit(position.market_value, position.quantity) for position in state.positions}
    marks = {symbol: worth for symbol, worth in worths.items() if worth is not None}
    marks |= await _quoted(session, {order.terms.symbol for order in orders} - marks.keys() - {""})
    return sum((worst_case(order, marks) for order in orders), ZERO)


def worst_case(order: Order, marks: Mapping[str, Decimal]) -> Decimal:
    """Give how much one order may have cost at worst, at the market's worth of a unit of its symbol."""
    held, hold = order.held_quantity, order.hold_price
    mark = marks.get(order.terms.symbol)
    if mark is None:
        return held * hold
    limit = order.terms.limit_price
    if order.terms.side is Side.SELL and limit is not None:
        return held * max(ZERO, mark - limit)
    return held * max(ZERO, hold - mark)


def _unit(value: Decimal | None, quantity: Decimal) -> Decimal | None:
    return abs(value / quantity) if value is not None and quantity else None


async def _quoted(session: Session, symbols: set[str]) -> dict[str, Decimal]:
    if not symbols:
        return {}
    try:
        quotes = await session.adapter.get_quotes(sorted(symbols))
    except GatewayError:
        # Then all that the orders hold counts.
        return {}
    found: dict[str, Decimal] = {}
    for quote in quotes:
        sides = [side for side in (quote.bid, quote.ask) if side is not None]
        if sides and await _is_unit(session, quote.symbol):
            found[quote.symbol] = sum(sides, ZERO) / len(sides)
    return found


async def _is_unit(session: Session, symbol: str) -> bool:
    """Tell whether a unit of an instrument is worth its price; a contract is worth a multiple of it."""
    instrument = await session.instrument(symbol)
    return instrument is not None and instrument.asset_class in _UNITS
