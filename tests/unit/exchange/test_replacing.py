"""Replaced and cancelled orders."""

from decimal import Decimal
from typing import Any

import pytest

from brokergw.exchange import EventKind, OrderStatus, RefusalCode
from brokergw.model.terms import OrderClass, TimeInForce
from tests.fixtures.market import Trader


def test_a_replaced_order_names_its_successor(trader: Trader) -> None:
    """A replace makes a new order with the changes, and both name each other; the old one is told first."""
    old = trader.buy(10, limit_price="190")
    new = trader.exchange.replace(
        trader.account, old.order_id, quantity=Decimal(12), limit_price=Decimal(191), client_order_id="second"
    )
    old = trader.now(old)
    assert (old.status, old.replaced_by, new.replaces) == (OrderStatus.REPLACED, new.order_id, old.order_id)
    assert (new.quantity, new.limit_price, new.client_order_id) == (Decimal(12), Decimal(191), "second")
    assert old.replace_time_ns == new.create_time_ns
    assert trader.kinds() == [EventKind.NEW, EventKind.REPLACED, EventKind.NEW]
    assert trader.exchange.open_orders(trader.account) == (new,)


def test_a_new_generation_takes_over_the_fills(trader: Trader) -> None:
    """Quantity and filled quantity are totals over the generations, so only the rest trades."""
    old = trader.buy(8000, "F", limit_price="10.50")
    new = trader.exchange.replace(trader.account, old.order_id, quantity=Decimal(6000))
    assert (new.filled_quantity, new.status) == (Decimal(6000), OrderStatus.FILLED)
    assert trader.position("F") == 6000
    assert [e.quantity for e in trader.exchange.executions_of(trader.account, new.order_id)] == [1000]


def test_a_replace_may_trade_at_once(trader: Trader) -> None:
    """A limit moved through the market fills before the answer."""
    old = trader.buy(10, limit_price="190")
    new = trader.exchange.replace(trader.account, old.order_id, limit_price=Decimal(201))
    assert (new.status, new.average_price) == (OrderStatus.FILLED, Decimal("200.02"))


def test_a_replace_counts_the_old_order_as_gone(trader: Trader) -> None:
    """The new generation may use what the old one reserved or held."""
    old = trader.buy(2000, limit_price="190")
    new = trader.exchange.replace(trader.account, old.order_id, quantity=Decimal(2100))
    assert trader.exchange.account(trader.account).reserved == 2100 * 190
    trader.exchange.cancel(trader.account, new.order_id)
    trader.buy(10)
    held = trader.sell(10, limit_price="250")
    assert trader.exchange.replace(trader.account, held.order_id, limit_price=Decimal(260)).is_open


def test_a_refused_replace_leaves_the_old_order(trader: Trader) -> None:
    """When the new generation cannot be paid, the old order works on with what it had reserved."""
    old = trader.buy(2000, limit_price="190")
    before = trader.exchange.account(trader.account)
    refused = trader.refusal(trader.exchange.replace, trader.account, old.order_id, quantity=Decimal(3000))
    assert refused.code is RefusalCode.INSUFFICIENT_BUYING_POWER
    assert trader.exchange.account(trader.account) == before
    trader.price("189")
    assert trader.now(old).status is OrderStatus.FILLED


def test_a_trail_can_be_changed(trader: Trader) -> None:
    """A new trail counts from the high-water mark that the old order had reached."""
    trader.buy(1)
    old = trader.sell(1, trail_amount="5")
    trader.price("220")
    new = trader.exchange.replace(trader.account, old.order_id, trail=Decimal(30))
    assert (new.high_water_mark, new.stop_price) == (Decimal(220), Decimal(190))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": Decimal(0)}, RefusalCode.INVALID_TERMS),
        ({"limit_price": Decimal("190.001")}, RefusalCode.OFF_TICK),
        ({"stop_price": Decimal(210)}, RefusalCode.INVALID_TERMS),
        ({"trail": Decimal(1)}, RefusalCode.INVALID_TERMS),
        ({"time_in_force": TimeInForce.GTD}, RefusalCode.INVALID_TERMS),
        ({"client_order_id": "first"}, RefusalCode.DUPLICATE_CLIENT_ORDER_ID),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(trader: Trader, changes: dict[str, Any], code: RefusalCode) -> None:
    """A change is checked like an order, and nothing happens when it is refused."""
    order = trader.buy(10, limit_price="190", client_order_id="first")
    assert trader.refusal(trader.exchange.replace, trader.account, order.order_id, **changes).code is code
    assert trader.now(order) == order


def test_no_less_than_filled(trader: Trader) -> None:
    """The new total must lie above what has been filled."""
    order = trader.buy(8000, "F", limit_price="10.50")
    refused = trader.refusal(trader.exchange.replace, trader.account, order.order_id, quantity=Decimal(5000))
    assert (refused.code, refused.facts["field"]) == (RefusalCode.INVALID_TERMS, "quantity")


def test_an_order_that_has_ended_cannot_be_changed(trader: Trader) -> None:
    """Replace and cancel of a filled order are refused with its status."""
    order = trader.buy(1)
    replace = trader.refusal(trader.exchange.replace, trader.account, order.order_id, quantity=Decimal(2))
    assert (replace.code, replace.facts["status"]) == (RefusalCode.NOT_REPLACEABLE, "FILLED")
    cancel = trader.refusal(trader.exchange.cancel, trader.account, order.order_id)
    assert (cancel.code, cancel.facts["status"]) == (RefusalCode.NOT_OPEN, "FILLED")


def test_a_group_follows_its_replaced_head(trader: Trader) -> None:
    """Waiting exits go with a replaced entry and take its new quantity; one of them can be repriced."""
    entry = trader.buy(
        10,
        limit_price="190",
        order_class=OrderClass.BRACKET,
        take_profit_limit_price="220",
        stop_loss_stop_price="180",
    )
    new = trader.exchange.replace(trader.account, entry.order_id, quantity=Decimal(7))
    profit, loss = trader.legs(new)
    assert [(leg.parent_id, leg.quantity) for leg in (profit, loss)] == [(new.order_id, Decimal(7))] * 2
    lower = trader.exchange.replace(trader.account, loss.order_id, stop_price=Decimal(185))
    assert (lower.status, trader.now(new).leg_ids) == (OrderStatus.HELD, (profit.order_id, lower.order_id))
    trader.price("189")
    trader.price("184")
    assert trader.now(lower).status is OrderStatus.FILLED
    assert trader.now(profit).status is OrderStatus.CANCELED
    assert trader.position() == 0


def test_the_quantity_of_an_exit_belongs_to_its_group(trader: Trader) -> None:
    """An exit of a pair can be repriced, never resized."""
    trader.buy(10)
    profit = trader.sell(
        10, order_class=OrderClass.OCO, limit_price="220", take_profit_limit_price="220", stop_loss_stop_price="180"
    )
    refused = trader.refusal(trader.exchange.replace, trader.account, profit.order_id, quantity=Decimal(5))
    assert refused.facts["field"] == "quantity"
    moved = trader.exchange.replace(trader.account, profit.order_id, limit_price=Decimal(210))
    trader.price("211")
    assert trader.now(moved).status is OrderStatus.FILLED
    assert [leg.status for leg in trader.legs(moved)] == [OrderStatus.CANCELED]
