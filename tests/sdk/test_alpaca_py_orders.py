"""alpaca-py, unchanged but for its base URL, places, finds, changes and cancels orders at the simulator."""

import json
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.fixtures.sim import SimHandle

with warnings.catch_warnings():
    # alpaca-py 0.44 still uses the old interface of websockets, which warns once, when it is imported.
    warnings.filterwarnings("ignore", message="websockets.legacy is deprecated", category=DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import (
        OrderClass,
        OrderSide,
        OrderStatus,
        OrderType,
        PositionIntent,
        QueryOrderStatus,
        TimeInForce,
    )
    from alpaca.trading.models import Order
    from alpaca.trading.requests import (
        GetOrderByIdRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        OptionLegRequest,
        OrderRequest,
        ReplaceOrderRequest,
        StopLimitOrderRequest,
        StopLossRequest,
        StopOrderRequest,
        TakeProfitRequest,
        TrailingStopOrderRequest,
    )

DAY, GTC = TimeInForce.DAY, TimeInForce.GTC
BUY, SELL = OrderSide.BUY, OrderSide.SELL


@pytest.fixture
def client(alpaca_sim_thread: SimHandle) -> TradingClient:
    """The SDK against a simulator with AAPL at 200."""
    sim = alpaca_sim_thread
    sim.control("POST", "price", {"symbol": "AAPL", "price": "200"})
    return TradingClient(sim.key_id, sim.secret_key, url_override=sim.url)


def submit(client: TradingClient, request: OrderRequest) -> Order:
    """Submit and narrow the SDK's answer."""
    order = client.submit_order(request)
    assert isinstance(order, Order)
    return order


def by_id(client: TradingClient, order_id: UUID) -> Order:
    """Read and narrow the SDK's answer."""
    order = client.get_order_by_id(order_id, GetOrderByIdRequest(nested=True))
    assert isinstance(order, Order)
    return order


def listed(client: TradingClient, **filters: Any) -> list[Order]:
    """List and narrow the SDK's answer."""
    orders = client.get_orders(GetOrdersRequest(**filters))
    assert isinstance(orders, list)
    return orders


def eventually(check: Callable[[], bool], what: str) -> None:
    """Wait for something the ticking market brings about."""
    deadline = time.monotonic() + 5
    while not check():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.01)


def buy_shares(client: TradingClient, quantity: float) -> Order:
    """Get a position to sell from."""
    return submit(client, MarketOrderRequest(symbol="AAPL", qty=quantity, side=BUY, time_in_force=DAY))


def test_a_market_order_is_taken_then_filled(client: TradingClient) -> None:
    """The reply says pending_new; the next look-up says filled, at the ask."""
    order = buy_shares(client, 3)
    assert (order.status, order.filled_qty, order.type) == (OrderStatus.PENDING_NEW, "0", OrderType.MARKET)
    filled = by_id(client, order.id)
    assert (filled.status, filled.filled_qty, filled.filled_avg_price) == (OrderStatus.FILLED, "3", "200.02")
    assert filled.filled_at is not None


