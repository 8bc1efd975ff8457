"""Alpaca's words for an order's terms, and the bodies that requests carry."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from brokergw.model.money import format_decimal
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.ports.broker import Change
from brokergw.transport.rows import Row, Unsupported

_NS: Final = 1_000_000_000
_OPTION_SYMBOL: Final = re.compile(r"[A-Z]{1,6}\d{6}[CP]\d{8}", re.ASCII)

TYPES: Final = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TRAILING_STOP: "trailing_stop",
}
TIMES_IN_FORCE: Final = {
    TimeInForce.DAY: "day",
    TimeInForce.GTC: "gtc",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.AT_OPEN: "opg",
    TimeInForce.AT_CLOSE: "cls",
}
CLASSES: Final = {
    OrderClass.SIMPLE: "simple",
    OrderClass.BRACKET: "bracket",
    OrderClass.OCO: "oco",
    OrderClass.OTO: "oto",
    OrderClass.MULTI_LEG: "mleg",
}
SIDES: Final = {Side.BUY: "buy", Side.SELL: "sell"}


def write_time(moment_ns: int) -> str:
    """Write Unix nanoseconds as RFC 3339 with nine fractional digits."""
    seconds, fraction = divmod(max(0, moment_ns), _NS)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def is_option(symbol: str) -> bool:
    """Tell an option contract by its OCC symbol."""
    return _OPTION_SYMBOL.fullmatch(symbol) is not None


def submit_body(client_order_id: str, terms: OrderTerms) -> Row:
    """Write the body of POST /v2/orders; prices and quantities as text, absent fields left out."""
    if terms.time_in_force not in TIMES_IN_FORCE:
        raise Unsupported(f"time in force {terms.time_in_force}")
    body: Row = {
        "type": TYPES[terms.type],
        "time_in_force": TIMES_IN_FORCE[terms.time_in_force],
        "client_order_id": client_order_id,
    }
    if terms.order_class is OrderClass.MULTI_LEG:
        # Alpaca refuses symbol and side here: the legs carry them.
        body["legs"] = [_leg(leg) for leg in terms.legs]
    else:
        body["symbol"] = terms.symbol
        body["side"] = SIDES[terms.side]
        # An order that closes by intent is refused where Alpaca infers that it would open; a pair has no intent.
        reduces = terms.reduce_only and "/" not in terms.symbol
        intent = _intent(terms.side, PositionEffect.CLOSE if reduces else terms.position_effect)
        if intent:
            body["position_intent"] = intent
    _put(body, "qty", terms.quantity)
    _put(body, "notional", terms.notional)
    _put(body, "limit_price", terms.limit_price)
    _put(body, "stop_price", terms.stop_price)
    _put(body, "trail_price", terms.trail_amount)
    _put(body, "trail_percent", terms.trail_percent)
    if terms.extended_hours:
        body["extended_hours"] = True
    if terms.order_class is not OrderClass.SIMPLE:
        body["order_class"] = CLASSES[terms.order_class]
        _put_exits(body, terms)
    return body


def change_body(client_order_id: str, change: Change) -> Row:
    """Write the body of PATCH /v2/orders/{id}."""
    body: Row = {"client_order_id": client_order_id} if client_order_id else {}
    _put(body, "qty", change.quantity)
    _put(body, "limit_price", change.limit_price)
    _put(body, "stop_price", change.stop_price)
    _put(body, "trail", change.trail)
    return body


def _put_exits(body: Row, terms: OrderTerms) -> None:
    # Alpaca wants the limit of an OCO as its take-profit.
    profit = terms.take_profit_limit_price
    if profit is None and terms.order_class is OrderClass.OCO:
        profit = terms.limit_price
    if profit is not None:
        body["take_profit"] = {"limit_price": format_decimal(profit)}
    if terms.stop_loss_stop_price is not None:
        stop: Row = {"stop_price": format_decimal(terms.stop_loss_stop_price)}
        _put(stop, "limit_price", terms.stop_loss_limit_price)
        body["stop_loss"] = stop


def _leg(leg: Leg) -> Row:
    row: Row = {"symbol": leg.symbol, "ratio_qty": str(leg.ratio), "side": SIDES[leg.side]}
    intent = _intent(leg.side, leg.position_effect)
    if intent:
        row["position_intent"] = intent
    return row


def _intent(side: Side, effect: PositionEffect) -> str:
    if effect is PositionEffect.AUTO:
        return ""
    return f"{SIDES[side]}_to_{'open' if effect is PositionEffect.OPEN else 'close'}"


def _put(body: Row, name: str, value: Decimal | None) -> None:
    if value is not None:
        body[name] = format_decimal(value)
