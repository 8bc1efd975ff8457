"""Two sets of limits beside each other: which are looser, and which differ."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final

from brokergw.model.broker_config import BrokerConfig
from brokergw.model.limits import NUMBERS, EffectiveLimits, Limits, LimitSource, TradingHours
from brokergw.model.money import format_decimal

_LISTS: Final = ("asset_classes", "symbols_allowed")
_DAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_PLAIN: Final = ("enabled", "fee_bps", "fee_per_contract", "requests_per_minute", "regions")
_ADDRESSES: Final = ("paper_url", "live_url", "data_url")


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that is looser than a wider scope's."""

    field: str
    asked: str
    bound: str
    source: LimitSource


def excesses(asked: Limits, bound: EffectiveLimits) -> Iterator[Excess]:
    """Name every limit that is set looser than what binds it; hours and restrictions only ever add to it."""
    for name in (*NUMBERS, *_LISTS, "market_orders"):
        value, most = getattr(asked, name), getattr(bound.values, name)
        if value is not None and most is not None and _exceeds(value, most):
            yield Excess(name, shown(value), shown(most), bound.sources[name])


def loosened(before: Limits, after: Limits) -> list[str]:
    """Name every limit that lets more through than before; a schedule that differs counts as one that does."""
    return [each.name for each in fields(before) if _looser(each.name, before, after)]


def differences(before: Limits, after: Limits) -> list[str]:
    """Say in words what changes, limit by limit."""
    pairs = ((each.name, getattr(before, each.name), getattr(after, each.name)) for each in fields(before))
    return [f"{name}: {shown(old)} -> {shown(new)}" for name, old, new in pairs if old != new]


def opens(before: BrokerConfig, after: BrokerConfig) -> bool:
    """Tell whether a configuration lets more through than before, or sends keys and orders elsewhere."""
    enabled = after.enabled and not before.enabled
    regions = before.regions is not None and (after.regions is None or not after.regions <= before.regions)
    moved = any(getattr(before, name) != getattr(after, name) for name in _ADDRESSES)
    return enabled or regions or moved or bool(loosened(before.limits, after.limits))


def config_differences(before: BrokerConfig, after: BrokerConfig) -> list[str]:
    """Say in words what changes in a broker's configuration."""
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in (*_PLAIN, *_ADDRESSES))
    changed = [f"{name}: {shown(old)} -> {shown(new)}" for name, old, new in pairs if old != new]
    return [*changed, *differences(before.limits, after.limits)]


def shown(value: Any) -> str:
    """Write a limit's value: a plain number, true or false, a list with commas, or windows; `unset` for None."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value or "unset"
    if isinstance(value, Decimal | int):
        return format_decimal(Decimal(value))
    if isinstance(value, frozenset):
        return ",".join(sorted(value)) or "none"
    return "; ".join(map(_window, value)) or "never"


def _window(hours: TradingHours) -> str:
    days = ",".join(_DAYS[day] for day in sorted(hours.days))
    start, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (hours.start_minute, hours.end_minute))
    return f"{days} {start}-{end} {hours.zone}"


def _looser(name: str, before: Limits, after: Limits) -> bool:
    old, new = getattr(before, name), getattr(after, name)
    if old is None or old == new:
        return False
    if name == "symbols_restricted":
        return new is None or not old <= new
    if name == "trading_hours":
        return True
    return _exceeds(new, old) if new is not None else old is not True


def _exceeds(value: Any, most: Any) -> bool:
    """Tell whether a limit allows what another does not."""
    return not value <= most
