"""An exchange for contracts for difference: positions turn over, orders hold nothing, only exposure needs margin."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.exchange import LISTINGS, Exchange, RefusalCode, Refused, Ticket
from brokergw.model.terms import OrderType, Side, TimeInForce

ACCOUNT = "a"
AAPL = next(listing for listing in LISTINGS if listing.symbol == "AAPL")


def exchange(*, cash: int = 10_000, shortable: bool = True) -> Exchange:
    """Open an exchange with AAPL at 100 and an account that may borrow nine times its own."""
    made = Exchange(
        seed=1, now_ns=lambda: 1, listings=(replace(AAPL, shortable=shortable, spread_basis_points=0, netted=True),)
    )
    made.open_account(ACCOUNT, cash=Decimal(cash), multiplier=Decimal(10))
    made.set_price("AAPL", Decimal(100))
    return made


def send(made: Exchange, side: Side, quantity: str, limit: str | None = None) -> None:
    """Send a market order, or a limit order."""
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    made.submit(
        ACCOUNT,
        Ticket(
            symbol="AAPL",
            side=side,
            type=kind,
            time_in_force=TimeInForce.GTC,
            quantity=Decimal(quantity),
            limit_price=None if limit is None else Decimal(limit),
        ),
    )


def held(made: Exchange) -> Decimal:
    """Give the position."""
    return sum((holding.quantity for holding in made.positions(ACCOUNT)), Decimal(0))


@pytest.mark.parametrize(("sold", "left"), [("9", 1), ("10", 0), ("11", -1)], ids=["below", "at", "above"])
def test_a_position_turns_over_in_one_order(sold: str, left: int) -> None:
    """Selling less than is held, all of it, or more: what is sold above it is a short position."""
    made = exchange()
    send(made, Side.BUY, "10")
    send(made, Side.SELL, sold)
    assert held(made) == left


def test_resting_orders_hold_nothing_and_may_face_each_other() -> None:
    """What rests against a position leaves it free, and buys and sells may rest side by side."""
    made = exchange()
    send(made, Side.BUY, "10")
    send(made, Side.SELL, "10", "200")
    send(made, Side.BUY, "5", "50")
    (holding,) = made.positions(ACCOUNT)
    assert holding.available == 10
    assert len(made.open_orders(ACCOUNT)) == 2


@pytest.mark.parametrize(("quantity", "taken"), [("999", True), ("1001", False)], ids=["below", "above"])
def test_what_opens_needs_margin(quantity: str, taken: bool) -> None:  # noqa: FBT001 - a case of the table
    """Ten times the account's money may be opened, and not more."""
    made = exchange()
    if taken:
        send(made, Side.BUY, quantity, "100")
        assert len(made.open_orders(ACCOUNT)) + len(made.positions(ACCOUNT)) >= 1
        return
    with pytest.raises(Refused) as caught:
        send(made, Side.BUY, quantity, "100")
    assert caught.value.code is RefusalCode.INSUFFICIENT_BUYING_POWER


def test_what_closes_needs_none() -> None:
    """A position can be closed when no margin is left."""
    made = exchange()
    send(made, Side.BUY, "990")
    made.set_price("AAPL", Decimal(92))
    with pytest.raises(Refused):
        send(made, Side.BUY, "50")
    send(made, Side.SELL, "990")
    assert held(made) == 0


@pytest.mark.parametrize(("sold", "taken"), [("10", True), ("11", False)], ids=["at", "above"])
def test_what_cannot_be_sold_short_can_be_closed(sold: str, taken: bool) -> None:  # noqa: FBT001 - a case of the table
    """Of what is not shortable all that is held may be sold, and no more."""
    made = exchange(shortable=False)
    send(made, Side.BUY, "10")
    if taken:
        send(made, Side.SELL, sold)
        assert held(made) == 0
        return
    with pytest.raises(Refused) as caught:
        send(made, Side.SELL, sold)
    assert caught.value.code is RefusalCode.SHORT_NOT_ALLOWED
