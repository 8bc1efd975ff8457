"""What leaves for the gateway, by order type."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.adapters.ibkr import tickets
from brokergw.adapters.ibkr.contracts import Contract
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import Change
from brokergw.transport.rows import Row, Unsupported

AAPL = Contract(
    conid=265598,
    symbol="AAPL",
    kind="STK",
    ticker="AAPL",
    name="Apple",
    currency="USD",
    venue="SMART",
    multiplier=Decimal(1),
)
TERMS = OrderTerms(
    symbol="AAPL",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    quantity=Decimal(3),
    limit_price=Decimal("100.5"),
)


def written(terms: OrderTerms) -> Row:
    """Write a ticket."""
    return tickets.ticket(AAPL, terms, account="DU1", reference="c1", operator="op")


def test_a_limit_order_is_written_whole() -> None:
    """Every field of a ticket, and none that a share has no use for."""
    assert written(TERMS) == {
        "acctId": "DU1",
        "conid": 265598,
        "secType": "265598:STK",
        "side": "BUY",
        "quantity": Decimal(3),
        "ticker": "AAPL",
        "outsideRTH": False,
        "orderType": "LMT",
        "tif": "DAY",
        "price": Decimal("100.5"),
        "cOID": "c1",
    }


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"type": OrderType.MARKET, "limit_price": None}, {"orderType": "MKT"}),
        ({"type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(9)}, {"orderType": "STP", "price": 9}),
        ({"type": OrderType.STOP_LIMIT, "stop_price": Decimal(9)}, {"orderType": "STOP_LIMIT", "auxPrice": 9}),
        (
            {"type": OrderType.TRAILING_STOP, "limit_price": None, "trail_amount": Decimal(2)},
            {"orderType": "TRAIL", "trailingAmt": 2, "trailingType": "amt"},
        ),
        (
            {"type": OrderType.TRAILING_STOP, "limit_price": None, "trail_percent": Decimal(2)},
            {"orderType": "TRAIL", "trailingAmt": 2, "trailingType": "%"},
        ),
        ({"time_in_force": TimeInForce.AT_OPEN}, {"tif": "OPG"}),
        ({"time_in_force": TimeInForce.AT_CLOSE}, {"orderType": "LOC", "tif": "DAY"}),
        ({"extended_hours": True}, {"outsideRTH": True}),
    ],
)
def test_each_type_has_its_words(changes: dict[str, Any], fields: Row) -> None:
    """Types, times in force and prices stand where the broker wants them."""
    assert fields.items() <= written(replace(TERMS, **changes)).items()


@pytest.mark.parametrize(
    "changes",
    [
        {"limit_price": None},
        {"type": OrderType.STOP_LIMIT},
        {"type": OrderType.TRAILING_STOP},
        {"type": OrderType.STOP, "time_in_force": TimeInForce.AT_CLOSE},
        {"time_in_force": TimeInForce.FOK},
        {"time_in_force": TimeInForce.GTD},
        {"order_class": OrderClass.BRACKET},
        {"quantity": None, "notional": Decimal(5)},
    ],
)
def test_what_cannot_be_said_is_not_sent(changes: dict[str, Any]) -> None:
    """Terms without words of the broker's, or without a price that they need, make no ticket."""
    with pytest.raises(Unsupported):
        written(replace(TERMS, **changes))


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (Change(), {}),
        (Change(quantity=Decimal(5)), {"quantity": Decimal(5)}),
        (Change(limit_price=Decimal(7)), {"limit_price": Decimal(7)}),
        (Change(stop_price=Decimal(6)), {"stop_price": Decimal(6)}),
        (Change(trail=Decimal(4)), {"trail_percent": Decimal(4)}),
    ],
)
def test_a_change_leaves_everything_else_as_it_is(change: Change, fields: dict[str, Any]) -> None:
    """A change is the whole ticket with what changes; a trail by percent stays one."""
    before = replace(TERMS, stop_price=Decimal(9), trail_percent=Decimal(3))
    assert tickets.changed(before, change) == replace(before, **fields)
