"""Which orders a market's hours let through, to the second."""

from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.gates.session import SEND_BUDGET_NS, closing_objections, leaves_before_ns, session_objections
from brokergw.model.capability import AROUND_THE_CLOCK, MarketRules
from brokergw.model.errors import Reason
from brokergw.model.sessions import MarketClock, SessionKind, Timetable
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.permit import VALID_S
from tests.fixtures.market_hours import QUEUING, STRICT, at, table

TABLE = table()
OPTIONS = MarketRules(calendar="XNYS", queues=True, open_only_types=frozenset({OrderType.MARKET}))


def order(**terms: Any) -> OrderTerms:
    chosen: dict[str, Any] = {
        "symbol": "ACME",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "quantity": Decimal(1),
        "limit_price": Decimal(10),
        **terms,
    }
    return OrderTerms(**chosen)


def said(when: str | int, terms: OrderTerms, rules: MarketRules, timetable: Timetable = TABLE) -> set[Reason]:
    """Ask as the gate does."""
    now_ns = at(when) if isinstance(when, str) else when
    latest = leaves_before_ns(terms, rules, timetable, now_ns)
    objections = [*session_objections(terms, rules, timetable, now_ns), *closing_objections(latest, now_ns)]
    return {objection.reason for objection in objections}


NOTHING: set[Reason] = set()
CLOSED, NOT_HERE, CLOSING = {Reason.MARKET_CLOSED}, {Reason.SESSION_NOT_ALLOWED}, {Reason.SESSION_CLOSING}


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        # Monday, 23 November 2026
        ("2026-11-23 03:59:59", CLOSED),
        ("2026-11-23 04:00:00", NOT_HERE),
        ("2026-11-23 09:29:59.999", NOT_HERE),
        ("2026-11-23 09:30:00", NOTHING),
        ("2026-11-23 15:59:57.499", NOTHING),
        ("2026-11-23 15:59:57.500", CLOSING),
        ("2026-11-23 15:59:59.999", CLOSING),
        ("2026-11-23 16:00:00", NOT_HERE),
        ("2026-11-23 20:00:00", CLOSED),
        # Thanksgiving, and the short day after it
        ("2026-11-26 12:00:00", CLOSED),
        ("2026-11-27 12:59:57.499", NOTHING),
        ("2026-11-27 12:59:57.500", CLOSING),
        ("2026-11-27 13:00:00", NOT_HERE),
        ("2026-11-27 17:00:00", CLOSED),
        # Saturday
        ("2026-11-28 12:00:00", CLOSED),
    ],
)
@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
def test_an_order_that_does_not_wait_needs_the_regular_session(
    when: str, reason: set[Reason], tif: TimeInForce
) -> None:
    """It is refused before the open, within its send budget of the close, after the close, and on days off."""
    assert said(when, order(time_in_force=tif), QUEUING) == reason


@pytest.mark.parametrize("when", ["2026-11-23 03:00", "2026-11-23 08:00", "2026-11-23 15:59:59", "2026-11-28 12:00"])
@pytest.mark.parametrize("tif", [TimeInForce.DAY, TimeInForce.GTC])
@pytest.mark.parametrize("kind", [OrderType.MARKET, OrderType.LIMIT, OrderType.STOP])
def test_a_broker_that_queues_takes_what_can_wait_at_any_time(when: str, tif: TimeInForce, kind: OrderType) -> None:
    """Orders for the day wait for the next session."""
    assert said(when, order(type=kind, time_in_force=tif), QUEUING) == NOTHING


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("2026-11-23 03:59:59", CLOSED),
        ("2026-11-23 04:00:00", NOT_HERE),
        ("2026-11-23 09:30:00", NOTHING),
        ("2026-11-23 15:59:57.499", NOTHING),
        ("2026-11-23 15:59:57.500", CLOSING),
        ("2026-11-23 16:00:00", NOT_HERE),
        ("2026-11-23 20:00:00", CLOSED),
    ],
)
def test_a_broker_that_does_not_queue_takes_orders_in_the_session_only(when: str, reason: set[Reason]) -> None:
    """Even an order for the day must arrive before the close."""
    assert said(when, order(), STRICT) == reason


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("2026-11-23 03:59:59", CLOSED),
        ("2026-11-23 04:00:00", NOTHING),
        ("2026-11-23 15:59:59", NOTHING),
        ("2026-11-23 16:00:00", NOTHING),
        ("2026-11-23 19:59:57.499", NOTHING),
        ("2026-11-23 19:59:57.500", CLOSING),
        ("2026-11-23 20:00:00", CLOSED),
    ],
)
def test_extended_hours_reach_from_the_first_session_to_the_last(when: str, reason: set[Reason]) -> None:
    """The close of the regular session is no end for an order that may go on after it."""
    assert said(when, order(extended_hours=True), STRICT) == reason


