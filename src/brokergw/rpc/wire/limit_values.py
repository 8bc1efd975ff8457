"""Limits as messages, and back."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from brokerapi.v1 import limits_pb2 as pb

from brokergw.model.instrument import AssetClass
from brokergw.model.limits import AMOUNTS, COUNTS, Limits, TradingHours
from brokergw.model.money import format_decimal
from brokergw.rpc.wire.decimals import decimal_from
from brokergw.rpc.wire.found import Found, token_from
from brokergw.rpc.wire.trading import ASSET_CLASS_TO

_SYMBOLS_MAX: Final = 5_000
_WINDOWS_MAX: Final = 20
_MIDNIGHT: Final = 24 * 60
_TIME: Final = re.compile(r"(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)
_CLASS_FROM: Final = {number: asset for asset, number in ASSET_CLASS_TO.items()}


def limits_from_proto(limits: pb.Limits, field: str, found: Found) -> Limits:
    """Read limits; each number is at least 0."""
    values: dict[str, Any] = {}
    for name in (name for name in _READERS if limits.HasField(name)):
        values[name] = _READERS[name](getattr(limits, name), f"{field}.{name}", found)
    return Limits(**values)


def limits_to_proto(limits: Limits) -> pb.Limits:
    """Write limits; what is not set stays unset."""
    written = pb.Limits(market_orders=limits.market_orders)
    for name in AMOUNTS:
        value = getattr(limits, name)
        if value is not None:
            setattr(written, name, format_decimal(value))
    for name in COUNTS:
        value = getattr(limits, name)
        if value is not None:
            setattr(written, name, value)
    if limits.asset_classes is not None:
        classes = [ASSET_CLASS_TO[each] for each in sorted(limits.asset_classes)]
        written.asset_classes.CopyFrom(pb.AssetClassList(asset_classes=classes))
    if limits.symbols_allowed is not None:
        written.symbols_allowed.CopyFrom(pb.SymbolList(symbols=sorted(limits.symbols_allowed)))
    if limits.symbols_restricted is not None:
        written.symbols_restricted.CopyFrom(pb.SymbolList(symbols=sorted(limits.symbols_restricted)))
    if limits.trading_hours is not None:
        windows = [_window_to_proto(each) for each in limits.trading_hours]
        written.trading_hours.CopyFrom(pb.TradingHoursList(windows=windows))
    return written


def amount_from(text: str, field: str, found: Found) -> Decimal | None:
    """Read a decimal of at least 0."""
    value = decimal_from(text, field, found)
    if value is not None and value < 0:
        found.add(field, "must be at least 0")
    return value


def _classes(listed: pb.AssetClassList, field: str, found: Found) -> frozenset[AssetClass]:
    unknown = [number for number in listed.asset_classes if number not in _CLASS_FROM]
    if unknown:
        found.add(field, f"has the unknown value {unknown[0]}")
    return frozenset(_CLASS_FROM[number] for number in listed.asset_classes if number in _CLASS_FROM)


def _symbols(listed: pb.SymbolList, field: str, found: Found) -> frozenset[str]:
    if len(listed.symbols) > _SYMBOLS_MAX:
        found.add(field, f"must be at most {_SYMBOLS_MAX}")
    for index, symbol in enumerate(listed.symbols[:_SYMBOLS_MAX]):
        token_from(symbol, f"{field}[{index}]", found)
    return frozenset(listed.symbols)


def _schedule(listed: pb.TradingHoursList, field: str, found: Found) -> tuple[TradingHours, ...]:
    if len(listed.windows) > _WINDOWS_MAX:
        found.add(field, f"must be at most {_WINDOWS_MAX} windows")
    return tuple(
        _window(window, f"{field}.windows[{index}]", found)
        for index, window in enumerate(listed.windows[:_WINDOWS_MAX])
    )


def _window(window: pb.TradingHours, field: str, found: Found) -> TradingHours:
    if not _is_zone(window.zone):
        found.add(f"{field}.zone", "must be an IANA time zone such as America/New_York")
    days = frozenset(day - 1 for day in window.days)
    if not days or not days <= frozenset(range(7)):
        found.add(f"{field}.days", "must be one or more weekdays")
    start, end = _minutes(window.start, f"{field}.start", found), _minutes(window.end, f"{field}.end", found)
    if start in {end, _MIDNIGHT}:
        found.add(f"{field}.end", "must differ from the start, which lies before 24:00")
    return TradingHours(zone=window.zone, days=days, start_minute=start, end_minute=end)


def _window_to_proto(hours: TradingHours) -> pb.TradingHours:
    return pb.TradingHours(
        zone=hours.zone,
        days=[pb.Weekday.ValueType(day + 1) for day in sorted(hours.days)],
        start=_clock_text(hours.start_minute),
        end=_clock_text(hours.end_minute),
    )


def _minutes(text: str, field: str, found: Found) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        found.add(field, "must be a time of day such as 09:30")
        return 0
    return _MIDNIGHT if match[1] is None else int(match[1]) * 60 + int(match[2])


def _clock_text(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _count(number: int, field: str, found: Found) -> int:
    if number < 0:
        found.add(field, "must be at least 0")
    return number


def _flag(value: bool, _field: str, _found: Found) -> bool:  # noqa: FBT001 - one of the readers
    return value


_READERS: Final[dict[Any, Callable[[Any, str, Found], object]]] = {
    **dict.fromkeys(AMOUNTS, amount_from),
    **dict.fromkeys(COUNTS, _count),
    "market_orders": _flag,
    "asset_classes": _classes,
    "symbols_allowed": _symbols,
    "symbols_restricted": _symbols,
    "trading_hours": _schedule,
}
