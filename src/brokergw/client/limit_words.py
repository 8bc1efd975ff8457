"""Limits and broker configurations in words: `name=value`, and back.

Numbers are written plainly, lists with commas (`none` is a list of nothing), `unset` takes a limit away. Trading hours
are windows such as `MON-FRI 09:30-16:00 America/New_York`, with `;` between several.
"""

from collections.abc import Sequence

from brokerapi.v1 import limits_pb2, trading_pb2

from brokergw.client.encode import BadArgument

_UNSET = "unset"
_NOTHING = "none"
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DECIMALS = frozenset(
    {
        "order_notional_max",
        "order_quantity_max",
        "position_notional_max",
        "exposure_max",
        "daily_volume_max",
        "daily_loss_max",
        "price_collar_percent",
    }
)
_COUNTS = frozenset({"orders_per_day_max", "orders_per_minute_max", "open_orders_max", "leverage_max"})
_CONFIG_TEXTS = frozenset({"fee_bps", "fee_per_contract", "paper_url", "live_url", "data_url"})


def assign_limits(limits: limits_pb2.Limits, assignments: Sequence[str]) -> None:
    """Change limits in place.

    Raises:
        BadArgument: a name that is no limit, or a value that is none of its kind.
    """
    for name, value in map(_split, assignments):
        _assign_limit(limits, name, value)


def assign_config(config: limits_pb2.BrokerConfig, assignments: Sequence[str]) -> None:
    """Change a broker's configuration in place; what is no part of it is one of its limits.

    Raises:
        BadArgument: as `assign_limits`.
    """
    for name, value in map(_split, assignments):
        if name == "enabled":
            config.enabled = _flag(name, value)
        elif name == "requests_per_minute":
            config.ClearField("requests_per_minute")
            if value != _UNSET:
                config.requests_per_minute = _count(name, value)
        elif name == "regions":
            config.ClearField("regions")
            if value != _UNSET:
                config.regions.SetInParent()
                config.regions.regions.extend(_list(value))
        elif name in _CONFIG_TEXTS:
            setattr(config, name, "" if value == _UNSET else value)
        else:
            _assign_limit(config.limits, name, value)


def window_words(window: limits_pb2.TradingHours) -> str:
    """Write a window of trading hours."""
    days = ",".join(_DAYS[day - 1] for day in sorted(window.days))
    return f"{days} {window.start}-{window.end} {window.zone}"


def _assign_limit(limits: limits_pb2.Limits, name: str, value: str) -> None:
    if name not in limits_pb2.Limits.DESCRIPTOR.fields_by_name:
        names = ", ".join(limits_pb2.Limits.DESCRIPTOR.fields_by_name)
        raise BadArgument(f"{name} is no limit; there are {names}")
    limits.ClearField(name)  # type: ignore[arg-type] # the descriptor has just been asked for it
    if value == _UNSET:
        return
    if name in _DECIMALS:
        setattr(limits, name, value)
    elif name in _COUNTS:
        setattr(limits, name, _count(name, value))
    elif name == "market_orders":
        limits.market_orders = _flag(name, value)
    elif name == "asset_classes":
        limits.asset_classes.SetInParent()
        limits.asset_classes.asset_classes.extend(_asset_class(each) for each in _list(value))
    elif name == "trading_hours":
        limits.trading_hours.SetInParent()
        limits.trading_hours.windows.extend(_window(each) for each in _list(value, ";"))
    else:
        symbols = limits.symbols_allowed if name == "symbols_allowed" else limits.symbols_restricted
        symbols.SetInParent()
        symbols.symbols.extend(_list(value))


def _split(assignment: str) -> tuple[str, str]:
    name, separator, value = assignment.partition("=")
    if not separator or not value:
        raise BadArgument(f"{assignment!r} is not NAME=VALUE; to take a limit away, give it the value {_UNSET}")
    return name.strip(), value.strip()


def _list(value: str, separator: str = ",") -> list[str]:
    return [] if value == _NOTHING else [each.strip() for each in value.split(separator) if each.strip()]


def _flag(name: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise BadArgument(f"{name} is true or false")
    return value == "true"


def _count(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise BadArgument(f"{name} is a whole number") from None


def _asset_class(word: str) -> trading_pb2.AssetClass.ValueType:
    try:
        return trading_pb2.AssetClass.Value(f"ASSET_CLASS_{word.upper()}")
    except ValueError:
        raise BadArgument(f"{word} is no class of assets") from None


def _window(words: str) -> limits_pb2.TradingHours:
    parts = words.split()
    hours = parts[1].split("-") if len(parts) == 3 else []
    if len(hours) != 2:
        raise BadArgument(f"{words!r} is no window such as MON-FRI 09:30-16:00 America/New_York")
    days = [limits_pb2.Weekday.ValueType(day + 1) for each in parts[0].split(",") for day in _days(each)]
    return limits_pb2.TradingHours(zone=parts[2], days=days, start=hours[0], end=hours[1])


def _days(words: str) -> Sequence[int]:
    first, _, last = words.upper().partition("-")
    if first not in _DAYS or (last and last not in _DAYS):
        raise BadArgument(f"{words} is no day; there are {', '.join(_DAYS)}")
    start, end = _DAYS.index(first), _DAYS.index(last or first)
    return [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]
