"""From Python's values to the contract's: decimals, enum names and times."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

from brokerapi.v1 import (
    connections_pb2,
    orders_pb2,
    reconciliation_pb2,
    streams_pb2,
    trading_pb2,
    trading_settings_pb2,
)
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

Amount: TypeAlias = Decimal | str | int
"""A price, a quantity or an amount of money; never a float."""

Moment: TypeAlias = datetime | Timestamp | int
"""A point in time: an aware datetime, a protobuf Timestamp or Unix nanoseconds."""

Start: TypeAlias = str | Moment | streams_pb2.StreamStart
"""Where a stream begins: "now", "snapshot", a cursor, or a point in time."""


class BadArgument(ValueError):
    """An argument that the contract cannot say: an unknown name, no finite amount, a time without a zone."""


def decimal_text(name: str, value: Amount) -> str:
    """Write an amount as the contract wants it; text passes through, the gateway judges it.

    Raises:
        TypeError: the value is a float (which could not hold it exactly) or no number at all.
        BadArgument: the value is not finite.
    """
    if isinstance(value, float):
        raise TypeError(
            f"{name} is a float, which cannot hold most decimal fractions exactly: pass Decimal('10.25') or '10.25'"
        )
    if isinstance(value, bool) or not isinstance(value, Decimal | str | int):
        raise TypeError(f"{name} must be a Decimal, a str or an int, not {type(value).__name__}")
    if isinstance(value, Decimal) and not value.is_finite():
        raise BadArgument(f"{name} must be finite")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def optional_decimal(name: str, value: Amount | None) -> str | None:
    """Write an amount, or leave it out."""
    return None if value is None else decimal_text(name, value)


def side(value: str) -> trading_pb2.Side.ValueType:
    """Read a side such as BUY."""
    return trading_pb2.Side.Value(_member("side", trading_pb2.Side.DESCRIPTOR, "SIDE_", value))


def order_type(value: str) -> trading_pb2.OrderType.ValueType:
    """Read an order type such as STOP_LIMIT."""
    return trading_pb2.OrderType.Value(_member("type", trading_pb2.OrderType.DESCRIPTOR, "ORDER_TYPE_", value))


def time_in_force(value: str) -> trading_pb2.TimeInForce.ValueType:
    """Read a time in force such as GTC."""
    descriptor = trading_pb2.TimeInForce.DESCRIPTOR
    return trading_pb2.TimeInForce.Value(_member("time_in_force", descriptor, "TIME_IN_FORCE_", value))


def order_class(value: str) -> trading_pb2.OrderClass.ValueType:
    """Read an order class such as BRACKET."""
    return trading_pb2.OrderClass.Value(
        _member("order_class", trading_pb2.OrderClass.DESCRIPTOR, "ORDER_CLASS_", value)
    )


def position_effect(value: str) -> trading_pb2.PositionEffect.ValueType:
    """Read a position effect such as OPEN."""
    descriptor = trading_pb2.PositionEffect.DESCRIPTOR
    return trading_pb2.PositionEffect.Value(_member("position_effect", descriptor, "POSITION_EFFECT_", value))


def environment(value: str) -> trading_pb2.Environment.ValueType:
    """Read an environment such as PAPER."""
    return trading_pb2.Environment.Value(
        _member("environment", trading_pb2.Environment.DESCRIPTOR, "ENVIRONMENT_", value)
    )


def order_status(value: str) -> orders_pb2.OrderStatusFilter.ValueType:
    """Read which orders to list: ALL, OPEN or CLOSED."""
    if value.upper() == "ALL":
        return orders_pb2.ORDER_STATUS_FILTER_UNSPECIFIED
    descriptor = orders_pb2.OrderStatusFilter.DESCRIPTOR
    return orders_pb2.OrderStatusFilter.Value(_member("status", descriptor, "ORDER_STATUS_FILTER_", value))


def margin_type(value: str) -> trading_settings_pb2.MarginType.ValueType:
    """Read a margin type: CROSS or ISOLATED; empty leaves it as it is."""
    if not value:
        return trading_settings_pb2.MARGIN_TYPE_UNSPECIFIED
    descriptor = trading_settings_pb2.MarginType.DESCRIPTOR
    return trading_settings_pb2.MarginType.Value(_member("margin_type", descriptor, "MARGIN_TYPE_", value))


def position_mode(value: str) -> trading_settings_pb2.PositionMode.ValueType:
    """Read a position mode: ONE_WAY or HEDGE; empty leaves it as it is."""
    if not value:
        return trading_settings_pb2.POSITION_MODE_UNSPECIFIED
    descriptor = trading_settings_pb2.PositionMode.DESCRIPTOR
    return trading_settings_pb2.PositionMode.Value(_member("position_mode", descriptor, "POSITION_MODE_", value))


def position_policy(value: str) -> reconciliation_pb2.PositionPolicy.ValueType:
    """Read what is done about a position that changed without an order: HALT or ADOPT."""
    descriptor = reconciliation_pb2.PositionPolicy.DESCRIPTOR
    return reconciliation_pb2.PositionPolicy.Value(_member("positions", descriptor, "POSITION_POLICY_", value))


def cash_policy(value: str) -> reconciliation_pb2.CashPolicy.ValueType:
    """Read what is done about cash that moved without a reason: HALT, WARN or IGNORE."""
    descriptor = reconciliation_pb2.CashPolicy.DESCRIPTOR
    return reconciliation_pb2.CashPolicy.Value(_member("cash", descriptor, "CASH_POLICY_", value))


def api_key_credentials(key: str | None, secret: str | None) -> connections_pb2.ApiKeyCredentials | None:
    """Pair a broker's key id with its secret; both or neither."""
    if key is None and secret is None:
        return None
    if not (key and secret):
        raise BadArgument("key and secret belong together")
    return connections_pb2.ApiKeyCredentials(key=key, secret=secret)


