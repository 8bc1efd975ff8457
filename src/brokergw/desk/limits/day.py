"""The trading day: which day's counts an order belongs to."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_NS: Final = 1_000_000_000
_NOON: Final = 12 * 60
_ONE_DAY: Final = timedelta(days=1)


class TradingDays:
    """Days of one zone that begin `start_minute` minutes after midnight by its clocks, weekends included.

    A start from noon on belongs to the next day, as markets have it that open in the evening: with 17:00 the hours
    after five on Monday are Tuesday's. Raises ZoneInfoNotFoundError for an unknown zone.
    """

    def __init__(self, zone: str = "America/New_York", start_minute: int = 0) -> None:
        self._zone = ZoneInfo(zone)
        self._start_minute = start_minute
        self._evening = start_minute >= _NOON
        self._known = ("", 0, 0)

    def of(self, time_ns: int) -> str:
        """Give the trading day of a moment as an ISO date."""
        name, begins, ends = self._known
        if begins <= time_ns < ends:
            return name
        day = datetime.fromtimestamp(time_ns // _NS, tz=UTC).astimezone(self._zone).date()
        if self._evening:
            day += _ONE_DAY
        if time_ns < self._start_ns(day):
            day -= _ONE_DAY
        self._known = (day.isoformat(), self._start_ns(day), self._start_ns(day + _ONE_DAY))
        return self._known[0]

    def start_ns(self, day: str) -> int:
        """Give the moment at which a trading day begins, by that day's own clocks."""
        return self._start_ns(date.fromisoformat(day))

    def next(self, day: str) -> str:
        """Give the day after a trading day."""
        return (date.fromisoformat(day) + _ONE_DAY).isoformat()

    def _start_ns(self, day: date) -> int:
        if self._evening:
            day -= _ONE_DAY
        hour, minute = divmod(self._start_minute, 60)
        begins = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone)
        return round(begins.astimezone(UTC).timestamp()) * _NS


def minutes_of(text: str) -> int:
    """Read `HH:MM` as minutes after midnight; raises ValueError."""
    hours, separator, minutes = text.partition(":")
    digits = separator and len(hours) == len(minutes) == 2 and (hours + minutes).isdecimal() and text.isascii()
    if not digits or int(hours) > 23 or int(minutes) > 59:
        raise ValueError(f"{text!r} is not a time of day such as 17:00")
    return int(hours) * 60 + int(minutes)