ENTRIES: dict[str, OrderRequest] = {
    "limit": LimitOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=DAY, limit_price=150.25),
    "limit-gtc": LimitOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=GTC, limit_price=150.25),
    "stop": StopOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=GTC, stop_price=250),
    "stop-limit": StopLimitOrderRequest(
        symbol="AAPL", qty=1, side=BUY, time_in_force=DAY, stop_price=250, limit_price=251
    ),
    "trail-percent": TrailingStopOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=DAY, trail_percent=5),
    "trail-price": TrailingStopOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=GTC, trail_price=10),
    "extended": LimitOrderRequest(
        symbol="AAPL", qty=1, side=BUY, time_in_force=DAY, limit_price=150, extended_hours=True
    ),
    "fraction": LimitOrderRequest(symbol="AAPL", qty=0.5, side=BUY, time_in_force=DAY, limit_price=150),
    "fraction-stop": StopOrderRequest(symbol="AAPL", qty=0.5, side=BUY, time_in_force=DAY, stop_price=250),
    "coin": LimitOrderRequest(symbol="BTC/USD", qty=0.01, side=BUY, time_in_force=GTC, limit_price=50_000),
    "coin-stop-limit": StopLimitOrderRequest(
        symbol="BTC/USD", qty=0.01, side=BUY, time_in_force=GTC, stop_price=150_000, limit_price=151_000
    ),
    "option": LimitOrderRequest(symbol="AAPL270115C00230000", qty=1, side=BUY, time_in_force=DAY, limit_price=1.5),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_order_away_from_the_market_rests(client: TradingClient, name: str) -> None:
    """Every type and time in force that can rest is taken with its terms and works as `new`."""
    request_ = ENTRIES[name]
    order = submit(client, request_)
    assert order.status is OrderStatus.PENDING_NEW
    resting = by_id(client, order.id)
    assert (resting.status, resting.type, resting.time_in_force) == (
        OrderStatus.NEW,
        request_.type,
        request_.time_in_force,
    )
    assert Decimal(str(resting.qty)) == Decimal(str(request_.qty))
    assert resting.extended_hours is bool(request_.extended_hours)
    for field in ("limit_price", "trail_percent", "trail_price"):
        asked, shown = getattr(request_, field, None), getattr(resting, field)
        assert (None if shown is None else float(shown)) == asked


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_what_cannot_trade_at_once_is_canceled(client: TradingClient, time_in_force: TimeInForce) -> None:
    """IOC and FOK orders never rest."""
    order = submit(
        client, LimitOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=time_in_force, limit_price=150)
    )
    assert by_id(client, order.id).status is OrderStatus.CANCELED


@pytest.mark.parametrize("time_in_force", [TimeInForce.OPG, TimeInForce.CLS])
def test_auction_orders_wait_for_their_auction(client: TradingClient, time_in_force: TimeInForce) -> None:
    """Orders for the opening and the close are accepted and wait."""
    order = submit(client, MarketOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=time_in_force))
    assert by_id(client, order.id).status is OrderStatus.ACCEPTED


def test_money_buys_fractions(client: TradingClient) -> None:
    """A notional order has no quantity and fills to nine places."""
    order = submit(client, MarketOrderRequest(symbol="AAPL", notional=100, side=BUY, time_in_force=DAY))
    assert (order.notional, order.qty) == ("100", None)
    filled = by_id(client, order.id)
    assert filled.status is OrderStatus.FILLED
    assert filled.filled_qty == "0.499950004"


def test_coins_are_bought_with_a_fee(client: TradingClient) -> None:
    """Crypto trades by quantity or money; the filled quantity is gross, the position net of 25 basis points."""
    order = submit(client, MarketOrderRequest(symbol="ETH/USD", qty=1, side=BUY, time_in_force=GTC))
    assert by_id(client, order.id).filled_qty == "1"
    position = client.get_open_position("ETHUSD")
    assert getattr(position, "qty", None) == "0.9975"
    money = submit(client, MarketOrderRequest(symbol="BTC/USD", notional=50, side=BUY, time_in_force=TimeInForce.IOC))
    assert by_id(client, money.id).status is OrderStatus.FILLED


def test_a_bracket_works_its_exits_after_the_entry(client: TradingClient, alpaca_sim_thread: SimHandle) -> None:
    """The reply nests both exits as held; after the entry filled, the profit exit fills and the stop is canceled."""
    order = submit(
        client,
        MarketOrderRequest(
            symbol="AAPL",
            qty=2,
            side=BUY,
            time_in_force=GTC,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=220),
            stop_loss=StopLossRequest(stop_price=180, limit_price=179),
        ),
    )
    assert order.order_class is OrderClass.BRACKET
    assert order.legs is not None
    assert [(leg.type, leg.side, leg.status) for leg in order.legs] == [
        (OrderType.LIMIT, SELL, OrderStatus.HELD),
        (OrderType.STOP_LIMIT, SELL, OrderStatus.HELD),
    ]
    working = by_id(client, order.id)
    assert working.status is OrderStatus.FILLED
    assert [leg.status for leg in working.legs or ()] == [OrderStatus.NEW, OrderStatus.HELD]
    assert [found.id for found in listed(client)] == [order.legs[0].id]
    alpaca_sim_thread.control("POST", "price", {"symbol": "AAPL", "price": "225"})
    eventually(
        lambda: (
            [leg.status for leg in by_id(client, order.id).legs or ()] == [OrderStatus.FILLED, OrderStatus.CANCELED]
        ),
        "the profit exit fills",
    )


