from decimal import Decimal
from typing import Any

import pytest

from brokergw.adapters.schwab.generations import Generations
from brokergw.adapters.schwab.mapping import Reading, readings, submitted_ns
from brokergw.adapters.schwab.payloads import broker_symbol, canonical_symbol
from brokergw.adapters.schwab.words import STATES
from brokergw.model.lifecycle import State
from brokergw.model.terms import Leg, OrderClass, OrderType, PositionEffect, Side, TimeInForce
from brokergw.transport.rows import Unusable, parse_time
from tests.fixtures.schwab_wire import row

D = Decimal
CALL, PUT = "AAPL270115C00230000", "AAPL270115P00230000"


def read(name: str, **changes: Any) -> list[Reading]:
    """Read a sample without any memory."""
    return readings(row(name, **changes), Generations())


def test_an_order_is_read_whole() -> None:
    """Ids, terms, totals and times arrive exactly, and no client order id, since there is none."""
    (reading,) = read("order_working")
    order, terms = reading.order, reading.order.terms
    assert (order.broker_order_id, order.client_order_id) == ("1005588236651", "")
    assert (order.state, order.cum_quantity, order.average_price) == (State.WORKING, D(0), None)
    assert order.submit_time_ns == order.update_time_ns == 1_772_587_595 * 10**9
    assert (terms.symbol, terms.side, terms.type) == ("AAPL", Side.BUY, OrderType.LIMIT)
    assert (terms.quantity, terms.limit_price, terms.stop_price) == (D(10), D(100), None)
    assert (terms.time_in_force, terms.order_class, terms.extended_hours) == (TimeInForce.DAY, OrderClass.SIMPLE, False)


def test_executions_come_in_the_order_of_what_they_left() -> None:
    """Times are whole seconds and ids need not rise: of two in a second the one that left more came first."""
    (reading,) = read("order_partly_filled")
    assert [(fill.execution_id, fill.quantity, fill.price) for fill in reading.fills] == [
        ("1005588236651:77001", D(3), D(100)),
        ("1005588236651:77000", D(1), D("99.5")),
    ]
    assert (reading.order.state, reading.order.cum_quantity) == (State.PARTIAL, D(4))
    assert reading.order.average_price == D("99.875")
    assert reading.whole


def test_the_end_of_an_order_is_no_execution() -> None:
    """A cancel is told as EXECUTION of all that was left at a price of 0, and must not count."""
    (reading,) = read("order_canceled")
    assert [fill.quantity for fill in reading.fills] == [D(4)]
    assert (reading.order.state, reading.order.cum_quantity) == (State.CANCELED, D(4))
    assert reading.order.average_price == D("99.98")
    assert reading.order.update_time_ns == parse_time("2026-03-04T15:00:00+0000")


def test_a_total_without_its_executions_is_not_whole() -> None:
    """R9: what is filled may show before the executions do; then there is no average price."""
    (reading,) = read("order_partly_filled", orderActivityCollection=None)
    assert not reading.whole
    assert (reading.order.cum_quantity, reading.order.average_price) == (D(4), None)


def test_a_bracket_is_an_entry_with_two_exits() -> None:
    """The pair's node between entry and exits is no order of its own."""
    entry, profit, stop = read("order_bracket")
    assert [each.order.broker_order_id for each in (entry, profit, stop)] == [
        "1005588236651",
        "1005588236653",
        "1005588236654",
    ]
    terms = entry.order.terms
    assert terms.order_class is OrderClass.BRACKET
    assert (terms.take_profit_limit_price, terms.stop_loss_stop_price, terms.stop_loss_limit_price) == (
        D(120),
        D(90),
        D("89.5"),
    )
    assert entry.order.legs == (profit.order, stop.order)
    assert {profit.order.state, stop.order.state} == {State.ACKED}


def test_a_pair_goes_by_the_id_of_its_node() -> None:
    """An OCO's limit order stands for the pair, the stop is its leg; the node has no time, so the orders' serves."""
    pair, stop = read("order_pair")
    assert (pair.order.broker_order_id, stop.order.broker_order_id) == ("1005588236652", "1005588236654")
    terms = pair.order.terms
    assert (terms.order_class, terms.side, terms.limit_price) == (OrderClass.OCO, Side.SELL, None)
    assert (terms.take_profit_limit_price, terms.stop_loss_stop_price) == (D(120), D(90))
    assert pair.order.legs == (stop.order,)
    assert submitted_ns(row("order_pair")) == pair.order.submit_time_ns


