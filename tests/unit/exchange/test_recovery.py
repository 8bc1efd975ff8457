"""Taking an exchange's state and making an exchange of it."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.exchange import Exchange
from brokergw.model.terms import OrderClass
from tests.fixtures.market import PRICES, Trader


def traded(trader: Trader) -> Trader:
    """Leave a waiting bracket, a working pair, a short and a replaced order behind."""
    exits = {"take_profit_limit_price": "220", "stop_loss_stop_price": "180"}
    trader.buy(10, limit_price="190", order_class=OrderClass.BRACKET, **exits)
    trader.buy(10, order_class=OrderClass.BRACKET, **exits)
    trader.sell(4, "MSFT")
    old = trader.buy(7000, "F", limit_price="10.50")
    trader.exchange.replace(trader.account, old.order_id, quantity=Decimal(8000), limit_price=Decimal("10.00"))
    return trader


def test_a_recovered_exchange_is_the_same(trader: Trader) -> None:
    """State, money, positions and what is available are the same, and no event is told."""
    exchange = traded(trader).exchange
    other = Exchange(seed=1, now_ns=trader.clock.now_ns)
    told: list[object] = []
    other.listen(told.append, every_change=True)
    other.recover(exchange.state())
    for symbol, price in PRICES.items():
        other.set_price(symbol, price)
    assert other.state() == exchange.state()
    assert other.account(trader.account) == exchange.account(trader.account)
    assert other.positions(trader.account) == exchange.positions(trader.account)
    assert not told


def test_a_recovered_exchange_goes_on_counting(trader: Trader) -> None:
    """The next order has the id it would have had."""
    exchange = traded(trader).exchange
    other = Exchange(seed=1, now_ns=trader.clock.now_ns)
    other.recover(exchange.state())
    other.set_price("AAPL", PRICES["AAPL"])
    ours = trader.buy(1)
    trader.exchange = other
    assert trader.buy(1) == ours


def test_only_an_untouched_exchange_recovers(trader: Trader) -> None:
    """A state is not poured into an exchange that has accounts."""
    with pytest.raises(ValueError, match="untouched"):
        trader.exchange.recover(trader.exchange.state())


def test_a_broken_state_is_refused(trader: Trader) -> None:
    """Orders without their account, and executions without their order, are errors."""
    state = traded(trader).exchange.state()
    for broken in (replace(state, accounts=()), replace(state, orders=())):
        with pytest.raises(ValueError, match="unknown"):
            Exchange(seed=1, now_ns=trader.clock.now_ns).recover(broken)


def recovered(trader: Trader, **options: Any) -> Trader:
    """Give a trader at an exchange made from the state of another's."""
    other = Trader(trader.clock, **options)
    other.exchange = Exchange(seed=1, now_ns=trader.clock.now_ns, **options)
    other.exchange.recover(trader.exchange.state())
    for symbol, price in PRICES.items():
        other.exchange.set_price(symbol, price)
    return other


def with_exits_behind_another_symbol(trader: Trader) -> Trader:
    """Let the exits of a bracket in MSFT begin to wait after a younger order for AAPL."""
    exits = {"take_profit_limit_price": "440", "stop_loss_stop_price": "360"}
    trader.buy(10, "MSFT", limit_price="390", order_class=OrderClass.BRACKET, **exits)
    trader.buy(10, limit_price="150")
    trader.price(380, "MSFT")
    trader.price(400, "MSFT")
    return trader


def test_symbols_trade_in_the_same_order_after_a_recovery(trader: Trader) -> None:
    """In a tick that trades several symbols each execution has the id it would have had, however long each waited."""
    other = recovered(with_exits_behind_another_symbol(trader))
    for each in (trader, other):
        each.exchange.set_price("MSFT", Decimal(450))
        each.price(140)
    executions = trader.exchange.executions(trader.account)
    assert [execution.symbol for execution in executions] == ["MSFT", "AAPL", "MSFT"]
    assert other.exchange.executions(trader.account) == executions


def test_a_refusal_names_the_same_order_after_a_recovery(make_trader: Callable[..., Trader]) -> None:
    """Of several orders that a new one could trade with the oldest is named, though as an exit it came to wait last."""
    trader = make_trader(refuse_wash_trades=True)
    trader.buy(20)
    exits = {"take_profit_limit_price": "220"}
    entry = trader.buy(10, limit_price="190", order_class=OrderClass.OTO, **exits)
    younger = trader.sell(5, limit_price="210")
    trader.price(180)
    trader.price(200)
    [leg] = trader.legs(entry)
    assert leg.is_open
    assert trader.now(younger).is_open
    other = recovered(trader, refuse_wash_trades=True)
    for each in (trader, other):
        assert each.refusal(each.buy, 1, limit_price="230").facts == {"existing_order_id": leg.order_id}