def test_a_pair_of_exits_stops_the_loss(client: TradingClient, alpaca_sim_thread: SimHandle) -> None:
    """OCO: the parent is the profit exit, its leg the held stop; when the stop fires, the profit exit is canceled."""
    buy_shares(client, 2)
    order = submit(
        client,
        LimitOrderRequest(
            symbol="AAPL",
            qty=2,
            side=SELL,
            time_in_force=GTC,
            order_class=OrderClass.OCO,
            take_profit=TakeProfitRequest(limit_price=220),
            stop_loss=StopLossRequest(stop_price=180),
        ),
    )
    assert (order.order_class, order.limit_price) == (OrderClass.OCO, "220")
    assert [leg.status for leg in order.legs or ()] == [OrderStatus.HELD]
    alpaca_sim_thread.control("POST", "price", {"symbol": "AAPL", "price": "175"})
    eventually(lambda: by_id(client, order.id).status is OrderStatus.CANCELED, "the stop fires")
    assert [leg.status for leg in by_id(client, order.id).legs or ()] == [OrderStatus.FILLED]


def test_one_order_triggers_another(client: TradingClient) -> None:
    """OTO: the single exit works once the entry has filled."""
    order = submit(
        client,
        MarketOrderRequest(
            symbol="AAPL",
            qty=1,
            side=BUY,
            time_in_force=DAY,
            order_class=OrderClass.OTO,
            stop_loss=StopLossRequest(stop_price=150),
        ),
    )
    assert [leg.status for leg in order.legs or ()] == [OrderStatus.HELD]
    assert [leg.status for leg in by_id(client, order.id).legs or ()] == [OrderStatus.NEW]


def test_a_client_order_id_finds_the_order_and_is_taken_for_good(client: TradingClient) -> None:
    """An order is found by its client id in any status, and the id is refused with 422 even after a cancel."""
    request = LimitOrderRequest(
        symbol="AAPL", qty=1, side=BUY, time_in_force=DAY, limit_price=150, client_order_id="mine-1"
    )
    order = submit(client, request)
    client.cancel_order_by_id(order.id)
    found = client.get_order_by_client_id("mine-1")
    assert isinstance(found, Order)
    assert (found.id, found.status) == (order.id, OrderStatus.CANCELED)
    with pytest.raises(APIError) as refused:
        client.submit_order(request)
    assert (refused.value.status_code, refused.value.code) == (422, 40010001)
    assert refused.value.message == "client_order_id must be unique"
    with pytest.raises(APIError) as unknown:
        client.get_order_by_client_id("nobody")
    assert (unknown.value.status_code, unknown.value.message) == (404, "order not found for nobody")


def test_a_replaced_order_points_to_its_successor(client: TradingClient) -> None:
    """Replacing gives a new order; the old one is `replaced` and both name each other."""
    old = submit(client, LimitOrderRequest(symbol="AAPL", qty=2, side=BUY, time_in_force=DAY, limit_price=150))
    new = client.replace_order_by_id(
        old.id, ReplaceOrderRequest(qty=3, limit_price=151.5, time_in_force=GTC, client_order_id="next-1")
    )
    assert isinstance(new, Order)
    assert (new.replaces, new.client_order_id, new.qty, new.limit_price) == (old.id, "next-1", "3", "151.5")
    before = by_id(client, old.id)
    assert (before.status, before.replaced_by) == (OrderStatus.REPLACED, new.id)
    assert before.replaced_at is not None
    with pytest.raises(APIError) as refused:
        client.replace_order_by_id(new.id, ReplaceOrderRequest(limit_price=151.5))
    assert refused.value.message == "order parameters are not changed"


