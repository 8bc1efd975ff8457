"""Orders against the market."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokergw.exchange import EventKind, OrderStatus
from brokergw.model.terms import Side, TimeInForce
from tests.fixtures.clock import FakeClock
from tests.fixtures.market import Trader


def test_a_market_order_takes_the_other_side(trader: Trader) -> None:
    """A buy fills at the ask and a sell at the bid, at once, and the events are told before the answer."""
    bought = trader.buy(10)
    assert (bought.status, bought.average_price) == (OrderStatus.FILLED, Decimal("200.02"))
    sold = trader.sell(10)
    assert (sold.status, sold.average_price) == (OrderStatus.FILLED, Decimal("199.98"))
    assert trader.kinds() == [EventKind.NEW, EventKind.FILL] * 2
    assert trader.exchange.account(trader.account).cash == Decimal("99999.60")


def test_an_order_above_the_depth_fills_in_parts(make_trader: Callable[..., Trader]) -> None:
    """What exceeds the size at the best price waits for the next ticks; the parts add up."""
    trader = make_trader()
    order = trader.buy(12_000, "F")
    assert (order.status, order.filled_quantity) == (OrderStatus.PARTIALLY_FILLED, Decimal(5000))
    trader.exchange.tick()
    trader.exchange.tick()
    order = trader.now(order)
    assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, Decimal(12_000))
    sizes = [execution.quantity for execution in trader.exchange.executions(trader.account)]
    assert sizes == [5000, 5000, 2000]
    assert trader.kinds() == [EventKind.NEW, EventKind.PARTIAL_FILL, EventKind.PARTIAL_FILL, EventKind.FILL]


def test_the_average_is_weighed_by_quantity(trader: Trader) -> None:
    """An order that fills at several prices shows their average, to nine places."""
    order = trader.buy(7000, "F", limit_price="12")
    trader.price("10.50", "F")
    order = trader.now(order)
    assert order.filled_quantity == 7000
    expected = (5000 * Decimal("10.01") + 2000 * Decimal("10.51")) / 7000
    assert order.average_price == expected.quantize(Decimal("1e-9")).normalize()


def test_resting_orders_share_the_depth_best_price_first(trader: Trader) -> None:
    """In one tick the better limit fills first, then the older order; the rest waits."""
    worse = trader.buy(3000, "F", limit_price="9.00")
    older = trader.buy(3000, "F", limit_price="9.50")
    newer = trader.buy(3000, "F", limit_price="9.50")
    trader.price("8.50", "F")
    assert [trader.now(order).filled_quantity for order in (worse, older, newer)] == [0, 3000, 2000]
    trader.exchange.tick()
    assert [trader.now(order).filled_quantity for order in (worse, older, newer)] == [3000, 3000, 3000]


def test_a_limit_waits_for_its_price(trader: Trader) -> None:
    """A limit order away from the market rests, and fills at the market's price once that is as good."""
    order = trader.buy(1, limit_price="190")
    assert order.status is OrderStatus.NEW
    trader.price("190")
    assert trader.now(order).status is OrderStatus.NEW
    trader.price("189.90")
    assert trader.now(order).average_price == Decimal("189.92")


@pytest.mark.parametrize(("side", "stop", "through"), [(Side.BUY, "210", "210"), (Side.SELL, "190", "189")])
def test_a_stop_fires_on_the_last_price(trader: Trader, side: Side, stop: str, through: str) -> None:
    """A stop rests until the last price reaches it, then trades as a market order."""
    trader.buy(5)
    order = trader.buy(5, stop_price=stop) if side is Side.BUY else trader.sell(5, stop_price=stop)
    trader.price("200.50")
    assert (trader.now(order).status, trader.now(order).triggered) == (OrderStatus.NEW, False)
    trader.price(through)
    assert (trader.now(order).status, trader.now(order).triggered) == (OrderStatus.FILLED, True)


