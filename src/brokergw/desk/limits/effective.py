"""What the limits of all scopes come to: the strictest of those that are set.

Nothing here looks at who set a limit, but to name it: whatever stands in a narrower scope, a wider one holds beside it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from brokergw.model.limits import COUNTED, NUMBERS, EffectiveLimits, Limits, LimitSource, TradingHours

Layers = Sequence[tuple[LimitSource, Limits]]
"""Limits of scopes, the widest first; a source may come more than once."""

_ALLOWED: Final = ("asset_classes", "symbols_allowed")
_NOTHING: Final = dict.fromkeys(COUNTED)


def effective(layers: Layers, version: int = 0) -> EffectiveLimits:
    """Put layers together: the least number, what every allow-list has, what any restriction names, AND of permissions.

    Of equal limits the widest scope's is named. Zero means zero, and a list without entries allows nothing.
    """
    # What is counted for a strategy alone is no limit of all that its user does.
    shared = [
        (source, replace(limits, **_NOTHING) if source is LimitSource.STRATEGY else limits) for source, limits in layers
    ]
    values: dict[str, Any] = {}
    sources: dict[str, LimitSource] = {}
    for name in NUMBERS:
        _least(name, shared, values, sources)
    for name in _ALLOWED:
        _common(name, shared, values, sources)
    _joined("symbols_restricted", shared, values, sources)
    _every("market_orders", shared, values, sources)
    hours = tuple(limits.trading_hours for _, limits in shared if limits.trading_hours is not None)
    return EffectiveLimits(
        values=Limits(**values, trading_hours=_bounding(hours, shared, sources)),
        sources=sources,
        hours=hours,
        strategy=_own_counts(layers),
        version=version,
    )


def _set(name: str, layers: Layers) -> Iterable[tuple[LimitSource, Any]]:
    return ((source, value) for source, limits in layers if (value := getattr(limits, name)) is not None)


def _least(name: str, layers: Layers, values: dict[str, Any], sources: dict[str, LimitSource]) -> None:
    for source, value in _set(name, layers):
        if name not in values or value < values[name]:
            values[name], sources[name] = value, source


def _common(name: str, layers: Layers, values: dict[str, Any], sources: dict[str, LimitSource]) -> None:
    for source, value in _set(name, layers):
        common = value if name not in values else values[name] & value
        if name not in values or common != values[name]:
            values[name], sources[name] = common, source


def _joined(name: str, layers: Layers, values: dict[str, Any], sources: dict[str, LimitSource]) -> None:
    for source, value in _set(name, layers):
        sources.setdefault(name, source)
        values[name] = values.get(name, frozenset()) | value


def _every(name: str, layers: Layers, values: dict[str, Any], sources: dict[str, LimitSource]) -> None:
    for source, value in _set(name, layers):
        if name not in values or (values[name] and not value):
            values[name], sources[name] = value, source


def _bounding(
    hours: tuple[tuple[TradingHours, ...], ...], layers: Layers, sources: dict[str, LimitSource]
) -> tuple[TradingHours, ...] | None:
    """Name the narrowest schedule; all of them hold, and `EffectiveLimits.hours` has them."""
    if not hours:
        return None
    sources["trading_hours"] = [source for source, _ in _set("trading_hours", layers)][-1]
    return hours[-1]


def _own_counts(layers: Layers) -> Limits:
    own: dict[str, Decimal | int] = {}
    for source, limits in layers:
        if source is LimitSource.STRATEGY:
            for name in COUNTED:
                value = getattr(limits, name)
                if value is not None:
                    own[name] = min(value, own.get(name, value))
    return Limits(**own)  # type: ignore[arg-type]
