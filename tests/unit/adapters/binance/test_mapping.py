"""Recorded rows and events in canonical terms; nothing is guessed."""

from decimal import Decimal

import pytest

from brokergw.adapters.binance import futures, spot
from brokergw.adapters.binance import terms as words
from brokergw.adapters.binance.symbols import OrderId, floored, outward, read_id
from brokergw.model.lifecycle import State
from brokergw.model.order import Liquidity
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.transport.rows import Unsupported, Unusable
from tests.fixtures.binance_wire import ScriptedBinance, sample

SPOT = {"BTCUSDT": "BTC/USDT"}
PERP = {"BTCUSDT": "BTC/USDT:PERP"}
MS = 1_000_000


def terms(**changes: object) -> OrderTerms:
    """Make a limit order."""
    base = {
        "symbol": "BTC/USDT",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "quantity": Decimal("0.01"),
        "limit_price": Decimal("90000.1"),
    }
    return OrderTerms(**(base | changes))  # type: ignore[arg-type]


def test_a_spot_order_is_read_whole() -> None:
    """Names, terms without their trailing zeros, state and times."""
    order = spot.order(sample("http_get_order"), SPOT)
    assert (order.broker_order_id, order.client_order_id) == ("BTCUSDT:29", "gw-2")
    assert order.terms == terms()
    assert (order.state, order.cum_quantity, order.average_price) == (State.WORKING, Decimal(0), None)
    assert (order.submit_time_ns, order.update_time_ns) == (1791472218100 * MS, 1791472218200 * MS)


def test_the_fills_of_an_answer_have_the_names_of_the_trade_list() -> None:
    """A full answer's executions carry trade ids, and what they cost in its own asset."""
    row = sample("http_post_order_full")
    order = spot.order(row, SPOT)
    fills = [spot.fill(each, "BTCUSDT", order.update_time_ns) for each in row["fills"]]
    assert [fill.execution_id for fill in fills] == ["BTCUSDT:56", "BTCUSDT:57"]
    assert [(fee.amount, fee.asset) for fee in fills[0].fees] == [(Decimal("0.009"), "BTC")]
    assert order.average_price == Decimal(4001)


def test_a_spot_event_is_read_like_a_row() -> None:
    """An execution has the order after it and its own id; a cancel tells the order's own client order id."""
    told = spot.report(sample("ws_execution_report_trade")["event"], SPOT)
    assert told.order.terms == spot.order(sample("http_get_order"), SPOT).terms
    assert told.fill is not None
    assert (told.fill.execution_id, told.fill.quantity, told.fill.liquidity) == (
        "BTCUSDT:58",
        Decimal("0.004"),
        Liquidity.MAKER,
    )
    ended = spot.report(sample("ws_execution_report_canceled")["event"], SPOT)
    assert ended.fill is None
    assert (ended.order.client_order_id, ended.order.state) == ("gw-2", State.CANCELED)
    assert ended.order.cum_quantity == Decimal("0.004")


def test_a_futures_order_is_read_whole() -> None:
    """An order until a date that only reduces."""
    order = futures.order(sample("http_get_futures_order"), PERP)
    assert order.terms == terms(
        symbol="BTC/USDT:PERP",
        side=Side.SELL,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal("0.40"),
        expire_time_ns=1791572218000 * MS,
        reduce_only=True,
    )
    assert order.average_price is None


def test_a_conditional_order_names_its_child() -> None:
    """What was triggered is told as such, and the number of its child is read out of text."""
    row = sample("http_get_algo_order_triggered")
    order = futures.order(row, PERP)
    assert (order.broker_order_id, order.state) == ("BTCUSDT:a2146760", State.TRIGGERED)
    assert futures.child_of(row) == 1917700
    assert futures.child_of({**row, "actualOrderId": ""}) is None


@pytest.mark.parametrize("status", ["NEW_INSURANCE", "NEW_ADL", "", "new"])
def test_a_status_that_is_not_documented_is_no_state(status: str) -> None:
    """It is an error, never a guess."""
    with pytest.raises(Unusable):
        spot.order({**sample("http_get_order"), "status": status}, SPOT)


@pytest.mark.parametrize(
    "changes",
    [
        {"order_class": OrderClass.BRACKET},
        {"extended_hours": True},
        {"time_in_force": TimeInForce.DAY},
        {"time_in_force": TimeInForce.AT_OPEN},
        {"time_in_force": TimeInForce.GTD, "expire_time_ns": 1},
        {"type": OrderType.TRAILING_STOP, "limit_price": None, "trail_amount": Decimal(5)},
        {"type": OrderType.TRAILING_STOP, "limit_price": None, "trail_percent": Decimal("0.001")},
        {"type": OrderType.MARKET, "limit_price": None, "time_in_force": TimeInForce.IOC},
    ],
)
def test_what_binance_has_no_word_for_is_not_written(changes: dict[str, object]) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(Unsupported):
        spot.submit("gw-1", terms(**changes))


