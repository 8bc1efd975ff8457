"""Closing orders that are on their way at once each name a position of their own."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.adapters.ctrader.claims import HELD_S, Claims
from brokergw.adapters.ctrader.mapping import Held
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from tests.fixtures.clock import FakeClock

SALE = OrderTerms(
    symbol="EUR/USD",
    side=Side.SELL,
    type=OrderType.MARKET,
    time_in_force=TimeInForce.IOC,
    quantity=Decimal(1000),
    reduce_only=True,
)


def part(number: int, quantity: int, symbol_id: int = 1) -> Held:
    """Make a position."""
    return Held(number, symbol_id, Decimal(quantity), Decimal("1.1"), Decimal(0))


def chosen(claims: Claims, parts: list[Held], terms: OrderTerms = SALE) -> int | None:
    """Give which position an order names."""
    found = claims.take(parts, 1, terms)
    return None if found is None else found.position_id


@pytest.mark.parametrize(
    ("side", "quantity", "place"),
    [
        (Side.SELL, 999, 501),
        (Side.SELL, 1000, 501),
        (Side.SELL, 1001, 502),
        (Side.SELL, 3000, 502),
        (Side.SELL, 3001, None),
        (Side.BUY, 500, 503),
        (Side.BUY, 501, None),
    ],
)
def test_an_order_names_the_smallest_position_that_is_large_enough(
    clock: FakeClock, side: Side, quantity: int, place: int | None
) -> None:
    """A sale reduces what was bought and a purchase what was sold, of the same symbol and no less than the order."""
    parts = [part(502, 3000), part(501, 1000), part(503, -500), part(504, -9000, symbol_id=2)]
    terms = replace(SALE, side=side, quantity=Decimal(quantity))
    assert chosen(Claims(clock), parts, terms) == place


def test_two_orders_at_once_name_two_positions(clock: FakeClock) -> None:
    """Two positions of one size are closed by two orders, and a third order has none left."""
    claims, parts = Claims(clock), [part(501, 1000), part(502, 1000)]
    assert [chosen(claims, parts) for _ in range(3)] == [501, 502, None]


def test_a_position_is_free_again_once_it_has_changed(clock: FakeClock) -> None:
    """What has traded shows in the position's size, so what is left of it may be closed by the next order."""
    claims = Claims(clock)
    assert chosen(claims, [part(501, 3000)]) == 501
    assert chosen(claims, [part(501, 3000)]) is None
    assert chosen(claims, [part(501, 2000)]) == 501


def test_a_refused_order_gives_its_position_back(clock: FakeClock) -> None:
    """What certainly did nothing holds nothing."""
    claims = Claims(clock)
    taken = claims.take([part(501, 1000)], 1, SALE)
    assert taken is not None
    claims.give_back(taken)
    assert chosen(claims, [part(501, 1000)]) == 501


@pytest.mark.parametrize(("waited_s", "place"), [(HELD_S - 0.1, None), (HELD_S, 501), (HELD_S + 0.1, 501)])
async def test_a_claim_ends_by_itself(clock: FakeClock, waited_s: float, place: int | None) -> None:
    """An order that came to nothing unnoticed holds its position for a while, not for ever."""
    claims = Claims(clock)
    assert chosen(claims, [part(501, 1000)]) == 501
    clock.advance(waited_s)
    assert chosen(claims, [part(501, 1000)]) == place
