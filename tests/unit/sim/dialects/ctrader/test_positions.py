"""What a trade makes of the positions of hedged and of netted accounts."""

from decimal import Decimal
from itertools import count

import pytest

from brokergw.model.terms import Side
from brokergw.sim.dialects.ctrader.enums import AccountKind
from brokergw.sim.dialects.ctrader.positions import PositionBook, Trade
from brokergw.sim.dialects.ctrader.symbols import BY_NAME

EURUSD = BY_NAME["EURUSD"]


def book_of(kind: AccountKind) -> PositionBook:
    ids = count(1)
    return PositionBook(kind, lambda: next(ids))


def trade(book: PositionBook, side: Side, quantity: int, price: str, position_id: int = 0) -> Decimal | None:
    """Trade in the position that an order would have, and give the profit that was taken."""
    place = book.place_of(EURUSD, position_id)
    _, closing = book.take(
        Trade(position_id=place, symbol=EURUSD, side=side, quantity=Decimal(quantity), price=Decimal(price), time_ms=1)
    )
    return None if closing is None else closing.profit


def held(book: PositionBook) -> list[tuple[int, Side, Decimal, Decimal]]:
    return [(each.position_id, each.side, each.quantity, each.price) for each in book.open.values()]


def test_hedged_orders_stand_beside_each_other() -> None:
    """In a hedged account each order opens a position of its own, against another one too."""
    book = book_of(AccountKind.HEDGED)
    assert trade(book, Side.BUY, 1000, "1.1") is None
    assert trade(book, Side.SELL, 400, "1.2") is None
    assert held(book) == [
        (1, Side.BUY, Decimal(1000), Decimal("1.1")),
        (2, Side.SELL, Decimal(400), Decimal("1.2")),
    ]


@pytest.mark.parametrize(("quantity", "left"), [(999, 1), (1000, 0)])
def test_an_order_that_names_a_position_closes_it(quantity: int, left: int) -> None:
    """What is traded against a named position makes it smaller, to nothing at most, and pays the difference."""
    book = book_of(AccountKind.HEDGED)
    trade(book, Side.BUY, 1000, "1.1")
    assert trade(book, Side.SELL, quantity, "1.2", 1) == quantity * Decimal("0.1")
    assert sum(each.quantity for each in book.open.values()) == left


def test_netted_orders_share_the_position_of_their_symbol() -> None:
    """In a netted account a second purchase enlarges the position at the mean price."""
    book = book_of(AccountKind.NETTED)
    trade(book, Side.BUY, 1000, "1.1")
    trade(book, Side.BUY, 3000, "1.2")
    assert held(book) == [(1, Side.BUY, Decimal(4000), Decimal("1.175"))]


@pytest.mark.parametrize(
    ("quantity", "after"),
    [(999, [(1, Side.BUY, Decimal(1))]), (1000, []), (1001, [(2, Side.SELL, Decimal(1))])],
    ids=["below", "at", "above"],
)
def test_a_netted_position_turns_over(quantity: int, after: list[tuple[int, Side, Decimal]]) -> None:
    """What is sold beyond the position is one of its own, the other way."""
    book = book_of(AccountKind.NETTED)
    trade(book, Side.BUY, 1000, "1.1")
    trade(book, Side.SELL, quantity, "1.0")
    assert [each[:3] for each in held(book)] == after
