from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.adapters.alpaca.payloads import change_body, submit_body, write_time
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.ports.broker import Change
from brokergw.transport.rows import (
    Unsupported,
    parse_time,
)


def terms(**changes: Any) -> OrderTerms:
    """Make a plain order, changed where asked."""
    plain: dict[str, Any] = {
        "symbol": "AAPL",
        "side": Side.BUY,
        "type": OrderType.MARKET,
        "time_in_force": TimeInForce.DAY,
        "quantity": Decimal(10),
    }
    return OrderTerms(**(plain | changes))


@given(st.integers(min_value=0, max_value=253_402_300_799_999_999_999))
def test_a_time_written_is_the_time_read(moment_ns: int) -> None:
    """Writing and reading a time gives it back to the nanosecond."""
    assert parse_time(write_time(moment_ns)) == moment_ns


@pytest.mark.parametrize(
    ("given_terms", "expected"),
    [
        (terms(), {"qty": "10", "type": "market", "time_in_force": "day"}),
        (terms(quantity=None, notional=Decimal("5.50")), {"notional": "5.5", "type": "market", "time_in_force": "day"}),
        (
            terms(
                type=OrderType.LIMIT, limit_price=Decimal("180.250"), extended_hours=True, time_in_force=TimeInForce.GTC
            ),
            {"qty": "10", "type": "limit", "limit_price": "180.25", "time_in_force": "gtc", "extended_hours": True},
        ),
        (
            terms(
                type=OrderType.STOP_LIMIT, limit_price=Decimal(1), stop_price=Decimal(2), time_in_force=TimeInForce.FOK
            ),
            {"qty": "10", "type": "stop_limit", "limit_price": "1", "stop_price": "2", "time_in_force": "fok"},
        ),
        (
            terms(type=OrderType.TRAILING_STOP, trail_percent=Decimal("1.5"), quantity=Decimal("1E+1")),
            {"qty": "10", "type": "trailing_stop", "trail_percent": "1.5", "time_in_force": "day"},
        ),
        (
            terms(type=OrderType.TRAILING_STOP, trail_amount=Decimal("0.3"), time_in_force=TimeInForce.GTC),
            {"qty": "10", "type": "trailing_stop", "trail_price": "0.3", "time_in_force": "gtc"},
        ),
        (terms(time_in_force=TimeInForce.AT_OPEN), {"qty": "10", "type": "market", "time_in_force": "opg"}),
        (terms(time_in_force=TimeInForce.AT_CLOSE), {"qty": "10", "type": "market", "time_in_force": "cls"}),
        (
            terms(position_effect=PositionEffect.OPEN),
            {"qty": "10", "type": "market", "time_in_force": "day", "position_intent": "buy_to_open"},
        ),
    ],
)
def test_a_simple_order_is_written_field_by_field(given_terms: OrderTerms, expected: dict[str, Any]) -> None:
    """Prices and quantities are plain texts, and what is absent is left out."""
    common = {"symbol": "AAPL", "side": "buy", "client_order_id": "gw-1"}
    assert submit_body("gw-1", given_terms) == common | expected


def test_a_bracket_is_written_with_both_exits() -> None:
    """Take-profit and stop-loss travel as objects, the stop-loss with its limit where there is one."""
    body = submit_body(
        "gw-1",
        terms(
            order_class=OrderClass.BRACKET,
            take_profit_limit_price=Decimal(200),
            stop_loss_stop_price=Decimal(160),
            stop_loss_limit_price=Decimal("159.5"),
        ),
    )
    assert body["order_class"] == "bracket"
    assert body["take_profit"] == {"limit_price": "200"}
    assert body["stop_loss"] == {"stop_price": "160", "limit_price": "159.5"}


def test_the_limit_of_an_exit_pair_is_written_as_its_take_profit() -> None:
    """Alpaca reads an OCO's profit from the take-profit object."""
    pair = terms(
        type=OrderType.LIMIT, order_class=OrderClass.OCO, limit_price=Decimal(200), stop_loss_stop_price=Decimal(160)
    )
    body = submit_body("gw-1", pair)
    assert body["take_profit"] == {"limit_price": "200"}
    assert body["stop_loss"] == {"stop_price": "160"}


def test_a_multi_leg_order_has_legs_instead_of_symbol_and_side() -> None:
    """Symbol and side are left out, and each leg carries ratio, side and intent."""
    legs = (
        Leg("AAPL270115C00200000", Side.BUY, 1, PositionEffect.OPEN),
        Leg("AAPL270115C00210000", Side.SELL, 2, PositionEffect.CLOSE),
    )
    body = submit_body("gw-1", terms(symbol="", order_class=OrderClass.MULTI_LEG, legs=legs))
    assert "symbol" not in body
    assert "side" not in body
    assert body["legs"] == [
        {"symbol": "AAPL270115C00200000", "ratio_qty": "1", "side": "buy", "position_intent": "buy_to_open"},
        {"symbol": "AAPL270115C00210000", "ratio_qty": "2", "side": "sell", "position_intent": "sell_to_close"},
    ]


def test_an_order_with_an_end_date_is_not_written() -> None:
    """Alpaca has no good-till-date, so no order with one may be turned into something else."""
    with pytest.raises(Unsupported):
        submit_body("gw-1", terms(time_in_force=TimeInForce.GTD, expire_time_ns=1))


def test_a_change_names_only_what_changes() -> None:
    """The body of a replacement holds the given fields and the new client order id."""
    assert change_body("gw-2", Change(quantity=Decimal(3), trail=Decimal("0.10"))) == {
        "client_order_id": "gw-2",
        "qty": "3",
        "trail": "0.1",
    }
    assert change_body("", Change(limit_price=Decimal(1), stop_price=Decimal(2))) == {
        "limit_price": "1",
        "stop_price": "2",
    }
