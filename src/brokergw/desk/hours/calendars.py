"""House calendars: a market's days by a committed table, for brokers that do not tell their hours."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final, Self, TypeAlias
from zoneinfo import ZoneInfo

from brokergw.model.sessions import MarketDay, SessionKind, Span, local_ns

ALWAYS: Final = "ALWAYS"
"""The calendar of what trades around the clock; it has no table."""

_MINUTES: Final = 24 * 60
_KINDS: Final = {
    "pre": SessionKind.PRE,
    "regular": SessionKind.REGULAR,
    "post": SessionKind.POST,
    "overnight": SessionKind.OVERNIGHT,
}

Hours: TypeAlias = tuple[tuple[SessionKind, int, int], ...]
"""The sessions of a day as minutes by the market's clocks; what lies in the day before is negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """One market's table: the hours of its weekdays, the days on which they differ, and from when to when it knows."""

    zone: ZoneInfo
    first: date
    last: date
    weekdays: frozenset[int]
    hours: Hours
    closed: frozenset[date]
    short: Mapping[date, Hours]

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Self:
        """Read one market's table; raises ValueError, KeyError or TypeError for what it must not be."""
        short = {day: read_hours(part["sessions"]) for part in table.get("short", ()) for day in part["days"]}
        return cls(
            zone=ZoneInfo(table["zone"]),
            first=table["first"],
            last=table["last"],
            weekdays=frozenset(table["weekdays"]),
            hours=read_hours(table["sessions"]),
            closed=frozenset(table["closed"]),
            short=short,
        )

    def day(self, day: date) -> MarketDay | None:
        """Give one day; None where the table does not reach."""
        if not self.first <= day <= self.last:
            return None
        if day in self.closed or day.weekday() not in self.weekdays:
            return MarketDay(day, ())
        return self.day_of(day, self.short.get(day, self.hours))

    def day_of(self, day: date, hours: Hours) -> MarketDay:
        """Put hours on a day."""
        spans = (
            Span(kind, local_ns(self.zone, day, start), local_ns(self.zone, day, end)) for kind, start, end in hours
        )
        return MarketDay(day, tuple(span for span in spans if span.start_ns < span.end_ns))

    def days(self, first: date, last: date) -> Iterator[MarketDay]:
        """Give the days of a stretch that the table reaches, both ends included."""
        day = first
        while day <= last:
            known = self.day(day)
            if known is not None:
                yield known
            day += timedelta(days=1)


@cache
def house_calendars() -> Mapping[str, Calendar]:
    """Read the committed table."""
    text = files(__package__).joinpath("calendars.toml").read_text("utf-8")
    return {name: Calendar.read(table) for name, table in tomllib.loads(text).items()}


def read_hours(sessions: Mapping[str, Any]) -> Hours:
    """Read the sessions of a day, such as `{regular = ["09:30-16:00"]}`; raises ValueError."""
    found: list[tuple[SessionKind, int, int]] = []
    for name, stretches in sessions.items():
        if name not in _KINDS:
            raise ValueError(f"{name!r} is no kind of session; known are {', '.join(_KINDS)}")
        if not isinstance(stretches, list):
            raise ValueError(f'the sessions of {name!r} are not a list such as ["09:30-16:00"]')  # noqa: TRY004 - a bad value
        found += [(_KINDS[name], *_stretch(str(each))) for each in stretches]
    found.sort(key=lambda each: each[1])
    if any(earlier[2] > later[1] for earlier, later in pairwise(found)):
        raise ValueError("sessions overlap")
    return tuple(found)


def _stretch(text: str) -> tuple[int, int]:
    start, separator, end = text.partition("-")
    if not separator:
        raise ValueError(f"{text!r} is not a stretch of time such as 09:30-16:00")
    span = minute_of(start), minute_of(end)
    if span[0] >= span[1]:
        raise ValueError(f"{text!r} ends before it begins; `<` before a time means the day before")
    return span


def minute_of(text: str) -> int:
    """Read `HH:MM`, 24:00 included, as minutes of the day; `<` before it means the day before. Raises ValueError."""
    before = text.startswith("<")
    hours, separator, minutes = text.removeprefix("<").partition(":")
    digits = separator and len(hours) == len(minutes) == 2 and (hours + minutes).isdecimal() and text.isascii()
    minute = int(hours) * 60 + int(minutes) if digits else -1
    if not 0 <= minute <= _MINUTES or int(minutes) > 59:
        raise ValueError(f"{text!r} is not a time of day such as 09:30")
    return minute - _MINUTES if before else minute
