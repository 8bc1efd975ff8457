"""The hours in which somebody wants orders to come: weekly windows by the clocks of a zone."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from brokergw.model.limits import TradingHours
from brokergw.model.sessions import local_ns

_DAY_NS: Final = 86_400_000_000_000
_SECOND_NS: Final = 1_000_000_000
_MINUTES: Final = 24 * 60
_ONE_DAY: Final = timedelta(days=1)


def within(schedule: tuple[TradingHours, ...], time_ns: int) -> bool:
    """Tell whether a moment lies in one of a schedule's windows."""
    return any(start <= time_ns < end for start, end in _spans(schedule, time_ns // _DAY_NS))


@lru_cache(maxsize=4096)
def _spans(schedule: tuple[TradingHours, ...], utc_day: int) -> tuple[tuple[int, int], ...]:
    """Find the windows that touch a day of UTC, as instants."""
    start_ns, end_ns = utc_day * _DAY_NS, (utc_day + 1) * _DAY_NS
    today = datetime.fromtimestamp(start_ns // _SECOND_NS, UTC).date()
    days = [today + count * _ONE_DAY for count in (-2, -1, 0, 1)]
    found = (_span(window, day) for window in schedule for day in days if day.weekday() in window.days)
    return tuple((start, end) for start, end in found if start < end_ns and end > start_ns)


def _span(window: TradingHours, day: date) -> tuple[int, int]:
    zone = ZoneInfo(window.zone)
    over_midnight = _MINUTES if window.end_minute < window.start_minute else 0
    return local_ns(zone, day, window.start_minute), local_ns(zone, day, window.end_minute + over_midnight)
