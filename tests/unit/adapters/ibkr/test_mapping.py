"""Rows as recorded from the gateway, in canonical terms."""

from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from brokergw.adapters.ibkr import mapping, payloads, records
from brokergw.model.lifecycle import State
from brokergw.model.order import Fee
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.transport.rows import Row, Unusable, read_json

DATA: Final = Path(__file__).parents[3] / "data" / "ibkr"


def listed() -> list[Row]:
    """Give the recorded rows of the order list."""
    rows: list[Row] = read_json((DATA / "http_get_orders.json").read_bytes())["orders"]
    return rows


def test_a_filled_order_is_read() -> None:
    """A market order that was filled: its total, its average, and no price."""
    order = mapping.order(listed()[0], "SPY")
    assert (order.broker_order_id, order.client_order_id) == ("473740665", "")
    assert (order.state, order.cum_quantity, order.average_price) == (State.FILLED, Decimal(1), Decimal("647.09"))
    assert (order.terms.type, order.terms.time_in_force, order.terms.limit_price) == (
        OrderType.MARKET,
        TimeInForce.DAY,
        None,
    )
    assert order.update_time_ns == 1_775_086_847_000_000_000


def test_a_partly_filled_order_is_read() -> None:
    """A limit order at work: side, price, reference, hours, and that a part of it has traded."""
    order = mapping.order(listed()[1], "AAPL", submit_time_ns=5)
    assert (order.client_order_id, order.state, order.submit_time_ns) == ("ref-2", State.PARTIAL, 5)
    assert (order.terms.side, order.terms.limit_price) == (Side.SELL, Decimal("250.10"))
    assert order.terms.extended_hours


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"status": "PendingSubmit"}, State.ACKED),
        ({"status": "PreSubmitted"}, State.ACKED),
        ({"status": "Submitted"}, State.WORKING),
        ({"status": "Submitted", "filledQuantity": 99}, State.PARTIAL),
        ({"status": "Submitted", "filledQuantity": 100}, State.FILLED),
        ({"status": "PendingCancel"}, State.PENDING_CANCEL),
        ({"status": "PreCancelled"}, State.PENDING_CANCEL),
        ({"status": "Cancelled"}, State.CANCELED),
        ({"status": "Cancelled", "order_cancellation_by_system_reason": "Order expired"}, State.EXPIRED),
        ({"status": "Cancelled", "order_cancellation_by_system_reason": "no margin"}, State.REJECTED_BY_BROKER),
        (
            {"status": "Cancelled", "order_cancellation_by_system_reason": "no margin", "filledQuantity": 1},
            State.CANCELED,
        ),
        ({"status": "Inactive"}, State.SUSPENDED),
        ({"status": "WarnState"}, State.SUSPENDED),
        ({"status": "Failed"}, State.REJECTED_BY_BROKER),
        ({"status": "Filled", "filledQuantity": 100}, State.FILLED),
    ],
)
def test_every_status_has_one_state(changes: dict[str, Any], state: State) -> None:
    """Each documented status, with what was traded and why it ended, is one state."""
    row = {**listed()[1], "filledQuantity": 0, **changes}
    assert mapping.order(row, "AAPL").state is state


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "ApiPending"},
        {"status": ""},
        {"origOrderType": "SNAP MID"},
        {"timeInForce": "MOON"},
        {"side": "HOLD"},
        {"totalSize": "many"},
        {"lastExecutionTime_r": None},
        {"orderId": "x"},
        {"filledQuantity": "NaN"},
    ],
)
def test_what_is_not_documented_is_never_guessed(changes: dict[str, Any]) -> None:
    """A word or a number that nobody knows makes the row unusable."""
    with pytest.raises(Unusable):
        mapping.order({**listed()[1], **changes}, "AAPL")


@pytest.mark.parametrize(
    ("changes", "kind", "limit", "stop", "trail"),
    [
        ({"origOrderType": "STOP", "price": "90"}, OrderType.STOP, None, "90", None),
        ({"origOrderType": "STOP_LIMIT", "price": "90", "auxPrice": "91"}, OrderType.STOP_LIMIT, "90", "91", None),
        ({"origOrderType": "TRAIL", "trailingAmt": "2", "trailingType": "%"}, OrderType.TRAILING_STOP, None, None, "2"),
        ({"origOrderType": "MIDPRICE", "price": ""}, OrderType.LIMIT, None, None, None),
    ],
)
def test_prices_stand_where_the_ticket_has_them(
    changes: dict[str, str], kind: OrderType, limit: str | None, stop: str | None, trail: str | None
) -> None:
    """A stop's price is where a limit's is, a stop-limit's beside it, a trail under its own name."""
    terms = mapping.order({**listed()[1], **changes}, "AAPL").terms
    wanted = [None if each is None else Decimal(each) for each in (limit, stop, trail)]
    assert terms.type is kind
    assert [terms.limit_price, terms.stop_price, terms.trail_percent] == wanted


