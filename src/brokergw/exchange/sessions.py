"""When the exchange trades: around the clock, or in the hours of New York's markets.

With `always_open` a session is one day of UTC, following the last one without a gap. Otherwise sessions run from 9:30
to 16:00 New York time from Monday to Friday, extended from 4:00 to 20:00; holidays are not kept. The offset of New
York is computed from the rule of 2007 (second Sunday of March to first Sunday of November), so no time zone files are
needed.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from brokergw.exchange.listings import Listing

_MINUTE_NS: Final = 60_000_000_000
_DAY_NS: Final = 86_400_000_000_000
_OPEN, _CLOSE = 9 * 60 + 30, 16 * 60
_EXTENDED_OPEN, _EXTENDED_CLOSE = 4 * 60, 20 * 60


class Sessions:
    """Answers when a listing trades and when its days begin and end."""

    def __init__(self, *, always_open: bool) -> None:
        self.always_open = always_open

    def trades(self, listing: Listing, time_ns: int, *, extended: bool) -> bool:
        """Tell whether an order of a listing can trade at a moment."""
        if self.always_open or listing.always_trades:
            return True
        first, last = (_EXTENDED_OPEN, _EXTENDED_CLOSE) if extended else (_OPEN, _CLOSE)
        day = new_york_date(time_ns)
        return day.weekday() < 5 and at_new_york(day, first) <= time_ns < at_new_york(day, last)

    def day_end(self, listing: Listing, time_ns: int, *, extended: bool) -> int:
        """Tell when a day order placed at a moment expires."""
        if self.always_open or listing.always_trades:
            return midnight_after(time_ns)
        return _next(time_ns, _EXTENDED_CLOSE if extended else _CLOSE)

    def opening_after(self, listing: Listing, time_ns: int) -> int:
        """Tell when the next opening auction is."""
        if self.always_open or listing.always_trades:
            return midnight_after(time_ns)
        return _next(time_ns, _OPEN)

    def closing_after(self, listing: Listing, time_ns: int) -> int:
        """Tell when the next closing auction is."""
        if self.always_open or listing.always_trades:
            return midnight_after(time_ns)
        return _next(time_ns, _CLOSE)


def new_york_date(time_ns: int) -> date:
    """Give the date in New York at a moment."""
    utc = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return (utc - timedelta(hours=_hours_behind(utc))).date()


def at_new_york(day: date, minute: int) -> int:
    """Give the moment of a minute of a New York day; not meant for the small hours in which clocks change."""
    behind = 4 if _summer(day) else 5
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) // 60
    return (midnight + behind * 60 + minute) * _MINUTE_NS


def _hours_behind(utc: datetime) -> int:
    start = datetime.combine(_nth_sunday(utc.year, 3, 2), datetime.min.time(), UTC) + timedelta(hours=7)
    end = datetime.combine(_nth_sunday(utc.year, 11, 1), datetime.min.time(), UTC) + timedelta(hours=6)
    return 4 if start <= utc < end else 5


def _summer(day: date) -> bool:
    return _nth_sunday(day.year, 3, 2) <= day < _nth_sunday(day.year, 11, 1)


def _nth_sunday(year: int, month: int, count: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (count - 1))


def midnight_after(time_ns: int) -> int:
    """Give the end of a day of UTC."""
    return (time_ns // _DAY_NS + 1) * _DAY_NS


def _next(time_ns: int, minute: int) -> int:
    day = new_york_date(time_ns)
    while day.weekday() >= 5 or at_new_york(day, minute) <= time_ns:
        day += timedelta(days=1)
    return at_new_york(day, minute)
