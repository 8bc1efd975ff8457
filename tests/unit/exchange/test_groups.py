"""Brackets, pairs of exits, and entries with one exit."""

from decimal import Decimal
from typing import Any, Final

import pytest

from brokergw.exchange import EventKind, ExchangeEvent, ExchangeOrder, OrderStatus, RefusalCode
from brokergw.model.terms import OrderClass, OrderType, TimeInForce
from tests.fixtures.clock import FakeClock
from tests.fixtures.market import Trader

BRACKET: Final[dict[str, Any]] = {
    "order_class": OrderClass.BRACKET,
    "take_profit_limit_price": "220",
    "stop_loss_stop_price": "180",
}
PAIR: Final[dict[str, Any]] = BRACKET | {"order_class": OrderClass.OCO, "limit_price": "220"}


def statuses(trader: Trader, *orders: ExchangeOrder) -> list[str]:
    """Give the words of orders' statuses as they stand."""
    return [trader.now(order).status.value for order in orders]


def test_exits_wait_for_their_entry(trader: Trader) -> None:
    """A resting bracket's exits are HELD, hold nothing, and do not trade, whatever the price."""
    entry = trader.buy(10, limit_price="190", **BRACKET)
    profit, loss = trader.legs(entry)
    assert (profit.type, profit.limit_price, loss.type, loss.stop_price) == (
        OrderType.LIMIT,
        Decimal(220),
        OrderType.STOP,
        Decimal(180),
    )
    assert {profit.parent_id, loss.parent_id} == {entry.order_id}
    trader.price("225")
    assert statuses(trader, entry, profit, loss) == ["NEW", "HELD", "HELD"]


def test_a_filled_entry_wakes_its_exits(trader: Trader) -> None:
    """Once the entry has filled both exits work, after its fill was told, and hold the position once."""
    entry = trader.buy(10, **BRACKET)
    profit, loss = trader.legs(entry)
    assert statuses(trader, entry, profit, loss) == ["FILLED", "NEW", "NEW"]
    assert trader.kinds() == [
        EventKind.NEW,
        EventKind.HELD,
        EventKind.HELD,
        EventKind.FILL,
        EventKind.NEW,
        EventKind.NEW,
    ]
    [holding] = trader.exchange.positions(trader.account)
    assert holding.available == 0


@pytest.mark.parametrize(("price", "filled", "canceled"), [("221", 0, 1), ("179", 1, 0)])
def test_one_exit_ends_the_other(trader: Trader, price: str, filled: int, canceled: int) -> None:
    """Whichever exit fills first, the other is cancelled and the position is closed."""
    legs = trader.legs(trader.buy(10, **BRACKET))
    trader.price(price)
    assert statuses(trader, legs[filled], legs[canceled]) == ["FILLED", "CANCELED"]
    assert trader.position() == 0
    assert not trader.exchange.has_resting_orders


def test_an_exit_that_fills_in_part_shrinks_the_other(trader: Trader) -> None:
    """After a part of the take-profit the stop-loss is for what is left, and is told so to who asks for it."""
    quiet: list[ExchangeEvent] = []
    trader.exchange.listen(quiet.append, every_change=True)
    exits = {"order_class": OrderClass.BRACKET, "take_profit_limit_price": "11", "stop_loss_stop_price": "9"}
    entry = trader.buy(8000, "F", **exits)
    trader.exchange.tick()
    profit, loss = trader.legs(entry)
    trader.price("11.50", "F")
    assert trader.now(profit).filled_quantity == 5000
    assert trader.now(loss).quantity == 3000
    assert EventKind.AMENDED in [event.kind for event in quiet if event.order.order_id == loss.order_id]
    trader.price("8", "F")
    assert statuses(trader, profit, loss) == ["CANCELED", "FILLED"]
    assert trader.position("F") == 0


def test_an_entry_that_expires_in_part_wakes_its_exits_for_that_part(trader: Trader) -> None:
    """What an entry had filled when its day ended is what its exits are for."""
    exits = {"order_class": OrderClass.BRACKET, "take_profit_limit_price": "11", "stop_loss_stop_price": "9"}
    good = trader.buy(8000, "F", **exits)
    partial = trader.now(good)
    assert partial.status is OrderStatus.PARTIALLY_FILLED
    trader.clock.advance(17 * 3600)
    trader.exchange.tick()
    assert trader.now(good).status is OrderStatus.EXPIRED
    assert [leg.quantity for leg in trader.legs(good)] == [5000, 5000]


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_a_cancel_anywhere_ends_the_group(trader: Trader, chosen: int) -> None:
    """Cancelling the entry or either exit of a waiting bracket cancels all three."""
    entry = trader.buy(10, limit_price="190", **BRACKET)
    group = [entry, *trader.legs(entry)]
    trader.exchange.cancel(trader.account, group[chosen].order_id)
    assert statuses(trader, *group) == ["CANCELED"] * 3


def test_a_pair_needs_a_position(trader: Trader) -> None:
    """An OCO order is refused when there is nothing to leave."""
    refused = trader.refusal(trader.sell, 10, **PAIR)
    assert refused.code is RefusalCode.INSUFFICIENT_QUANTITY


@pytest.mark.parametrize(("price", "ends"), [("221", ["FILLED", "CANCELED"]), ("179", ["CANCELED", "FILLED"])])
def test_of_a_pair_only_one_trades(trader: Trader, price: str, ends: list[str]) -> None:
    """Both exits of an OCO order work at once, and one cancels the other."""
    trader.buy(10)
    profit = trader.sell(10, **PAIR)
    [loss] = trader.legs(profit)
    assert statuses(trader, profit, loss) == ["NEW", "NEW"]
    trader.price(price)
    assert statuses(trader, profit, loss) == ends
    assert trader.position() == 0


