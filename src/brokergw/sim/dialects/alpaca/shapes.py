"""JSON shapes of Alpaca's trading API: money as strings, times in RFC 3339 with nanoseconds, explicit nulls."""

import uuid
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, OrderStatus
from brokergw.model.instrument import AssetClass
from brokergw.model.money import format_decimal
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce

JsonObject = dict[str, Any]

_SECOND_NS: Final = 1_000_000_000
_NINE_PLACES: Final = Decimal("0.000000001")
_CENTS: Final = Decimal("0.01")
_NAMESPACE: Final = uuid.UUID("6f1b1d0e-6d43-5c1c-9a53-1f0c5b1e7a11")

ASSET_CLASS: Final = {
    AssetClass.STOCK: "us_equity",
    AssetClass.ETF: "us_equity",
    AssetClass.OPTION: "us_option",
    AssetClass.CRYPTO: "crypto",
}
TYPE: Final = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TRAILING_STOP: "trailing_stop",
}
TIME_IN_FORCE: Final = {
    TimeInForce.DAY: "day",
    TimeInForce.GTC: "gtc",
    TimeInForce.GTD: "gtd",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.AT_OPEN: "opg",
    TimeInForce.AT_CLOSE: "cls",
}
CLASS: Final = {
    OrderClass.SIMPLE: "",
    OrderClass.BRACKET: "bracket",
    OrderClass.OCO: "oco",
    OrderClass.OTO: "oto",
    OrderClass.MULTI_LEG: "mleg",
}
SIDE: Final = {Side.BUY: "buy", Side.SELL: "sell"}
STATUS: Final = {status: status.value.lower() for status in OrderStatus}


def derived_id(*parts: str) -> str:
    """Derive a UUID from texts, the same one each time."""
    return str(uuid.uuid5(_NAMESPACE, "|".join(parts)))


@lru_cache(maxsize=4096)
def asset_id(symbol: str) -> str:
    """Give the asset id of a symbol."""
    return derived_id("asset", symbol)


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def timestamp(time_ns: int) -> str:
    """Write a time as Alpaca does: UTC, up to nine fractional digits, no trailing zeros."""
    seconds, nanoseconds = divmod(time_ns, _SECOND_NS)
    if not nanoseconds:
        return _second(seconds) + "Z"
    return f"{_second(seconds)}.{nanoseconds:09d}".rstrip("0") + "Z"


def timestamp_or_none(time_ns: int | None) -> str | None:
    """Write a time that may be missing."""
    return None if time_ns is None else timestamp(time_ns)


def text(value: Any) -> str:
    """Write a decimal plainly, anything else as it is."""
    return format_decimal(value) if isinstance(value, Decimal) else str(value)


def decimal_or_none(value: Decimal | None) -> str | None:
    """Write a decimal that may be missing."""
    return None if value is None else format_decimal(value)


def rounded(value: Decimal, step: Decimal = _NINE_PLACES) -> str:
    """Write a computed decimal with at most nine places."""
    return format_decimal(value.quantize(step, ROUND_HALF_EVEN))


def cents(value: Decimal) -> str:
    """Write money in whole cents."""
    return format_decimal(value.quantize(_CENTS, ROUND_HALF_EVEN))


def order_shape(
    order: ExchangeOrder,
    *,
    asset_class: AssetClass,
    order_class: OrderClass,
    intent: str,
    legs: list[JsonObject] | None,
) -> JsonObject:
    """Write an order as it stands; a group's members all carry the group's class."""
    ticket = order.ticket
    created = timestamp(order.create_time_ns)
    type_ = TYPE[ticket.type]
    average = order.average_price
    wire_class = CLASS[order_class]
    if not wire_class and asset_class is AssetClass.OPTION:
        wire_class = "simple"
    return {
        "id": order.order_id,
        "client_order_id": order.client_order_id,
        "created_at": created,
        "updated_at": timestamp(order.update_time_ns),
        "submitted_at": created,
        "filled_at": timestamp_or_none(order.fill_time_ns),
        "expired_at": timestamp_or_none(order.expire_time_ns),
        "expires_at": timestamp_or_none(order.expires_at_ns),
        "canceled_at": timestamp_or_none(order.cancel_time_ns),
        "failed_at": timestamp(order.update_time_ns) if order.status is OrderStatus.REJECTED else None,
        "replaced_at": timestamp_or_none(order.replace_time_ns),
        "replaced_by": order.replaced_by or None,
        "replaces": order.replaces or None,
        "asset_id": asset_id(ticket.symbol),
        "symbol": ticket.symbol,
        "asset_class": ASSET_CLASS[asset_class],
        "notional": decimal_or_none(ticket.notional),
        "qty": None if ticket.notional is not None else format_decimal(order.quantity),
        "filled_qty": format_decimal(order.filled_quantity),
        "filled_avg_price": None if average is None else rounded(average),
        "order_class": wire_class,
        "order_type": type_,
        "type": type_,
        "side": SIDE[ticket.side],
        "position_intent": intent,
        "time_in_force": TIME_IN_FORCE[ticket.time_in_force],
        "limit_price": decimal_or_none(ticket.limit_price),
        "stop_price": decimal_or_none(order.stop_price),
        "status": STATUS[order.status],
        "extended_hours": ticket.extended_hours,
        "legs": legs,
        "trail_percent": decimal_or_none(ticket.trail_percent),
        "trail_price": decimal_or_none(ticket.trail_amount),
        "hwm": decimal_or_none(order.high_water_mark),
        "subtag": None,
        "source": None,
    }


def as_submitted(shape: JsonObject) -> JsonObject:
    """Show an order as the reply to its submission does: taken, and nothing has come of it yet.

    Alpaca answers before the venue does, so the reply to an order that fills at once still says `pending_new`.
    """
    if shape["status"] != "accepted":
        shape["status"] = "pending_new"
    shape["updated_at"] = shape["created_at"]
    for name in ("filled_at", "expired_at", "canceled_at", "failed_at", "filled_avg_price"):
        shape[name] = None
    if shape["replaces"] is None:
        shape["filled_qty"] = "0"
    if shape["order_class"] != "mleg":
        for leg in shape["legs"] or ():
            leg["status"] = "held"
    return shape
