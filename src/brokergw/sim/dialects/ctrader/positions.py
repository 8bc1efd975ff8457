"""The positions of an account, hedged or netted, and what a trade makes of them.

In a hedged account each order has a position of its own unless it names one; in a netted account there is one position
for a symbol, and a trade against it closes it first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.model.terms import Side
from brokergw.sim.dialects.ctrader.enums import AccountKind
from brokergw.sim.dialects.ctrader.symbols import Symbol

ZERO: Final = Decimal(0)


@dataclass(slots=True)
class HeldPosition:
    """One position: `quantity` in units, never negative; `price` is its average entry."""

    position_id: int
    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal
    open_ms: int
    update_ms: int
    label: str = ""
    comment: str = ""

    def profit_at(self, price: Decimal, quantity: Decimal | None = None) -> Decimal:
        """Give what closing it, or a part of it, at a price would bring."""
        size = self.quantity if quantity is None else quantity
        return (price - self.price) * size * (1 if self.side is Side.BUY else -1)


@dataclass(frozen=True, slots=True)
class Closing:
    """The part of a trade that closed something."""

    quantity: Decimal
    entry: Decimal
    profit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade that a book takes in."""

    position_id: int
    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal
    time_ms: int
    label: str = ""
    comment: str = ""


class PositionBook:
    """Every open position of one account."""

    def __init__(self, kind: AccountKind, next_id: Callable[[], int]) -> None:
        self._kind = kind
        self._next_id = next_id
        self.open: dict[int, HeldPosition] = {}

    def place_of(self, symbol: Symbol, position_id: int) -> int:
        """Tell which position an order is for: the one it names, the symbol's in a netted account, or a new one."""
        if position_id:
            return position_id
        if self._kind is AccountKind.NETTED:
            for held in self.open.values():
                if held.symbol is symbol:
                    return held.position_id
        return self._next_id()

    def take(self, trade: Trade) -> tuple[HeldPosition, Closing | None]:
        """Count a trade: give its position as it is afterwards, and what the trade closed."""
        held = self.open.get(trade.position_id)
        if held is None and self._kind is AccountKind.NETTED:
            # Another order has opened the symbol's position since this one was accepted.
            held = next((each for each in self.open.values() if each.symbol is trade.symbol), None)
        if held is None:
            return self._begin(trade, trade.position_id, trade.quantity), None
        held.update_ms = trade.time_ms
        if held.side is trade.side:
            total = held.quantity + trade.quantity
            held.price = (held.price * held.quantity + trade.price * trade.quantity) / total
            held.quantity = total
            return held, None
        return self._close(held, trade)

    def _close(self, held: HeldPosition, trade: Trade) -> tuple[HeldPosition, Closing]:
        quantity = min(held.quantity, trade.quantity)
        closing = Closing(quantity, held.price, held.profit_at(trade.price, quantity))
        held.quantity -= quantity
        if not held.quantity:
            del self.open[held.position_id]
        if trade.quantity > quantity:
            return self._begin(trade, self._next_id(), trade.quantity - quantity), closing
        return held, closing

    def _begin(self, trade: Trade, position_id: int, quantity: Decimal) -> HeldPosition:
        held = HeldPosition(
            position_id, trade.symbol, trade.side, quantity, trade.price, trade.time_ms, trade.time_ms,
            trade.label, trade.comment,
        )  # fmt: skip
        self.open[position_id] = held
        return held