def test_a_trail_is_written_in_basis_points() -> None:
    """2.5 percent are 250, and one basis point is the finest."""
    trail = {"type": OrderType.TRAILING_STOP, "limit_price": None}
    assert spot.submit("x", terms(**trail, trail_percent=Decimal("2.5"))).params["trailingDelta"] == "250"
    assert spot.submit("x", terms(**trail, trail_percent=Decimal("0.01"))).params["trailingDelta"] == "1"


def test_stops_at_futures_go_where_conditional_orders_go() -> None:
    """A stop has its own place, its own client order id, and its trigger; a plain order has neither."""
    stop = futures.submit("gw-1", terms(type=OrderType.STOP, limit_price=None, stop_price=Decimal(95000)), hedged=False)
    assert stop.path == "/fapi/v1/algoOrder"
    assert (stop.params["clientAlgoId"], stop.params["triggerPrice"]) == ("gw-1", "95000")
    assert futures.submit("gw-1", terms(), hedged=False).path == "/fapi/v1/order"


@pytest.mark.parametrize(
    ("side", "effect", "written"),
    [
        (Side.BUY, PositionEffect.OPEN, "LONG"),
        (Side.SELL, PositionEffect.CLOSE, "LONG"),
        (Side.SELL, PositionEffect.OPEN, "SHORT"),
        (Side.BUY, PositionEffect.CLOSE, "SHORT"),
    ],
)
def test_hedge_mode_goes_by_the_position(side: Side, effect: PositionEffect, written: str) -> None:
    """Side and effect name the position, and reduceOnly, which is not allowed there, is not sent."""
    params = futures.submit("gw-1", terms(side=side, position_effect=effect), hedged=True).params
    assert params["positionSide"] == written
    assert "reduceOnly" not in params
    with pytest.raises(Unsupported):
        futures.submit("gw-1", terms(side=side), hedged=True)


def test_one_way_mode_reduces_by_a_flag() -> None:
    """Closing and reducing orders say so, others do not."""
    assert futures.submit("x", terms(reduce_only=True), hedged=False).params["reduceOnly"] == "true"
    assert futures.submit("x", terms(position_effect=PositionEffect.CLOSE), hedged=False).params["reduceOnly"] == "true"
    assert "reduceOnly" not in futures.submit("x", terms(), hedged=False).params


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("BTCUSDT:1", OrderId("BTCUSDT", 1)),
        ("BTCUSDT:a7", OrderId("BTCUSDT", 7, algo=True)),
        ("1000SATSUSDT_261225:9", OrderId("1000SATSUSDT_261225", 9)),
        ("BTCUSDT", None),
        ("BTCUSDT:", None),
        ("btcusdt:1", None),
        ("BTCUSDT:1&x=2", None),
        ("00000000-0000-4000-8000-000000000000", None),
    ],
)
def test_ids_are_read_or_not_at_all(written: str, read: OrderId | None) -> None:
    """What Binance cannot have given is not read, and what is read is written the same."""
    assert read_id(written) == read
    assert read is None or str(read) == written


def test_symbols_and_steps() -> None:
    """Our names lose slash and mark on the way out; quantities are rounded down exactly."""
    assert outward("BTC/USDT") == outward("BTC/USDT:PERP") == "BTCUSDT"
    assert floored(Decimal("0.123999"), Decimal("0.001")) == Decimal("0.123")
    assert floored(Decimal("0.3"), Decimal("0.1")) == Decimal("0.3")
    assert floored(Decimal("0.0009"), Decimal("0.001")) == 0


async def test_an_instrument_has_the_filters_of_its_symbol() -> None:
    """Tick, step and least worth come from the filters, not from the digits that are shown."""
    found = await ScriptedBinance().open().get_instrument("BTC/USDT")
    assert found is not None
    assert (found.tick_at(Decimal(1)), found.quantity_step, found.quantity_min, found.notional_min) == (
        Decimal("0.01"),
        Decimal("0.00001"),
        Decimal("0.00001"),
        Decimal(5),
    )
    assert await ScriptedBinance().open().get_instrument("BTC/USDT:PERP") is None


def test_an_average_that_binance_does_not_know_is_none() -> None:
    """A negative amount stands for one that is not known any more."""
    row = {**sample("http_get_order"), "executedQty": "1", "cummulativeQuoteQty": "-1"}
    assert words.average(row, Decimal(1), "cummulativeQuoteQty") is None
