"""The limits that the record itself holds to, as caps of the commit that admits an order."""

from decimal import Decimal
from functools import lru_cache
from typing import Final

from brokergw.model.limits import EffectiveLimits, Limits, LimitSource
from brokergw.ports.journal import Cap, Measure, Subject

CAPPED: Final = {
    Measure.EXPOSURE: "exposure_max",
    Measure.POSITION: "position_notional_max",
    Measure.OPEN_ORDERS: "open_orders_max",
    Measure.DAY_ORDERS: "orders_per_day_max",
    Measure.MINUTE_ORDERS: "orders_per_minute_max",
    Measure.DAY_VOLUME: "daily_volume_max",
}
"""Which limit caps which measure."""

_NONE_AT_ALL: Final = tuple(
    Cap(measure=measure, subject=Subject.USER, limit=Decimal(0), source=LimitSource.PLATFORM) for measure in CAPPED
)


@lru_cache(maxsize=4_096)
def caps_of(limits: EffectiveLimits) -> tuple[Cap, ...]:
    """Give the caps of an order's user, and of its strategy where that has limits of its own.

    Limits with a fault cap everything at zero: then only what the record itself finds to reduce a position passes.
    """
    if limits.fault is not None:
        return _NONE_AT_ALL
    return (
        *_caps(limits.values, Subject.USER, limits.sources),
        *_caps(limits.strategy, Subject.STRATEGY, {}),
    )


def _caps(limits: Limits, subject: Subject, sources: dict[str, LimitSource]) -> list[Cap]:
    values = ((measure, name, getattr(limits, name)) for measure, name in CAPPED.items())
    return [
        Cap(measure=measure, subject=subject, limit=Decimal(value), source=sources.get(name, LimitSource.STRATEGY))
        for measure, name, value in values
        if value is not None
    ]
