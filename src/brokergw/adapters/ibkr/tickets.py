"""The tickets that orders and changes are written on (Client Portal API, Place Order: the fields by order type)."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from brokergw.adapters.ibkr.contracts import Contract
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, TimeInForce
from brokergw.ports.broker import Change
from brokergw.transport.rows import Row, Unsupported

TYPES: Final = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STOP_LIMIT",
    OrderType.TRAILING_STOP: "TRAIL",
}
TIMES_IN_FORCE: Final = {
    TimeInForce.DAY: "DAY",
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.AT_OPEN: "OPG",
}
AT_CLOSE: Final = {OrderType.MARKET: "MOC", OrderType.LIMIT: "LOC"}
_TAGGED: Final = frozenset({"FUT", "FOP"})
"""US exchanges want to know who or what sends an order for these (CME rule 536-B)."""


def ticket(contract: Contract, terms: OrderTerms, *, account: str, reference: str, operator: str) -> Row:
    """Write the ticket of an order; raises Unsupported."""
    if terms.order_class is not OrderClass.SIMPLE:
        raise Unsupported(f"order class {terms.order_class} here")
    if terms.quantity is None:
        raise Unsupported("orders for an amount of money here")
    row: Row = {
        "acctId": account,
        "conid": contract.conid,
        "secType": f"{contract.conid}:{contract.kind}",
        "side": terms.side.value,
        "quantity": terms.quantity,
        "ticker": contract.ticker,
        "outsideRTH": terms.extended_hours,
        **_kind(terms),
        **_prices(terms),
        **tags(contract.kind, operator),
    }
    return {**row, "cOID": reference} if reference else row


def tags(kind: str, operator: str) -> Row:
    """Say that a program sends this, where that must be said."""
    return {"manualIndicator": False, "extOperator": operator} if kind in _TAGGED else {}


def changed(terms: OrderTerms, change: Change) -> OrderTerms:
    """Give an order's terms with a change to them; a change names the trail as the order has it."""
    amount, percent = terms.trail_amount, terms.trail_percent
    if change.trail is not None:
        amount, percent = (change.trail, None) if percent is None else (None, change.trail)
    return replace(
        terms,
        quantity=terms.quantity if change.quantity is None else change.quantity,
        limit_price=terms.limit_price if change.limit_price is None else change.limit_price,
        stop_price=terms.stop_price if change.stop_price is None else change.stop_price,
        trail_amount=amount,
        trail_percent=percent,
    )


def _kind(terms: OrderTerms) -> Row:
    if terms.time_in_force is TimeInForce.AT_CLOSE:
        if terms.type not in AT_CLOSE:
            raise Unsupported(f"{terms.type} orders for the close")
        return {"orderType": AT_CLOSE[terms.type], "tif": "DAY"}
    if terms.time_in_force not in TIMES_IN_FORCE:
        raise Unsupported(f"time in force {terms.time_in_force}")
    return {"orderType": TYPES[terms.type], "tif": TIMES_IN_FORCE[terms.time_in_force]}


def _prices(terms: OrderTerms) -> Row:
    """Write the prices: a stop's own price stands where a limit does, a stop-limit's in the second place."""
    match terms.type:
        case OrderType.LIMIT:
            return {"price": _told(terms.limit_price)}
        case OrderType.STOP:
            return {"price": _told(terms.stop_price)}
        case OrderType.STOP_LIMIT:
            return {"price": _told(terms.limit_price), "auxPrice": _told(terms.stop_price)}
        case OrderType.TRAILING_STOP if terms.trail_percent is not None:
            return {"trailingAmt": terms.trail_percent, "trailingType": "%"}
        case OrderType.TRAILING_STOP:
            return {"trailingAmt": _told(terms.trail_amount), "trailingType": "amt"}
        case _:
            return {}


def _told(price: Decimal | None) -> Decimal:
    """Insist on a price: where the list did not tell one, a change would take it from the order."""
    if price is None:
        raise Unsupported("words for an order whose prices are not all told")
    return price
