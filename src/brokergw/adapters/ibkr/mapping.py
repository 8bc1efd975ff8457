"""The gateway's rows in canonical terms: orders, account, positions.

Where a status or a word is not documented, the row is unusable: a guess could end an order that still trades.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar

from brokergw.adapters.ibkr import symbols
from brokergw.adapters.ibkr.contracts import Contract
from brokergw.adapters.ibkr.payloads import decimal, milliseconds_ns, optional_decimal, text
from brokergw.model.account import AccountState, Balance, Position
from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerOrder
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.transport.rows import Row, Unusable, flag, int64, optional_text

_Word = TypeVar("_Word")

STATES: Final = {
    "PendingSubmit": State.ACKED,
    "PreSubmitted": State.ACKED,
    "Submitted": State.WORKING,
    "PendingCancel": State.PENDING_CANCEL,
    "PreCancelled": State.PENDING_CANCEL,
    "Filled": State.FILLED,
    "Cancelled": State.CANCELED,
    # Both of an order that the broker has refused and of one that it holds; only the second may trade some day.
    "Inactive": State.SUSPENDED,
    "WarnState": State.SUSPENDED,
    "Failed": State.REJECTED_BY_BROKER,
}
"""The gateway's statuses (Order Status Value)."""

_WORKING: Final = frozenset({State.ACKED, State.WORKING})
_TYPES: Final = {
    "MARKET": OrderType.MARKET,
    "MKT": OrderType.MARKET,
    "MOC": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "LMT": OrderType.LIMIT,
    "LOC": OrderType.LIMIT,
    "REL": OrderType.LIMIT,
    "MIDPRICE": OrderType.LIMIT,
    "STOP": OrderType.STOP,
    "STP": OrderType.STOP,
    "STOP_LIMIT": OrderType.STOP_LIMIT,
    "STOPLIMIT": OrderType.STOP_LIMIT,
    "TRAIL": OrderType.TRAILING_STOP,
    "TRAILLMT": OrderType.TRAILING_STOP,
    "TRAILING_STOP": OrderType.TRAILING_STOP,
    "TRAILING_STOP_LIMIT": OrderType.TRAILING_STOP,
}
_AT_CLOSE: Final = frozenset({"MOC", "LOC"})
_TIMES: Final = {
    "DAY": TimeInForce.DAY,
    # Seen on a market order for the day that was filled.
    "CLOSE": TimeInForce.DAY,
    "GTC": TimeInForce.GTC,
    "GTD": TimeInForce.GTD,
    "IOC": TimeInForce.IOC,
    "PAX": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "OPG": TimeInForce.AT_OPEN,
    "OVT": TimeInForce.DAY,
    "OND": TimeInForce.DAY,
}
_SIDES: Final = {"BUY": Side.BUY, "B": Side.BUY, "SELL": Side.SELL, "S": Side.SELL, "SSHORT": Side.SELL}


def order(row: Row, symbol: str, *, submit_time_ns: int | None = None) -> BrokerOrder:
    """Read a row of the order list; when an order was submitted the gateway does not tell, so we remember ours."""
    cum = optional_decimal(row, "filledQuantity") or ZERO
    updated_ns = milliseconds_ns(row, "lastExecutionTime_r")
    return BrokerOrder(
        broker_order_id=str(int64(row, "orderId")),
        client_order_id=optional_text(row, "order_ref"),
        terms=_terms(row, symbol),
        state=_state(row, cum),
        cum_quantity=cum,
        average_price=optional_decimal(row, "avgPrice") if cum else None,
        submit_time_ns=updated_ns if submit_time_ns is None else submit_time_ns,
        update_time_ns=updated_ns,
        reject_reason=optional_text(row, "order_cancellation_by_system_reason"),
    )


def same_terms(ours: OrderTerms, found: OrderTerms) -> bool:
    """Tell whether an order at the broker is the one we meant to send."""
    names = ("symbol", "side", "type", "time_in_force", "quantity", "limit_price", "stop_price", "trail_amount",
             "trail_percent", "extended_hours")  # fmt: skip
    return all(getattr(ours, name) == getattr(found, name) for name in names)