def test_a_stop_limit_becomes_a_limit(trader: Trader) -> None:
    """Once fired, a stop-limit waits for its limit, also after the price has gone back."""
    order = trader.buy(1, stop_price="210", limit_price="211")
    trader.price("215")
    fired = trader.now(order)
    assert (fired.status, fired.triggered) == (OrderStatus.NEW, True)
    trader.price("205")
    assert trader.now(order).average_price == Decimal("205.02")


def test_a_trail_follows_up_and_not_down(trader: Trader) -> None:
    """A trailing sell's stop stays a fixed amount below the best price, and fires on the way back."""
    trader.buy(1)
    order = trader.sell(1, trail_amount="5")
    assert (order.high_water_mark, order.stop_price) == (Decimal(200), Decimal(195))
    trader.price("220")
    trader.price("216")
    order = trader.now(order)
    assert (order.high_water_mark, order.stop_price, order.status) == (Decimal(220), Decimal(215), OrderStatus.NEW)
    trader.price("215")
    assert trader.now(order).status is OrderStatus.FILLED


def test_a_trailing_buy_follows_down_by_percent(trader: Trader) -> None:
    """A trailing buy's stop stays a percentage above the lowest price, on the tick."""
    order = trader.buy(1, trail_percent="1.5")
    trader.price("180.01")
    assert trader.now(order).stop_price == Decimal("182.71")
    trader.price("183")
    assert trader.now(order).average_price == Decimal("183.02")


def test_ioc_takes_what_is_there_and_cancels_the_rest(trader: Trader) -> None:
    """An IOC order fills up to the depth and never rests."""
    order = trader.buy(6000, "F", time_in_force=TimeInForce.IOC)
    assert order.status is OrderStatus.CANCELED
    assert [order.filled_quantity, order.canceled_quantity] == [5000, 1000]
    missed = trader.buy(1, limit_price="150", time_in_force=TimeInForce.IOC)
    assert (missed.status, missed.filled_quantity) == (OrderStatus.CANCELED, Decimal(0))
    assert not trader.exchange.has_resting_orders


def test_fok_fills_whole_or_not_at_all(trader: Trader) -> None:
    """A FOK order above the depth is cancelled unfilled, one within it fills."""
    assert trader.buy(6000, "F", time_in_force=TimeInForce.FOK).status is OrderStatus.CANCELED
    assert trader.position("F") == 0
    assert trader.buy(5000, "F", time_in_force=TimeInForce.FOK).status is OrderStatus.FILLED


def test_a_day_order_expires_at_the_end_of_its_day(trader: Trader) -> None:
    """A day order is gone at midnight UTC where the exchange never closes; a GTC order is not."""
    day = trader.buy(1, limit_price="100")
    good = trader.buy(1, limit_price="100", time_in_force=TimeInForce.GTC)
    trader.later(16 * 3600 - 1)
    assert trader.now(day).status is OrderStatus.NEW
    trader.later(1)
    expired = trader.now(day)
    assert (expired.status, expired.expire_time_ns) == (OrderStatus.EXPIRED, trader.clock.now_ns())
    assert trader.now(good).status is OrderStatus.NEW


def test_a_gtd_order_expires_at_its_time(trader: Trader) -> None:
    """A GTD order expires at the first tick at or after its time."""
    order = trader.buy(
        1, limit_price="100", time_in_force=TimeInForce.GTD, expire_time_ns=trader.clock.now_ns() + 60_000_000_000
    )
    trader.later(59)
    assert trader.now(order).is_open
    trader.later(1)
    assert trader.now(order).status is OrderStatus.EXPIRED


@pytest.mark.parametrize("time_in_force", [TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE])
def test_auction_orders_wait_and_fill_whole_at_the_last_price(trader: Trader, time_in_force: TimeInForce) -> None:
    """An auction order waits for its auction, fills beyond the depth there, at the last price."""
    order = trader.buy(6000, "F", time_in_force=time_in_force)
    assert order.status is OrderStatus.ACCEPTED
    trader.later(16 * 3600 - 1)
    assert trader.now(order).status is OrderStatus.ACCEPTED
    trader.later(1)
    assert (trader.now(order).status, trader.now(order).average_price) == (OrderStatus.FILLED, Decimal(10))