@pytest.mark.parametrize(
    "terms",
    [
        {"type": OrderType.MARKET, "limit_price": None},
        {"type": OrderType.STOP_LIMIT, "stop_price": Decimal(11)},
        {"time_in_force": TimeInForce.IOC},
        {"order_class": OrderClass.BRACKET},
    ],
)
def test_extended_hours_are_for_simple_limit_orders_that_live(terms: dict[str, Any]) -> None:
    """Where the broker takes nothing else there, nothing else is sent, whatever the hour."""
    for when in ("2026-11-23 08:00", "2026-11-23 12:00", "2026-11-28 12:00"):
        assert said(when, order(extended_hours=True, **terms), QUEUING) == NOT_HERE


@pytest.mark.parametrize(
    ("tif", "when", "reason"),
    [
        (TimeInForce.AT_OPEN, "2026-11-23 09:27:57.499", NOTHING),
        (TimeInForce.AT_OPEN, "2026-11-23 09:27:57.500", CLOSING),
        (TimeInForce.AT_OPEN, "2026-11-23 09:30:00", CLOSING),
        (TimeInForce.AT_OPEN, "2026-11-23 18:59:59", CLOSING),
        (TimeInForce.AT_OPEN, "2026-11-23 19:00:00", NOTHING),
        (TimeInForce.AT_OPEN, "2026-11-24 00:00:00", NOTHING),
        (TimeInForce.AT_CLOSE, "2026-11-23 09:30:00", NOTHING),
        (TimeInForce.AT_CLOSE, "2026-11-23 15:49:57.499", NOTHING),
        (TimeInForce.AT_CLOSE, "2026-11-23 15:49:57.500", CLOSING),
        (TimeInForce.AT_CLOSE, "2026-11-23 16:00:00", CLOSING),
        (TimeInForce.AT_CLOSE, "2026-11-23 19:00:00", NOTHING),
        # A short day closes at one, so its auction closes ten minutes before.
        (TimeInForce.AT_CLOSE, "2026-11-27 12:49:57.499", NOTHING),
        (TimeInForce.AT_CLOSE, "2026-11-27 12:49:57.500", CLOSING),
        # Saturday: before Monday's cut-off hour, between, and in the evening.
        (TimeInForce.AT_OPEN, "2026-11-28 09:27:59", NOTHING),
        (TimeInForce.AT_OPEN, "2026-11-28 09:28:00", CLOSING),
        (TimeInForce.AT_OPEN, "2026-11-28 19:00:00", NOTHING),
    ],
)
def test_orders_for_an_auction_come_before_its_cut_off_or_after_the_evening_hour(
    tif: TimeInForce, when: str, reason: set[Reason]
) -> None:
    """Between the cut-off and 19:00 the broker takes none."""
    assert said(when, order(time_in_force=tif), QUEUING) == reason


@pytest.mark.parametrize(
    ("kind", "when", "reason"),
    [
        (OrderType.MARKET, "2026-11-23 09:29:59", NOT_HERE),
        (OrderType.MARKET, "2026-11-23 09:30:00", NOTHING),
        (OrderType.MARKET, "2026-11-23 15:59:57.499", NOTHING),
        (OrderType.MARKET, "2026-11-23 15:59:57.500", CLOSING),
        (OrderType.MARKET, "2026-11-28 12:00:00", CLOSED),
        (OrderType.LIMIT, "2026-11-28 12:00:00", NOTHING),
    ],
)
def test_types_for_the_regular_session_do_not_wait(kind: OrderType, when: str, reason: set[Reason]) -> None:
    """Market orders for options are taken in market hours only; limit orders wait."""
    assert said(when, order(type=kind), OPTIONS) == reason


