"""New York's market days: holidays, early closes, the clock and the calendar.

Rules of the New York Stock Exchange for its holidays; the moments come from the exchange's own arithmetic.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from brokergw.exchange.sessions import at_new_york, new_york_date

new_york_day = new_york_date
at_minute = at_new_york
OPEN_MINUTE: Final = 9 * 60 + 30
CLOSE_MINUTE: Final = 16 * 60
EARLY_CLOSE_MINUTE: Final = 13 * 60
_MINUTE_NS: Final = 60_000_000_000
_SECOND_NS: Final = 1_000_000_000
_AUCTION_FROM_MINUTE: Final = 19 * 60
_SATURDAY, _SUNDAY = 5, 6


def local_text(time_ns: int) -> str:
    """Write a moment in New York's own time with its offset, to the second or with its fraction."""
    behind = _hours_behind(time_ns)
    local = datetime.fromtimestamp(time_ns // _SECOND_NS, UTC) - timedelta(hours=behind)
    fraction = f"{time_ns % _SECOND_NS:09d}".rstrip("0")
    return f"{local:%Y-%m-%dT%H:%M:%S}{'.' + fraction if fraction else ''}-{behind:02d}:00"


def local_stamp(time_ns: int) -> str:
    """Write a moment in New York's own time as digits, to the millisecond."""
    local = datetime.fromtimestamp(time_ns // _SECOND_NS, UTC) - timedelta(hours=_hours_behind(time_ns))
    return f"{local:%Y%m%d%H%M%S}{time_ns % _SECOND_NS // 1_000_000:03d}"


def takes_auction_orders(time_ns: int, until_minute: int) -> bool:
    """Tell whether orders for an auction are taken: from 19:00 until a minute before the auction's own."""
    local = datetime.fromtimestamp(time_ns // _SECOND_NS, UTC) - timedelta(hours=_hours_behind(time_ns))
    minute = local.hour * 60 + local.minute
    return minute >= _AUCTION_FROM_MINUTE or minute < until_minute


def open_ns(day: date) -> int:
    """Give the moment a session opens."""
    return at_new_york(day, OPEN_MINUTE)


def close_ns(day: date) -> int:
    """Give the moment a session closes."""
    return at_new_york(day, close_minute(day))


def close_minute(day: date) -> int:
    """Give the minute of the day at which a session closes."""
    return EARLY_CLOSE_MINUTE if day in _early_closes(day.year) else CLOSE_MINUTE


def is_trading_day(day: date) -> bool:
    """Tell whether there is a session."""
    return day.weekday() < _SATURDAY and day not in _holidays(day.year)


def trading_days(first: date, last: date) -> Iterator[date]:
    """Give the days with a session in a span, both ends included."""
    day = first
    while day <= last:
        if is_trading_day(day):
            yield day
        day += timedelta(days=1)


def next_trading_day(day: date) -> date:
    """Give the first day with a session after a day."""
    day += timedelta(days=1)
    while not is_trading_day(day):
        day += timedelta(days=1)
    return day


def next_open_ns(time_ns: int) -> int:
    """Give the moment of the next opening."""
    day = new_york_date(time_ns)
    return open_ns(day) if is_trading_day(day) and time_ns < open_ns(day) else open_ns(next_trading_day(day))


def next_close_ns(time_ns: int) -> int:
    """Give the moment of the next close."""
    day = new_york_date(time_ns)
    return close_ns(day) if is_trading_day(day) and time_ns < close_ns(day) else close_ns(next_trading_day(day))


def previous_close_ns(time_ns: int) -> int:
    """Give the moment of the latest close."""
    day = new_york_date(time_ns)
    while not is_trading_day(day) or close_ns(day) > time_ns:
        day -= timedelta(days=1)
    return close_ns(day)


def _hours_behind(time_ns: int) -> int:
    day = new_york_date(time_ns)
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * _SECOND_NS
    return (at_new_york(day, 0) - midnight) // (60 * _MINUTE_NS)


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    thanksgiving = _nth_weekday(year, 11, 3, 4)
    moving = {
        _nth_weekday(year, 1, 0, 3),
        _nth_weekday(year, 2, 0, 3),
        _easter(year) - timedelta(days=2),
        _last_monday(year, 5),
        _nth_weekday(year, 9, 0, 1),
        thanksgiving,
    }
    fixed = {_observed(date(year, 6, 19)), _observed(date(year, 7, 4)), _observed(date(year, 12, 25))}
    new_year = date(year, 1, 1)
    # A New Year's Day on a Saturday is not made up for on the Friday, which closes the books of the old year.
    if new_year.weekday() != _SATURDAY:
        fixed.add(_observed(new_year))
    return frozenset(moving | fixed)


@lru_cache(maxsize=64)
def _early_closes(year: int) -> frozenset[date]:
    days = (date(year, 7, 3), _nth_weekday(year, 11, 3, 4) + timedelta(days=1), date(year, 12, 24))
    return frozenset(day for day in days if is_trading_day(day))


def _observed(day: date) -> date:
    if day.weekday() == _SATURDAY:
        return day - timedelta(days=1)
    return day + timedelta(days=1) if day.weekday() == _SUNDAY else day


def _nth_weekday(year: int, month: int, weekday: int, count: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (count - 1))


def _last_monday(year: int, month: int) -> date:
    last = date(year, month + 1, 1) - timedelta(days=1)
    return last - timedelta(days=last.weekday())


def _easter(year: int) -> date:
    """Compute Easter Sunday by the Gregorian computus (Anonymous Gregorian algorithm)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leaps, century_rest = divmod(century, 4)
    shift = (century + 8) // 25
    moon = (century - shift + 1) // 3
    epact = (19 * golden + century - leaps - moon + 15) % 30
    quarter, quarter_rest = divmod(rest, 4)
    weekday = (32 + 2 * century_rest + 2 * quarter - epact - quarter_rest) % 7
    correction = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * correction + 114, 31)
    return date(year, month, day + 1)