def test_a_pair_expires_as_one(trader: Trader) -> None:
    """At the end of the day both exits of a pair expire."""
    trader.buy(10)
    profit = trader.sell(10, **PAIR)
    trader.later(17 * 3600)
    assert statuses(trader, profit, *trader.legs(profit)) == ["EXPIRED", "EXPIRED"]
    assert trader.exchange.positions(trader.account)[0].available == 10


def test_an_entry_with_one_exit(trader: Trader) -> None:
    """An OTO order has one exit, here a stop-limit, that works once the entry has filled."""
    entry = trader.buy(
        10, order_class=OrderClass.OTO, stop_loss_stop_price="190", stop_loss_limit_price="189", limit_price="201"
    )
    [loss] = trader.legs(entry)
    assert (loss.type, loss.limit_price, loss.status) == (OrderType.STOP_LIMIT, Decimal(189), OrderStatus.NEW)


def test_a_short_entry_has_buying_exits(trader: Trader) -> None:
    """A bracket around a short sale buys back below and above."""
    entry = trader.sell(10, order_class=OrderClass.BRACKET, take_profit_limit_price="180", stop_loss_stop_price="220")
    profit, loss = trader.legs(entry)
    trader.price("179")
    assert statuses(trader, profit, loss) == ["FILLED", "CANCELED"]
    assert trader.position() == 0


def test_exits_shrink_to_what_is_still_there(trader: Trader) -> None:
    """Exits are for no more than the position that is free when their entry has filled."""
    entry = trader.buy(8000, "F", **(BRACKET | {"take_profit_limit_price": "11", "stop_loss_stop_price": "9"}))
    trader.sell(4500, "F")
    trader.exchange.tick()
    assert [leg.quantity for leg in trader.legs(entry)] == [3500, 3500]


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"take_profit_limit_price": None}, "take_profit_limit_price"),
        ({"stop_loss_stop_price": None}, "stop_loss_stop_price"),
        ({"take_profit_limit_price": "170"}, "take_profit_limit_price"),
        ({"order_class": OrderClass.OTO}, "order_class"),
        ({"order_class": OrderClass.MULTI_LEG}, "order_class"),
        ({"order_class": OrderClass.OCO}, "type"),
        ({"time_in_force": TimeInForce.IOC}, "time_in_force"),
        ({"stop_loss_stop_price": None, "stop_loss_limit_price": "170"}, "stop_loss_stop_price"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused(trader: Trader, terms: dict[str, Any], field: str) -> None:
    """A group with an exit missing, too many, on the wrong side or unable to rest is refused by its field."""
    refused = trader.refusal(trader.buy, 10, **(BRACKET | terms))
    assert (refused.code, refused.facts["field"]) == (RefusalCode.INVALID_TERMS, field)


@pytest.mark.parametrize("status", ["NEW", "CANCELED"])
def test_a_cancelled_exit_may_leave_its_entry(trader: Trader, status: str) -> None:
    """Where a broker has it so, the cancel of an exit ends its partner and not the entry."""
    entry = trader.buy(10, limit_price="190", **BRACKET)
    profit, loss = trader.legs(entry)
    trader.exchange.cancel(entry.account_id, profit.order_id, keep_entry=status == "NEW")
    assert statuses(trader, entry, profit, loss) == [status, "CANCELED", "CANCELED"]


def test_a_pair_that_parts_ends_with_the_first_trade_of_either(clock: FakeClock) -> None:
    """Where pairs part, the smallest fill of one exit ends the other, and what is left of it holds the rest."""
    trader = Trader(clock, pairs_part=True)
    trader.buy(10)
    profit = trader.sell(10, **PAIR)
    trader.exchange.execute(trader.account, profit.order_id, quantity=Decimal(1), price=Decimal(220))
    assert statuses(trader, profit, *trader.legs(profit)) == ["PARTIALLY_FILLED", "CANCELED"]
    (holding,) = trader.exchange.positions(trader.account)
    assert (holding.quantity, holding.available) == (Decimal(9), Decimal(0))


def test_a_pair_that_parts_ends_with_a_stop_that_fires(clock: FakeClock) -> None:
    """Its stop-limit need not trade: that it has fired is enough, and it holds the position from then on."""
    trader = Trader(clock, pairs_part=True)
    trader.buy(10)
    profit = trader.sell(10, **(PAIR | {"stop_loss_limit_price": "179"}))
    (loss,) = trader.legs(profit)
    trader.price("180.01")
    assert statuses(trader, profit, loss) == ["NEW", "NEW"]
    trader.price("170")
    assert statuses(trader, profit, loss) == ["CANCELED", "NEW"]
    assert trader.exchange.positions(trader.account)[0].available == 0
    trader.price("181")
    assert statuses(trader, profit, loss) == ["CANCELED", "FILLED"]


@pytest.mark.parametrize(("parts", "exits"), [(True, ["CANCELED", "CANCELED"]), (False, ["NEW", "NEW"])])
def test_exits_that_need_a_whole_entry_end_with_a_part_of_one(
    clock: FakeClock,
    parts: bool,  # noqa: FBT001 - a case
    exits: list[str],
) -> None:
    """An entry that expires half filled has exits for what it bought, or none where pairs part."""
    trader = Trader(clock, pairs_part=parts)
    entry = trader.buy(10, limit_price="190", **BRACKET)
    trader.exchange.execute(trader.account, entry.order_id, quantity=Decimal(5), price=Decimal(190))
    assert statuses(trader, *trader.legs(entry)) == ["HELD", "HELD"]
    trader.later(17 * 3600)
    assert statuses(trader, entry, *trader.legs(entry)) == ["EXPIRED", *exits]
