"""From a ticket on the wire to a ticket of the exchange (Client Portal API, Place Order: the fields by order type)."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from brokergw.exchange import Ticket
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.sim.dialects.ibkr.contracts import Contract, Contracts
from brokergw.sim.dialects.ibkr.refusals import ApiError
from brokergw.sim.dialects.ibkr.shapes import JsonObject

_TYPES: Final = {
    "LMT": OrderType.LIMIT,
    "MKT": OrderType.MARKET,
    "STP": OrderType.STOP,
    "STOP_LIMIT": OrderType.STOP_LIMIT,
    "TRAIL": OrderType.TRAILING_STOP,
    "MOC": OrderType.MARKET,
    "LOC": OrderType.LIMIT,
}
_AT_CLOSE: Final = frozenset({"MOC", "LOC"})
_TIMES: Final = {
    "DAY": TimeInForce.DAY,
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "OPG": TimeInForce.AT_OPEN,
}
_PRICE_WORDS: Final = "invalid order price fields"


def contract_of(row: JsonObject, contracts: Contracts) -> Contract:
    """Find the contract that a ticket names; raises ApiError."""
    named = row.get("conid") or str(row.get("conidex", "")).partition("@")[0]
    contract = contracts.by_conid.get(int(named)) if str(named).isdigit() else None
    if contract is None:
        raise ApiError(500, f"No security definition found for conid {named}", coded=True)
    return contract


def ticket_of(row: JsonObject, contract: Contract) -> Ticket:
    """Read a ticket; raises ApiError."""
    word = str(row.get("orderType", "")).upper()
    kind = _TYPES.get(word)
    time = _TIMES.get(str(row.get("tif", "")).upper())
    if kind is None or time is None or row.get("side") not in {"BUY", "SELL"}:
        raise ApiError(500, "invalid order attributes", coded=True)
    quantity = _number(row, "quantity")
    if quantity is None or quantity <= 0:
        raise ApiError(200, "The size value cannot be zero")
    if contract.sec_type == "FUT" and not isinstance(row.get("manualIndicator"), bool):
        raise ApiError(200, "Order rejected - reason:manualIndicator is required for this contract")
    price, aux = _number(row, "price"), _number(row, "auxPrice")
    limit = price if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT} else None
    stop = price if kind is OrderType.STOP else aux if kind is OrderType.STOP_LIMIT else None
    needs_limit = kind in {OrderType.LIMIT, OrderType.STOP_LIMIT}
    if (needs_limit and limit is None) or (kind in {OrderType.STOP, OrderType.STOP_LIMIT} and stop is None):
        raise ApiError(200, _PRICE_WORDS)
    outside = row.get("outsideRTH") is True
    if outside and kind is not OrderType.LIMIT:
        raise ApiError(200, "invalid order attribute : Outside Regular Trading Hours")
    return Ticket(
        symbol=contract.listing.symbol,
        side=Side(row["side"]),
        type=kind,
        time_in_force=TimeInForce.AT_CLOSE if word in _AT_CLOSE else time,
        quantity=quantity,
        limit_price=limit,
        stop_price=stop,
        extended_hours=outside,
        client_order_id=str(row.get("cOID", "")),
        **_trail(row, kind),
    )


def _trail(row: JsonObject, kind: OrderType) -> dict[str, Any]:
    if kind is not OrderType.TRAILING_STOP:
        return {}
    amount = _number(row, "trailingAmt")
    if amount is None or row.get("trailingType") not in {"amt", "%"}:
        raise ApiError(200, _PRICE_WORDS)
    return {"trail_percent" if row["trailingType"] == "%" else "trail_amount": amount}


def _number(row: JsonObject, name: str) -> Decimal | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ApiError(500, f"invalid {name}", coded=True)
    return number
