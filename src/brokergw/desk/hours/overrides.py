"""What an operator knows of markets' hours that no table does: closures, other hours of a day, maintenance.

The file is TOML. Its calendars are those of the house, for brokers that tell their hours too:

    [XNYS]
    closed = [2027-01-20]

    [[XNYS.day]]
    date = 2027-01-21
    regular = ["09:30-12:00"]

    [[maintenance]]
    broker = "alpaca"
    asset_classes = ["CRYPTO"]                # all of the broker's, where it is left out
    from = 2027-01-22T02:00:00Z
    until = 2027-01-22T03:00:00Z

    [[maintenance]]                           # every week
    broker = "alpaca"
    weekdays = [5]
    zone = "UTC"
    time = "09:00-11:00"
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from brokergw.desk.hours.calendars import Calendar, Hours, house_calendars, minute_of, read_hours
from brokergw.model.instrument import AssetClass
from brokergw.model.sessions import MarketDay, local_ns, local_time

_SECOND_NS: Final = 1_000_000_000
_WHOLE_WEEK: Final = 7

Stretches: TypeAlias = Callable[[int, int], Iterator[tuple[int, int]]]
"""Gives the stretches of time that touch the one between two moments."""


class OverridesInvalid(ValueError):
    """The file says something that it cannot mean; the message names what."""


@dataclass(frozen=True, slots=True)
class DayOverrides:
    """The days of one calendar that are not as its table has them, or its brokers."""

    closed: frozenset[date] = frozenset()
    hours: Mapping[date, Hours] = field(default_factory=dict)

    def has(self, day: date) -> bool:
        """Tell whether anything is said of a day."""
        return day in self.closed or day in self.hours


@dataclass(frozen=True, slots=True)
class Maintenance:
    """When a broker does not work; no asset class means all of them."""

    broker: str
    asset_classes: frozenset[AssetClass]
    between: Stretches


@dataclass(frozen=True, slots=True)
class Overrides:
    """What an operator says; it wins over tables and brokers."""

    days: Mapping[str, DayOverrides] = field(default_factory=dict)
    maintenance: tuple[Maintenance, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a file; raises OverridesInvalid."""
        try:
            tables = tomllib.loads(text)
            maintenance = tuple(_maintenance(table) for table in tables.pop("maintenance", []))
            return cls({name: _days(name, table) for name, table in tables.items()}, maintenance)
        except KeyError as error:
            raise OverridesInvalid(f"{error.args[0]!r} is missing") from error
        except (ValueError, TypeError, AttributeError, ZoneInfoNotFoundError) as error:
            raise OverridesInvalid(str(error)) from error

    def of(self, calendar: str) -> DayOverrides:
        """Give what is said of a calendar."""
        return self.days.get(calendar, _NOTHING)

    def applied(self, name: str, calendar: Calendar, days: Iterable[MarketDay]) -> Iterator[MarketDay]:
        """Give a calendar's days as the operator has them; a day that is not among them may be added."""
        said = self.of(name)
        found = {day.date: day for day in days}
        first, last = min(found, default=None), max(found, default=None)
        for day in found.keys() | set(said.hours):
            if first is None or last is None or not first <= day <= last:
                continue
            if day in said.closed:
                yield MarketDay(day, ())
            elif day in said.hours:
                yield calendar.day_of(day, said.hours[day])
            else:
                yield found[day]

    def pauses(self, broker: str, asset_class: AssetClass, from_ns: int, until_ns: int) -> tuple[tuple[int, int], ...]:
        """Give the broker's maintenance that touches a stretch of time."""
        found = (
            each.between(from_ns, until_ns)
            for each in self.maintenance
            if each.broker == broker and (not each.asset_classes or asset_class in each.asset_classes)
        )
        return tuple(sorted(stretch for stretches in found for stretch in stretches))


_NOTHING: Final = DayOverrides()


def _days(name: str, table: Any) -> DayOverrides:
    if name not in house_calendars():
        raise ValueError(f"{name!r} is no calendar; known are {', '.join(house_calendars())} and maintenance")
    _only(name, table, {"closed", "day"})
    hours: dict[date, Hours] = {}
    for row in table.get("day", []):
        sessions = {key: value for key, value in row.items() if key != "date"}
        hours[_date(row["date"])] = read_hours(sessions)
    return DayOverrides(frozenset(map(_date, table.get("closed", []))), hours)


def _maintenance(table: Any) -> Maintenance:
    _only("maintenance", table, {"broker", "asset_classes", "from", "until", "weekdays", "zone", "time", "reason"})
    classes = frozenset(AssetClass(name) for name in table.get("asset_classes", []))
    between = _weekly(table) if "weekdays" in table else _once(table)
    return Maintenance(str(table["broker"]), classes, between)


def _once(table: Any) -> Stretches:
    start_ns, end_ns = _moment(table["from"]), _moment(table["until"])
    if start_ns >= end_ns:
        raise ValueError("maintenance ends before it begins")

    def between(from_ns: int, until_ns: int) -> Iterator[tuple[int, int]]:
        if start_ns < until_ns and end_ns > from_ns:
            yield start_ns, end_ns

    return between


def _weekly(table: Any) -> Stretches:
    zone, weekdays = ZoneInfo(table["zone"]), frozenset(table["weekdays"])
    if not weekdays <= set(range(_WHOLE_WEEK)):
        raise ValueError("weekdays are numbers from 0, which is Monday, to 6")
    start, end = map(minute_of, str(table["time"]).split("-"))
    if start >= end:
        raise ValueError("maintenance ends before it begins; `<` before a time means the day before")

    def between(from_ns: int, until_ns: int) -> Iterator[tuple[int, int]]:
        day, last = local_time(zone, from_ns)[0] - timedelta(days=1), local_time(zone, until_ns)[0] + timedelta(days=1)
        while day <= last:
            stretch = local_ns(zone, day, start), local_ns(zone, day, end)
            if day.weekday() in weekdays and stretch[0] < until_ns and stretch[1] > from_ns:
                yield stretch
            day += timedelta(days=1)

    return between


def _only(name: str, table: Any, known: set[str]) -> None:
    unknown = set(table) - known
    if unknown:
        raise ValueError(f"{name} has no {min(unknown)!r}; known are {', '.join(sorted(known))}")


def _date(value: Any) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"{value!r} is not a date such as 2027-01-20")  # noqa: TRY004 - a bad value of a file
    return value


def _moment(value: Any) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"{value!r} is not a moment with its offset such as 2027-01-22T02:00:00Z")
    return round(value.astimezone(UTC).timestamp()) * _SECOND_NS
