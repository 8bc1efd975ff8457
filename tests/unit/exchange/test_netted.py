"""Netted listings: margin at a leverage of their own, positions that turn over, orders of both sides at once."""

from decimal import Decimal

import pytest

from brokergw.exchange import Exchange, Listing, RefusalCode, Refused, Ticket
from brokergw.model.instrument import AssetClass, TickBand
from brokergw.model.terms import OrderType, Side, TimeInForce

PERP = Listing(
    symbol="PERP",
    name="a perpetual",
    asset_class=AssetClass.FUTURE,
    reference_price=Decimal(100),
    venue="X",
    tick_bands=(TickBand(Decimal(0), Decimal("0.01")),),
    quantity_step=Decimal("0.001"),
    quantity_min=Decimal("0.001"),
    notional_min=None,
    top_size=Decimal(1_000_000),
    netted=True,
)


@pytest.fixture
def exchange() -> Exchange:
    """An account of 1,000 at a leverage of 10, with the price at 100."""
    found = Exchange(seed=1, now_ns=lambda: 10**18, listings=[PERP])
    found.open_account("a", cash=Decimal(1000), multiplier=Decimal(10))
    found.set_price("PERP", Decimal(100))
    return found


def order(exchange: Exchange, side: Side, quantity: str, limit: str | None = None) -> None:
    """Send an order."""
    price = None if limit is None else Decimal(limit)
    exchange.submit(
        "a",
        Ticket(
            symbol="PERP",
            side=side,
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            quantity=Decimal(quantity),
            limit_price=price,
        ),
    )


def position(exchange: Exchange) -> Decimal:
    """Give the signed position."""
    return sum((each.quantity for each in exchange.positions("a")), Decimal(0))


def test_a_position_may_be_as_large_as_its_margin_allows(exchange: Exchange) -> None:
    """1,000 at leverage 10 back an order of 10,000 and not one step more."""
    with pytest.raises(Refused) as refused:
        order(exchange, Side.BUY, "100.001", "100")
    assert refused.value.code is RefusalCode.INSUFFICIENT_BUYING_POWER
    order(exchange, Side.BUY, "100", "99.99")


def test_leverage_is_by_symbol(exchange: Exchange) -> None:
    """Half the leverage backs half as much; less than 1 is refused."""
    exchange.set_leverage("a", "PERP", Decimal(5))
    with pytest.raises(Refused):
        order(exchange, Side.BUY, "50.001", "100")
    order(exchange, Side.BUY, "50", "99.99")
    with pytest.raises(Refused):
        exchange.set_leverage("a", "PERP", Decimal("0.5"))


def test_an_order_turns_a_position_over(exchange: Exchange) -> None:
    """Selling more than is held leaves the rest short, and only that rest needs margin."""
    order(exchange, Side.BUY, "90")
    order(exchange, Side.SELL, "180")
    assert position(exchange) == Decimal(-90)


def test_a_position_is_closed_without_margin(exchange: Exchange) -> None:
    """With all of the margin in use, buying a short position back still goes."""
    order(exchange, Side.SELL, "99")
    exchange.set_price("PERP", Decimal(109))
    assert exchange.account("a").buying_power == 0
    order(exchange, Side.BUY, "99")
    assert position(exchange) == 0


def test_orders_of_both_sides_stand_beside_one_another(exchange: Exchange) -> None:
    """A bid and an offer rest at the same time, without a position, and each reserves its own."""
    order(exchange, Side.BUY, "10", "90")
    order(exchange, Side.SELL, "10", "110")
    assert len(exchange.open_orders("a")) == 2
    assert exchange.account("a").buying_power == Decimal(1000 * 10 - 900 - 1100)


def test_equity_follows_the_price(exchange: Exchange) -> None:
    """What a short position gains is equity, as nothing was paid for it."""
    order(exchange, Side.SELL, "10")
    sold_at = exchange.positions("a")[0].average_price
    exchange.set_price("PERP", Decimal(90))
    assert exchange.account("a").equity == 1000 + 10 * (sold_at - 90)