def test_cancel_ends_one_order_or_all(client: TradingClient) -> None:
    """One cancel answers 204; canceling all reports one row for each order; a filled order cannot be canceled."""
    request = LimitOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=DAY, limit_price=150)
    first, second, third = (submit(client, request) for _ in range(3))
    client.cancel_order_by_id(first.id)
    rows = client.cancel_orders()
    assert {(getattr(row, "id", None), getattr(row, "status", None)) for row in rows} == {
        (second.id, 200),
        (third.id, 200),
    }
    assert listed(client) == []
    filled = buy_shares(client, 1)
    with pytest.raises(APIError) as refused:
        client.cancel_order_by_id(filled.id)
    assert (refused.value.status_code, refused.value.message) == (422, 'order is already in "filled" state')


def test_lists_filter_and_page(client: TradingClient) -> None:
    """Status, side, symbols, direction, limit, times and nesting narrow the list."""
    orders = [
        submit(client, LimitOrderRequest(symbol=symbol, qty=1, side=BUY, time_in_force=DAY, limit_price=5))
        for symbol in ("AAPL", "MSFT", "KO")
    ]
    filled = buy_shares(client, 1)
    assert [order.symbol for order in listed(client)] == ["KO", "MSFT", "AAPL"]
    assert [order.symbol for order in listed(client, direction="asc", limit=2)] == ["AAPL", "MSFT"]
    assert [order.symbol for order in listed(client, symbols=["MSFT", "KO"])] == ["KO", "MSFT"]
    assert [order.id for order in listed(client, status=QueryOrderStatus.CLOSED)] == [filled.id]
    assert len(listed(client, status=QueryOrderStatus.ALL, nested=True)) == 4
    assert listed(client, side=SELL) == []
    # The SDK's times end at the microsecond, so the next one is the first that is surely later.
    after, until = (orders[place].submitted_at + timedelta(microseconds=1) for place in (0, 2))
    later = listed(client, after=after, until=until)
    assert [order.symbol for order in later] == ["KO", "MSFT"]


def test_an_order_queues_while_the_market_is_shut(client: TradingClient, alpaca_sim_thread: SimHandle) -> None:
    """Out of hours an order is `accepted`, cannot be replaced, and works when the market opens."""
    alpaca_sim_thread.control("POST", "market", {"open": False})
    order = submit(client, LimitOrderRequest(symbol="AAPL", qty=1, side=BUY, time_in_force=DAY, limit_price=250))
    assert order.status is OrderStatus.ACCEPTED
    with pytest.raises(APIError) as refused:
        client.replace_order_by_id(order.id, ReplaceOrderRequest(limit_price=251))
    assert json.loads(str(refused.value))["message"] == "unable to replace order, order isn't sent to exchange yet"
    alpaca_sim_thread.control("POST", "market", {"open": True})
    eventually(lambda: by_id(client, order.id).status is OrderStatus.FILLED, "the market opens")


def test_option_legs_trade_together(client: TradingClient) -> None:
    """A multi-leg order has no symbol and side of its own; its legs are filled with it."""
    legs = [
        OptionLegRequest(symbol=symbol, ratio_qty=1, position_intent=PositionIntent.BUY_TO_OPEN)
        for symbol in ("AAPL270115C00230000", "AAPL270115P00230000")
    ]
    order = submit(client, MarketOrderRequest(qty=1, time_in_force=DAY, order_class=OrderClass.MLEG, legs=legs))
    assert (order.symbol, order.side, order.order_class) == (None, None, OrderClass.MLEG)
    filled = by_id(client, order.id)
    assert filled.status is OrderStatus.FILLED
    assert [(leg.symbol, leg.filled_qty, leg.type) for leg in filled.legs or ()] == [
        (leg.symbol, "1", None) for leg in legs
    ]