SUMMARY: Final = {
    "accountType": "",
    "buyingPower": Decimal("3979324.0"),
    "availableFunds": Decimal("994831.0"),
    "netLiquidationValue": Decimal("1005254.0"),
    "totalCashValue": Decimal("971870.0"),
    "cashBalances": [{"currency": "USD", "balance": Decimal("971870.0"), "settledCash": Decimal("900000.0")}],
}


def test_the_account_is_read() -> None:
    """Money as the summary has it, how much may be borrowed by its own figures, and four characters of the number."""
    account = mapping.account(SUMMARY, number="U1234567", currency="USD", now_ns=7)
    assert (account.equity, account.cash, account.multiplier) == (Decimal(1005254), Decimal(971870), Decimal(4))
    assert account.masked_number == "****4567"
    (cash,) = account.balances
    assert (cash.total, cash.available, cash.locked) == (Decimal(971870), Decimal(900000), Decimal(71870))


@pytest.mark.parametrize(("available", "multiplier"), [("-1", "1"), ("0", "1"), ("1", "3979324")])
def test_an_account_without_funds_has_no_leverage_to_tell(available: str, multiplier: str) -> None:
    """With nothing available nothing is divided by it."""
    row = {**SUMMARY, "availableFunds": Decimal(available)}
    assert mapping.account(row, number="U1", currency="USD", now_ns=7).multiplier == Decimal(multiplier)


def test_a_missing_figure_is_an_error() -> None:
    """An account whose cash is not told has not none."""
    with pytest.raises(Unusable):
        mapping.account({**SUMMARY, "totalCashValue": None}, number="U1", currency="USD", now_ns=7)


TRADE: Final = {
    "execution_id": "0000e0d5.6576fd38.01.01",
    "symbol": "SPY",
    "side": "S",
    "order_ref": "ref-1",
    "trade_time_r": 1_775_086_847_000,
    "size": Decimal("2.0"),
    "price": "647.09",
    "exchange": "ARCA",
    "commission": "1.01",
    "net_amount": Decimal("1294.18"),
    "conid": 756733,
}


def test_a_trade_is_read() -> None:
    """The broker's own execution id, its price to the last digit, its commission where its currency is known."""
    told = records.trade(TRADE, "USD")
    assert (told.fill.execution_id, told.fill.price, told.fill.quantity) == (
        "0000e0d5.6576fd38.01.01",
        Decimal("647.09"),
        Decimal(2),
    )
    assert (told.reference, told.side, told.fill.synthetic_id) == ("ref-1", Side.SELL, False)
    assert told.fill.fees == (Fee(Decimal("1.01"), "USD", "COMMISSION"),)
    assert records.trade(TRADE).fill.fees == ()


@pytest.mark.parametrize(
    ("row", "bid", "ask"),
    [
        ({"84": "10.1", "86": "10.2", "88": "1,200", "85": "5"}, "10.1", "10.2"),
        ({"84": "C10.1", "86": "H10.2"}, "10.1", "10.2"),
        ({"84": "-1", "86": "10.2"}, None, "10.2"),
        ({"84": "", "86": "0"}, None, None),
        ({"84": "??", "86": None}, None, None),
    ],
)
def test_a_quote_has_the_sides_that_are_there(row: Row, bid: str | None, ask: str | None) -> None:
    """A side that is not above zero is none, whatever letters stand before it."""
    quote = records.quote("SPY", {**row, "_updated": 1})
    assert [quote.bid, quote.ask] == [None if each is None else Decimal(each) for each in (bid, ask)]


def test_numbers_are_exact() -> None:
    """A JSON number keeps its digits, and what is no number at all is refused."""
    assert payloads.decimal(read_json(b'{"a":0.1}'), "a") == Decimal("0.1")
    with pytest.raises(Unusable):
        read_json(b'{"a":NaN}')
    with pytest.raises(Unusable):
        payloads.decimal({"a": True}, "a")
