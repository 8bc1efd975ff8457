"""Resting limit orders in memory, by family of accounts, symbol and side, the best price first at hand."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import Order
from brokergw.model.terms import OrderClass, OrderType, Side

_UNDER_A_PARENT = frozenset({State.WORKING, State.PARTIAL})
Place: TypeAlias = tuple[Decimal, str]


@dataclass(slots=True)
class _Book:
    """One family's orders for one symbol: price and order id, ascending."""

    buys: list[Place] = field(default_factory=list)
    sells: list[Place] = field(default_factory=list)

    def side(self, side: Side) -> list[Place]:
        return self.buys if side is Side.BUY else self.sells


class Resting:
    """Every resting limit order of the families that trade here; whatever may still reach a book counts as resting."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], _Book] = {}
        self._placed: dict[str, tuple[int, str, str, Side, Place]] = {}

    def __len__(self) -> int:
        """How many orders rest."""
        return len(self._placed)

    def take(self, family: str, order: Order) -> None:
        """Take the present version of an order; an older one than is known changes nothing."""
        known = self._placed.get(order.order_id)
        if known is not None and known[0] >= order.version:
            return
        if known is not None:
            self._forget(order.order_id)
        price = _resting_price(order)
        if price is None:
            return
        place = (price, order.order_id)
        symbol, side = order.terms.symbol, order.terms.side
        insort(self._books.setdefault((family, symbol), _Book()).side(side), place)
        self._placed[order.order_id] = (order.version, family, symbol, side, place)

    def met_by(self, family: str, symbol: str, side: Side, price: Decimal | None, but: str = "") -> Place | None:
        """Give the best resting order that an order would meet at a price (None takes any); `but` is the order itself.

        Its price and id; None where there is none.
        """
        book = self._books.get((family, symbol))
        if book is None:
            return None
        against = book.sells if side is Side.BUY else reversed(book.buys)
        for place in against:
            if price is not None and (place[0] > price if side is Side.BUY else place[0] < price):
                return None
            if place[1] != but:
                return place
        return None

    def _forget(self, order_id: str) -> None:
        _, family, symbol, side, place = self._placed.pop(order_id)
        book = self._books[family, symbol]
        places = book.side(side)
        del places[bisect_left(places, place)]
        if not book.buys and not book.sells:
            del self._books[family, symbol]


def _resting_price(order: Order) -> Decimal | None:
    """Give the price that an order stands at in a book, or may; None for one that stands in none.

    A stop stands in no book before it fires, nor do the exits of an entry that has not traded.
    """
    terms = order.terms
    if is_terminal(order.state) or terms.type is not OrderType.LIMIT or terms.order_class is OrderClass.MULTI_LEG:
        return None
    if order.parent_order_id and order.state not in _UNDER_A_PARENT:
        return None
    return terms.limit_price