def account(row: Row, *, number: str, currency: str, now_ns: int) -> AccountState:
    """Read the account's summary; how much may be borrowed is what its buying power is of its available funds."""
    available, power = decimal(row, "availableFunds"), decimal(row, "buyingPower")
    cash_only = "CASH" in optional_text(row, "accountType").upper()
    held = row.get("cashBalances")
    return AccountState(
        masked_number=f"****{number[-4:]}",
        currency=currency,
        equity=decimal(row, "netLiquidationValue"),
        cash=decimal(row, "totalCashValue"),
        buying_power=power,
        balances=tuple(_balance(each) for each in held) if isinstance(held, list) else (),
        trading_blocked=False,
        shorting_enabled=not cash_only,
        multiplier=max(Decimal(1), (power / available).quantize(Decimal("0.1"))) if available > 0 else Decimal(1),
        as_of_ns=now_ns,
    )


def position(row: Row, contract: Contract, *, held: Decimal, now_ns: int) -> Position:
    """Read a position; `held` is what open orders would close of it."""
    quantity = decimal(row, "position")
    cost = optional_decimal(row, "avgCost")
    return Position(
        symbol=contract.symbol,
        asset_class=contract.asset_class,
        quantity=quantity,
        available_quantity=max(ZERO, abs(quantity) - held),
        average_price=optional_decimal(row, "avgPrice"),
        cost_basis=None if cost is None else cost * quantity,
        market_price=optional_decimal(row, "marketPrice"),
        market_value=optional_decimal(row, "marketValue"),
        unrealized_profit=optional_decimal(row, "unrealizedPnl"),
        as_of_ns=now_ns,
    )


def side_of(word: str) -> Side:
    """Read a side."""
    return _word(_SIDES, word.upper(), "side")


def share_of(row: Row) -> str:
    """Give the symbol of a row that is about a share, or nothing where it is about something else."""
    return symbols.of_share(text(row, "ticker")) if optional_text(row, "secType") == "STK" else ""


def state_of(word: str) -> State:
    """Read a status; raises Unusable for one that is not documented."""
    return _word(STATES, word, "status")


def _balance(row: object) -> Balance:
    if not isinstance(row, dict):
        raise Unusable("a balance is no object")
    total = decimal(row, "balance")
    settled = optional_decimal(row, "settledCash")
    available = total if settled is None else min(total, settled)
    return Balance(text(row, "currency"), total, available, total - available)


def _terms(row: Row, symbol: str) -> OrderTerms:
    word = text(row, "origOrderType").upper().replace(" ", "_")
    kind = _word(_TYPES, word, "origOrderType")
    price = optional_decimal(row, "price")
    limit, stop = None, None
    if kind is OrderType.LIMIT:
        limit = price
    elif kind is OrderType.STOP:
        stop = price
    elif kind is OrderType.STOP_LIMIT:
        limit, stop = price, optional_decimal(row, "auxPrice")
    trail = optional_decimal(row, "trailingAmt") if kind is OrderType.TRAILING_STOP else None
    by_percent = optional_text(row, "trailingType") == "%"
    time = _word(_TIMES, text(row, "timeInForce").upper(), "timeInForce")
    return OrderTerms(
        symbol=symbol,
        side=side_of(text(row, "side")),
        type=kind,
        time_in_force=TimeInForce.AT_CLOSE if word in _AT_CLOSE else time,
        quantity=decimal(row, "totalSize"),
        limit_price=limit,
        stop_price=stop,
        trail_amount=None if by_percent else trail,
        trail_percent=trail if by_percent else None,
        extended_hours=flag(row, "outsideRTH"),
    )


def _state(row: Row, cum: Decimal) -> State:
    state = state_of(text(row, "status"))
    if state in _WORKING and cum > 0:
        return State.PARTIAL if cum < decimal(row, "totalSize") else State.FILLED
    reason = optional_text(row, "order_cancellation_by_system_reason")
    if state is State.CANCELED and reason:
        if "expire" in reason.lower():
            return State.EXPIRED
        return State.CANCELED if cum else State.REJECTED_BY_BROKER
    return state


def _word(table: Mapping[str, _Word], word: str, field: str) -> _Word:
    found = table.get(word)
    if found is None:
        raise Unusable(f"field {field} has a value that is not documented")
    return found