@pytest.mark.parametrize("tif", list(TimeInForce))
def test_what_trades_around_the_clock_is_never_closed(tif: TimeInForce) -> None:
    """No day, no hour and no time in force is refused."""
    for when in ("2026-11-23 03:00", "2026-11-26 12:00", "2026-11-28 12:00"):
        assert said(when, order(time_in_force=tif), AROUND_THE_CLOCK, Timetable.always()) == NOTHING


def test_a_market_that_the_broker_holds_shut_is_closed_in_the_middle_of_the_day() -> None:
    """The broker's clock is believed against the calendar until the moment at which it says that trading goes on."""
    noon = at("2026-11-23 12:00")
    clock = MarketClock(time_ns=noon, is_open=False, next_open_ns=at("2026-11-23 13:00"), next_close_ns=0)
    halted = TABLE.believing(clock)
    ioc = order(time_in_force=TimeInForce.IOC)
    assert said("2026-11-23 12:59:59", ioc, QUEUING, halted) == CLOSED
    assert said("2026-11-23 13:00:00", ioc, QUEUING, halted) == NOTHING
    assert halted.until_ns == at("2026-11-23 13:00")


def test_a_market_that_the_broker_holds_open_is_open_on_a_saturday() -> None:
    """Its clock tells when that ends, and auctions then have no evening hour."""
    clock = MarketClock(
        time_ns=at("2026-11-28 12:00"),
        is_open=True,
        next_open_ns=at("2026-11-28 19:00"),
        next_close_ns=at("2026-11-28 19:00"),
    )
    held = TABLE.believing(clock)
    assert said("2026-11-28 12:00", order(time_in_force=TimeInForce.IOC), QUEUING, held) == NOTHING
    assert said("2026-11-28 12:00", order(time_in_force=TimeInForce.AT_OPEN), QUEUING, held) == NOTHING
    assert said("2026-11-28 18:59:58", order(time_in_force=TimeInForce.IOC), QUEUING, held) == CLOSING


def test_an_early_close_that_only_the_broker_knows_is_kept() -> None:
    """What the clock says of the next close wins over the calendar, and nothing follows it."""
    clock = MarketClock(
        time_ns=at("2026-11-23 12:00"),
        is_open=True,
        next_open_ns=at("2026-11-24 09:30"),
        next_close_ns=at("2026-11-23 13:00"),
    )
    early = TABLE.believing(clock)
    assert early.kind_at(at("2026-11-23 12:59:59")) is SessionKind.REGULAR
    assert said("2026-11-23 12:59:57.500", order(time_in_force=TimeInForce.IOC), QUEUING, early) == CLOSING
    assert early.kind_at(at("2026-11-23 13:00")) is SessionKind.CLOSED


@pytest.mark.parametrize("when", ["2026-11-23 12:00", "2026-11-23 08:00", "2026-11-28 12:00"])
def test_a_clock_that_agrees_changes_nothing(when: str) -> None:
    """Open, before the open and on a day off."""
    now = at(when)
    next_open, next_close = TABLE.next_boundary(now, end=False), TABLE.next_boundary(now, end=True)
    assert next_open is not None
    assert next_close is not None
    is_open = TABLE.kind_at(now) is SessionKind.REGULAR
    clock = MarketClock(time_ns=now, is_open=is_open, next_open_ns=next_open, next_close_ns=next_close)
    assert TABLE.believing(clock) is TABLE


def test_the_send_budget_is_longer_than_a_permit_lives() -> None:
    """What has passed the gates within it cannot leave after the close."""
    close = at("2026-11-23 16:00")
    assert SEND_BUDGET_NS > VALID_S * 1e9
    assert said(close - SEND_BUDGET_NS - 1, order(time_in_force=TimeInForce.IOC), QUEUING) == NOTHING
    assert said(close - SEND_BUDGET_NS, order(time_in_force=TimeInForce.IOC), QUEUING) == CLOSING