def test_an_auction_order_that_misses_its_auction_expires(trader: Trader) -> None:
    """A limit auction order whose limit the auction does not meet is gone after it."""
    order = trader.buy(1, limit_price="150", time_in_force=TimeInForce.AT_OPEN)
    trader.later(16 * 3600)
    assert trader.now(order).status is OrderStatus.EXPIRED


def test_a_closed_market_queues_orders(make_trader: Callable[..., Trader], still_clock: FakeClock) -> None:
    """Outside New York's hours an order is accepted and waits; extended-hours limits trade before the opening."""
    opening = int(datetime(2027, 1, 15, 14, 30, tzinfo=UTC).timestamp()) * 1_000_000_000
    still_clock.advance((opening - still_clock.now_ns()) / 1e9 - 3600)
    trader = make_trader(always_open=False)
    queued = trader.buy(1)
    early = trader.buy(1, limit_price="201", extended_hours=True)
    hasty = trader.buy(1, time_in_force=TimeInForce.IOC)
    assert [o.status for o in (queued, early, hasty)] == [
        OrderStatus.ACCEPTED,
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
    ]
    trader.later(3600)
    assert trader.now(queued).status is OrderStatus.FILLED
    assert [e.kind for e in trader.events if e.order.order_id == queued.order_id] == [
        EventKind.ACCEPTED,
        EventKind.NEW,
        EventKind.FILL,
    ]


def test_a_settle_delay_keeps_orders_waiting(make_trader: Callable[..., Trader]) -> None:
    """With a settle delay even a market order or an IOC order trades only after it."""
    trader = make_trader(settle_delay_ns=1_000_000_000)
    orders = [trader.buy(1), trader.buy(1, time_in_force=TimeInForce.IOC)]
    trader.later(0.9)
    assert {trader.now(order).status for order in orders} == {OrderStatus.ACCEPTED}
    trader.later(0.1)
    assert {trader.now(order).status for order in orders} == {OrderStatus.FILLED}


def test_an_order_by_money_buys_what_the_money_buys(trader: Trader) -> None:
    """A notional order is turned into units at the ask, rounded down to the step, and spends no more."""
    order = trader.buy(notional="1000")
    assert order.status is OrderStatus.FILLED
    assert order.ticket.quantity is None
    assert order.filled_quantity == Decimal("4.999500049")
    spent = Decimal(100_000) - trader.exchange.account(trader.account).cash
    assert Decimal("999.99") < spent <= 1000


def test_a_fee_is_taken_from_cash(make_trader: Callable[..., Trader]) -> None:
    """The fee rate applies to the money of each trade, and the execution tells the fee."""
    trader = make_trader(fee_rate=Decimal("0.001"))
    trader.buy(10)
    [execution] = trader.exchange.executions(trader.account)
    assert execution.fee == Decimal("2.0002")
    assert trader.exchange.account(trader.account).cash == Decimal(100_000) - Decimal("2000.20") - Decimal("2.0002")


def test_a_market_order_that_outgrows_the_money_is_cut_off(make_trader: Callable[..., Trader]) -> None:
    """When the price runs away from a partly filled market buy, what the account cannot pay is cancelled."""
    trader = make_trader()
    trader.exchange.open_account("poor", cash=Decimal(60_500), multiplier=Decimal(1))
    trader.account = "poor"
    order = trader.buy(6000, "F")
    trader.price("20", "F")
    cut = trader.now(order)
    assert (cut.status, cut.filled_quantity) == (OrderStatus.CANCELED, Decimal(5000))
    assert cut.reject_reason == "INSUFFICIENT_BUYING_POWER"


def test_a_listener_can_leave(trader: Trader) -> None:
    """What `listen` answers ends the listening."""
    heard: list[object] = []
    stop = trader.exchange.listen(heard.append)
    trader.buy(1)
    stop()
    trader.buy(1)
    assert len(heard) == 2
