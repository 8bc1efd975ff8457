"""Accounts: what they are worth and what they may spend."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.exchange import Exchange, Refused, Ticket
from brokergw.model.terms import OrderType, Side, TimeInForce
from tests.fixtures.market import Trader


def test_a_position_is_valued_at_the_last_price(trader: Trader) -> None:
    """Market value and profit follow the price, the cost does not; the average is weighed."""
    trader.buy(10)
    trader.exchange.set_price("AAPL", Decimal(210))
    trader.buy(30)
    trader.exchange.set_price("AAPL", Decimal(220))
    [holding] = trader.exchange.positions(trader.account)
    average = (10 * Decimal("200.02") + 30 * Decimal("210.02")) / 40
    assert (holding.quantity, holding.average_price) == (Decimal(40), average)
    assert (holding.market_price, holding.market_value) == (Decimal(220), Decimal(8800))
    assert holding.unrealized_profit == 8800 - 40 * average


def test_a_sale_leaves_the_average(trader: Trader) -> None:
    """Selling a part keeps the average price; selling all ends the position."""
    trader.buy(10)
    trader.exchange.set_price("AAPL", Decimal(300))
    trader.sell(4)
    assert trader.exchange.positions(trader.account)[0].average_price == Decimal("200.02")
    trader.sell(6)
    assert trader.exchange.positions(trader.account) == ()


def test_a_short_gains_when_prices_fall(trader: Trader) -> None:
    """A short position has negative quantity and value, and its profit is the fall."""
    trader.sell(10)
    trader.exchange.set_price("AAPL", Decimal(150))
    [holding] = trader.exchange.positions(trader.account)
    assert (holding.quantity, holding.available, holding.market_value) == (Decimal(-10), Decimal(10), Decimal(-1500))
    assert holding.unrealized_profit == Decimal("499.80")
    ledger = trader.exchange.account(trader.account)
    assert ledger.short_market_value == -1500
    assert ledger.equity == Decimal(100_000) + Decimal("499.80")


def test_margin_is_counted_by_the_multiplier(trader: Trader) -> None:
    """With multiplier 4 a position uses a quarter of its value; initial margin is half of it."""
    trader.buy(1000, limit_price="201")
    trader.exchange.set_price("AAPL", Decimal(200))
    ledger = trader.exchange.account(trader.account)
    assert ledger.long_market_value == 200_000
    assert (ledger.initial_margin, ledger.maintenance_margin) == (Decimal(100_000), Decimal(50_000))
    assert ledger.buying_power == ledger.equity * 4 - 200_000
    assert ledger.non_marginable_buying_power == 0


def test_buying_power_is_never_negative(trader: Trader) -> None:
    """After a loss beyond the margin there is simply no buying power."""
    trader.buy(1900, limit_price="201")
    trader.exchange.set_price("AAPL", Decimal(100))
    ledger = trader.exchange.account(trader.account)
    assert ledger.equity < 0
    assert ledger.buying_power == 0


def test_ids_repeat_with_the_seed() -> None:
    """Two exchanges with one seed name the same orders the same; a refused order uses up no id."""

    def first_ids(*, refused_before: bool) -> list[str]:
        exchange = Exchange(seed=3, now_ns=lambda: 0)
        exchange.open_account("a", cash=Decimal(1000))
        plain = Ticket(
            symbol="F",
            side=Side.BUY,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.DAY,
            quantity=Decimal(1),
        )
        if refused_before:
            with pytest.raises(Refused):
                exchange.submit("a", replace(plain, quantity=Decimal(10**6)))
        return [exchange.submit("a", plain).order_id for _ in range(3)]

    assert first_ids(refused_before=True) == first_ids(refused_before=False)
    assert len(set(first_ids(refused_before=False))) == 3
