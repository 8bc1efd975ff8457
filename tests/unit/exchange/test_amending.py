"""Trades taken back or changed after they were made."""

from decimal import Decimal

import pytest

from brokergw.exchange import Exchange
from tests.fixtures.market import PRICES, Trader


def bought_at(trader: Trader, *prices: int) -> list[str]:
    """Buy 10 at about each price, and give the orders' ids."""
    ids = []
    for price in prices:
        trader.exchange.set_price("AAPL", Decimal(price))
        ids.append(trader.buy(10).order_id)
    return ids


def amend(trader: Trader, order_id: str, quantity: int, price: str) -> None:
    """Change the one execution of an order."""
    [execution] = trader.exchange.executions_of(trader.account, order_id)
    amended = trader.exchange.amend(
        trader.account, order_id, execution.execution_id, quantity=Decimal(quantity), price=Decimal(price)
    )
    assert amended.position_quantity == trader.position()


@pytest.mark.parametrize(
    ("quantity", "price", "average"),
    [(0, "300.04", "200.02"), (10, "220.02", "210.02"), (5, "230.02", "210.02")],
)
def test_the_average_is_as_if_the_trade_had_been_so(trader: Trader, quantity: int, price: str, average: str) -> None:
    """A position's average price is the one of the trades as they stand, busted and corrected ones alike."""
    _, second = bought_at(trader, 200, 300)
    amend(trader, second, quantity, price)
    [holding] = trader.exchange.positions(trader.account)
    assert (holding.quantity, holding.average_price) == (Decimal(10 + quantity), Decimal(average))


def test_a_busted_sale_brings_its_units_back_at_their_cost(trader: Trader) -> None:
    """A sale taken back leaves the average where it was before it, whatever it was made at."""
    bought_at(trader, 200)
    trader.exchange.set_price("AAPL", Decimal(300))
    amend(trader, trader.sell(4).order_id, 0, "299.96")
    [holding] = trader.exchange.positions(trader.account)
    assert (holding.quantity, holding.average_price) == (Decimal(10), Decimal("200.02"))


def test_an_amended_exchange_recovers_as_it_stands(trader: Trader) -> None:
    """An exchange made from the state after a bust has the same money and the same positions."""
    first, _, _ = bought_at(trader, 200, 300, 250)
    trader.buy(3, "MSFT")
    amend(trader, first, 0, "200.02")
    other = Exchange(seed=1, now_ns=trader.clock.now_ns)
    other.recover(trader.exchange.state())
    for symbol, price in PRICES.items():
        other.set_price(symbol, price)
        trader.exchange.set_price(symbol, price)
    assert other.account(trader.account) == trader.exchange.account(trader.account)
    assert other.positions(trader.account) == trader.exchange.positions(trader.account)