def test_a_group_of_another_kind_is_told_order_by_order() -> None:
    """Others may place what is none of ours: each of its orders is told for itself, and none is lost."""
    both_stops = row("order_pair")
    for child in both_stops["childOrderStrategies"]:
        child["orderType"] = "TRAILING_STOP"
    found = readings(both_stops, Generations())
    assert [each.order.broker_order_id for each in found] == ["1005588236653", "1005588236654"]
    assert {each.order.terms.order_class for each in found} == {OrderClass.SIMPLE}


def test_a_spread_is_one_order_with_one_execution() -> None:
    """A credit is a negative price, a leg counts by its ratio, and the execution's price is that of one unit."""
    (reading,) = read("order_spread")
    terms = reading.order.terms
    assert (terms.symbol, terms.order_class, terms.quantity, terms.limit_price) == (
        "",
        OrderClass.MULTI_LEG,
        D(2),
        D("-1.25"),
    )
    assert terms.legs == (
        Leg(CALL, Side.SELL, 1, PositionEffect.OPEN),
        Leg(PUT, Side.BUY, 2, PositionEffect.OPEN),
    )
    (fill,) = reading.fills
    assert (fill.quantity, fill.price, fill.synthetic_id) == (D(2), D("-1.4"), True)
    assert fill.execution_id == "1005588236651:2"


@pytest.mark.parametrize(("status", "state"), STATES.items())
def test_each_status_has_a_state(status: str, state: State) -> None:
    """Every status of the schema is told by one state."""
    (reading,) = read("order_working", status=status)
    assert reading.order.state is state


@pytest.mark.parametrize("changes", [{"status": "UNKNOWN"}, {"status": "BRAND_NEW"}, {"orderType": "GUESS"}], ids=str)
def test_an_unknown_word_is_an_error(changes: dict[str, str]) -> None:
    """New statuses appear without notice: none is guessed."""
    with pytest.raises(Unusable, match="not documented"):
        read("order_working", **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"orderId": None},
        {"orderId": "1005588236651"},
        {"enteredTime": "yesterday"},
        {"quantity": None},
        {"price": "NaN"},
        {"orderLegCollection": []},
    ],
    ids=str,
)
def test_a_row_of_another_shape_is_an_error(changes: dict[str, Any]) -> None:
    """A field that is missing, or is something else, is never filled in."""
    with pytest.raises(Unusable):
        read("order_working", **changes)


@pytest.mark.parametrize(
    ("word", "kind", "time_in_force"),
    [
        ("MARKET_ON_CLOSE", OrderType.MARKET, TimeInForce.AT_CLOSE),
        ("TRAILING_STOP_LIMIT", OrderType.TRAILING_STOP, TimeInForce.DAY),
        ("CABINET", OrderType.LIMIT, TimeInForce.DAY),
    ],
)
def test_what_only_others_place_is_told_by_the_nearest_word(
    word: str, kind: OrderType, time_in_force: TimeInForce
) -> None:
    """One order of another program must not make the account's list unreadable."""
    (reading,) = read("order_working", orderType=word)
    assert (reading.order.terms.type, reading.order.terms.time_in_force) == (kind, time_in_force)


def test_a_trailing_stop_is_told_by_its_offset() -> None:
    """The stop in force moves by itself; the distance is what was ordered."""
    changes = {"orderType": "TRAILING_STOP", "price": None, "stopPrice": 95.0, "stopPriceOffset": 2.5}
    (by_value,) = read("order_working", **changes, stopPriceLinkType="VALUE")
    (by_percent,) = read("order_working", **changes, stopPriceLinkType="PERCENT")
    assert (by_value.order.terms.trail_amount, by_value.order.terms.stop_price) == (D("2.5"), None)
    assert (by_percent.order.terms.trail_amount, by_percent.order.terms.trail_percent) == (None, D("2.5"))


def test_contracts_are_named_both_ways() -> None:
    """Schwab fills a contract's root up to six characters; shares keep their names."""
    assert canonical_symbol("AAPL  270115C00230000") == CALL
    assert broker_symbol(CALL) == "AAPL  270115C00230000"
    assert canonical_symbol(broker_symbol("BRK.B")) == "BRK.B"


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        ("2026-03-04T01:26:35+0000", 1_772_587_595_000_000_000),
        ("2026-03-04T01:26:35.123Z", 1_772_587_595_123_000_000),
        ("2026-03-03T20:26:35-0500", 1_772_587_595_000_000_000),
        ("2026-03-03T20:26:35-05:00", 1_772_587_595_000_000_000),
    ],
)
def test_times_are_read_in_every_form_seen(written: str, ns: int) -> None:
    """Offsets come without a colon, fractions come and go."""
    assert parse_time(written) == ns
