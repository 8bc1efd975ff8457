"""What moves an account without an order of its own."""

from decimal import Decimal

import pytest

from brokergw.exchange import OrderStatus, RefusalCode
from brokergw.model.terms import OrderClass
from tests.fixtures.market import Trader


@pytest.mark.parametrize(("quantity", "filled"), [(9, 9), (10, 10), (None, 10)])
def test_an_order_is_traded_up_to_what_is_left(trader: Trader, quantity: int | None, filled: int) -> None:
    """Less leaves it open, all of it fills it, and no quantity means all, at the price that is asked for."""
    order = trader.buy(10, limit_price=1)
    wanted = None if quantity is None else Decimal(quantity)
    trader.exchange.execute(trader.account, order.order_id, quantity=wanted, price=Decimal(190))
    now = trader.now(order)
    assert (now.filled_quantity, now.average_price) == (Decimal(filled), Decimal(190))
    assert trader.position() == filled
    assert (now.status is OrderStatus.FILLED) is (filled == 10)


def test_more_than_is_left_is_refused(trader: Trader) -> None:
    """No order trades beyond its quantity, and one that has ended trades nothing more."""
    order = trader.buy(10, limit_price=1)
    act = trader.exchange.execute
    more = trader.refusal(act, trader.account, order.order_id, quantity=Decimal(11), price=None)
    assert more.code is RefusalCode.INVALID_TERMS
    act(trader.account, order.order_id, quantity=None, price=None)
    assert trader.now(order).average_price == Decimal("200.02")
    late = trader.refusal(act, trader.account, order.order_id, quantity=Decimal(1), price=None)
    assert late.code is RefusalCode.NOT_OPEN


def test_an_exit_that_waits_for_its_entry_is_not_traded(trader: Trader) -> None:
    """A held exit cannot be open before its entry has filled."""
    entry = trader.buy(
        10,
        limit_price=1,
        order_class=OrderClass.BRACKET,
        take_profit_limit_price=300,
        stop_loss_stop_price="0.5",
    )
    held = trader.legs(entry)[0]
    refused = trader.refusal(trader.exchange.execute, trader.account, held.order_id, quantity=None, price=None)
    assert (held.status, refused.code) == (OrderStatus.HELD, RefusalCode.NOT_OPEN)


def test_a_split_keeps_the_cost(trader: Trader) -> None:
    """Twice the units at half the average price; what is adjusted to nothing has no price."""
    trader.buy(10)
    assert trader.exchange.adjust(trader.account, "AAPL", Decimal(10)) == 20
    [holding] = trader.exchange.positions(trader.account)
    assert holding.average_price == Decimal("100.01")
    assert trader.exchange.adjust(trader.account, "AAPL", Decimal(-20)) == 0


def test_a_trade_made_elsewhere_moves_position_and_money(trader: Trader) -> None:
    """What is booked costs its price; what is paid is cash; coins taken cost nothing more."""
    account = trader.account
    assert trader.exchange.book(account, "BTC/USD", Decimal("0.5"), Decimal(100_000)) == Decimal("0.5")
    assert trader.exchange.account(account).cash == Decimal(50_000)
    assert trader.exchange.pay(account, Decimal(-1)) == Decimal(49_999)
    trader.exchange.take_coins(account, "BTC/USD", Decimal("0.1"))
    [holding] = trader.exchange.positions(account)
    assert (holding.quantity, holding.average_price) == (Decimal("0.4"), Decimal(100_000))
    assert trader.exchange.account(account).cash == Decimal(49_999)