def names_of(descriptor: EnumDescriptor, prefix: str) -> tuple[str, ...]:
    """List an enum's names without their prefix, the unspecified one left out."""
    return tuple(value.name.removeprefix(prefix) for value in descriptor.values if value.number != 0)


def timestamp(name: str, value: Moment | None) -> Timestamp | None:
    """Write a point in time; raises BadArgument for a datetime without a zone."""
    if value is None or isinstance(value, Timestamp):
        return value
    written = Timestamp()
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadArgument(f"{name} has no time zone: use datetime(..., tzinfo=UTC)")
        written.FromDatetime(value.astimezone(UTC))
    else:
        written.FromNanoseconds(value)
    return written


def duration(seconds: float | None) -> Duration | None:
    """Write a span of time."""
    if seconds is None:
        return None
    written = Duration()
    written.FromNanoseconds(round(seconds * 1e9))
    return written


def stream_start(start: Start | None) -> streams_pb2.StreamStart:
    """Write where a stream begins; None is now."""
    match start:
        case streams_pb2.StreamStart():
            return start
        case None | "now" | "":
            return streams_pb2.StreamStart(from_now=True)
        case "snapshot":
            return streams_pb2.StreamStart(snapshot=True)
        case str():
            return streams_pb2.StreamStart(cursor=start)
        case _:
            return streams_pb2.StreamStart(since_time=timestamp("start", start))


def _member(name: str, descriptor: EnumDescriptor, prefix: str, value: str) -> str:
    """Find an enum's full name from the short one, the full one, or either in lower case."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a name such as {names_of(descriptor, prefix)[0]}")
    word = value.upper().replace("-", "_").removeprefix(prefix)
    known = names_of(descriptor, prefix)
    if word not in known:
        raise BadArgument(f"{name} must be one of {', '.join(known)}, not {value!r}")
    return prefix + word
