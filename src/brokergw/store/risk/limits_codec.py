"""Limits as JSON text, and back with distrust: what cannot be a limit is named, never guessed at."""

import json
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from brokergw.model.instrument import AssetClass
from brokergw.model.limits import AMOUNTS, COUNTS, Limits, TradingHours
from brokergw.model.money import format_decimal, parse_decimal

_MINUTES_MAX: Final = 24 * 60


class Unreadable(ValueError):
    """A stored text is no limit; the message names the field and what is wrong with it."""


def limits_to_text(limits: Limits) -> str:
    """Write every limit that is set, by name; sorted, so that equal limits are equal texts."""
    values = {each.name: getattr(limits, each.name) for each in fields(limits)}
    return json.dumps({name: _plain(value) for name, value in values.items() if value is not None}, sort_keys=True)


@lru_cache(maxsize=50_000)
def limits_from_text(text: str) -> Limits:
    """Read limits; raises Unreadable for anything negative, not finite, unknown or of another kind."""
    try:
        stored = json.loads(text)
    except ValueError:
        raise Unreadable("the limits are no JSON") from None
    if not isinstance(stored, dict):
        raise Unreadable("the limits are no JSON object")
    return Limits(**{name: _read(name, value) for name, value in stored.items()})


def decimal_from_text(name: str, value: object) -> Decimal:
    """Read a plain decimal of at least zero; raises Unreadable."""
    try:
        number = parse_decimal(value) if isinstance(value, str) else None
    except ValueError:
        number = None
    if number is None or number < 0:
        raise Unreadable(f"{name} is {_shown(value)}, no plain decimal of at least zero")
    return number


def count_from(name: str, value: object) -> int:
    """Check a whole number of at least zero; raises Unreadable."""
    if type(value) is not int or value < 0:
        raise Unreadable(f"{name} is {_shown(value)}, no whole number of at least zero")
    return value


def texts_from(name: str, value: object) -> frozenset[str]:
    """Check a list of texts; raises Unreadable."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Unreadable(f"{name} is {_shown(value)}, no list of texts")
    return frozenset(value)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [
            {"zone": each.zone, "days": sorted(each.days), "start": each.start_minute, "end": each.end_minute}
            for each in value
        ]
    return value


def _read(name: str, value: object) -> Any:
    read = _READERS.get(name)
    if read is None:
        raise Unreadable(f"{_shown(name)} is no limit that this version knows")
    return read(name, value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is {_shown(value)}, neither true nor false")
    return value


def _classes(name: str, value: object) -> frozenset[AssetClass]:
    texts = texts_from(name, value)
    unknown = texts - {each.value for each in AssetClass}
    if unknown:
        raise Unreadable(f"{name} has {_shown(min(unknown))}, no class of assets")
    return frozenset(map(AssetClass, texts))


def _schedule(name: str, value: object) -> tuple[TradingHours, ...]:
    if not isinstance(value, list):
        raise Unreadable(f"{name} is {_shown(value)}, no list of windows")
    return tuple(_window(name, each) for each in value)


def _window(name: str, value: object) -> TradingHours:
    match value:
        case {"zone": str(zone), "days": list(days), "start": int(start), "end": int(end)} if (
            _is_zone(zone)
            and all(type(day) is int and 0 <= day <= 6 for day in days)
            and 0 <= start < _MINUTES_MAX
            and 0 <= end <= _MINUTES_MAX
        ):
            return TradingHours(zone=zone, days=frozenset(days), start_minute=start, end_minute=end)
    raise Unreadable(f"{name} has {_shown(value)}, no weekly window")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _shown(value: object) -> str:
    return repr(value)[:80]


_READERS: Final[dict[str, Callable[[str, Any], object]]] = {
    **dict.fromkeys(AMOUNTS, decimal_from_text),
    **dict.fromkeys(COUNTS, count_from),
    "market_orders": _flag,
    "asset_classes": _classes,
    "symbols_allowed": texts_from,
    "symbols_restricted": texts_from,
    "trading_hours": _schedule,
}
