"""The house's calendars against a table made by others, and against days that everybody remembers."""

import warnings
from datetime import UTC, date, datetime, timedelta

import exchange_calendars
import pytest

from brokergw.desk.hours.calendars import house_calendars, minute_of, read_hours
from brokergw.model.sessions import MarketDay, SessionKind, Span

_FIRST, _LAST = date(2024, 1, 1), date(2032, 12, 31)
_MOURNING = date(2025, 1, 9)
_NS = 1_000_000_000


def regular(day: MarketDay | None) -> Span | None:
    assert day is not None
    return next((span for span in day.spans if span.kind is SessionKind.REGULAR), None)


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * _NS


def text_of(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // _NS, UTC).isoformat()


def judged(name: str) -> dict[date, tuple[int, int]]:
    """Give each session's open and close as the other table has them."""
    with warnings.catch_warnings():
        # The other table meets a newer pandas than it was written for.
        warnings.simplefilter("ignore", DeprecationWarning)
        schedule = exchange_calendars.get_calendar(name, start=str(_FIRST), end=str(_LAST)).schedule
    return {
        day.date(): (opens.value, closes.value)
        for day, opens, closes in zip(schedule.index, schedule["open"], schedule["close"], strict=True)
    }


@pytest.mark.parametrize("name", ["XNYS", "XLON", "XETR"])
def test_every_session_of_nine_years_opens_and_closes_as_another_table_has_it(name: str) -> None:
    """No holiday, no early close and no change of clocks differs between 2024 and 2032."""
    calendar = house_calendars()[name]
    ours = {day.date: regular(day) for day in calendar.days(_FIRST, _LAST)}
    assert {day: (span.start_ns, span.end_ns) for day, span in ours.items() if span is not None} == judged(name)


def test_the_futures_week_has_the_holidays_of_another_table() -> None:
    """Closures and early days agree, but for two things that the other table has otherwise.

    It closes Globex on 2025-01-09, when it traded until the morning, and does not know the noon close of Juneteenth.
    """
    calendar = house_calendars()["CME"]
    ours = {day.date: regular(day) for day in calendar.days(_FIRST, _LAST)}
    theirs = judged("CMES")
    assert {day for day, span in ours.items() if span is not None} - set(theirs) == {_MOURNING}
    short = {day for day, span in ours.items() if span is not None and (span.end_ns - span.start_ns) < 20 * 3600 * _NS}
    their_short = {day for day, (opens, closes) in theirs.items() if closes - opens < 20 * 3600 * _NS}
    assert their_short <= short
    assert all((day.month, day.day) in {(6, 18), (6, 19)} for day in short - their_short)


@pytest.mark.parametrize(
    ("name", "day", "opens", "closes"),
    [
        ("XNYS", date(2026, 3, 6), "2026-03-06T14:30+00:00", "2026-03-06T21:00+00:00"),
        ("XNYS", date(2026, 3, 9), "2026-03-09T13:30+00:00", "2026-03-09T20:00+00:00"),
        ("XNYS", date(2026, 10, 30), "2026-10-30T13:30+00:00", "2026-10-30T20:00+00:00"),
        ("XNYS", date(2026, 11, 2), "2026-11-02T14:30+00:00", "2026-11-02T21:00+00:00"),
        ("XNYS", date(2026, 11, 27), "2026-11-27T14:30+00:00", "2026-11-27T18:00+00:00"),
        ("XNYS", date(2026, 12, 24), "2026-12-24T14:30+00:00", "2026-12-24T18:00+00:00"),
        ("XLON", date(2026, 3, 27), "2026-03-27T08:00+00:00", "2026-03-27T16:30+00:00"),
        ("XLON", date(2026, 3, 30), "2026-03-30T07:00+00:00", "2026-03-30T15:30+00:00"),
        ("XETR", date(2026, 10, 23), "2026-10-23T07:00+00:00", "2026-10-23T15:30+00:00"),
        ("XETR", date(2026, 10, 26), "2026-10-26T08:00+00:00", "2026-10-26T16:30+00:00"),
        # The foreign exchange week in which New York's clocks change: it has 24 hours a day by those clocks.
        ("FX", date(2026, 3, 6), "2026-03-05T22:00+00:00", "2026-03-06T22:00+00:00"),
        ("FX", date(2026, 3, 9), "2026-03-08T21:00+00:00", "2026-03-09T21:00+00:00"),
        ("CME", date(2026, 11, 2), "2026-11-01T23:00+00:00", "2026-11-02T22:00+00:00"),
    ],
)
def test_sessions_keep_the_clocks_of_their_market(name: str, day: date, opens: str, closes: str) -> None:
    """The same local times are other instants when clocks have changed, at each market's own date."""
    span = regular(house_calendars()[name].day(day))
    assert span is not None
    assert (text_of(span.start_ns), text_of(span.end_ns)) == (
        text_of(moment(opens)),
        text_of(moment(closes)),
    )


@pytest.mark.parametrize("day", [_MOURNING, date(2026, 7, 3), date(2026, 11, 26), date(2027, 1, 1), date(2026, 11, 21)])
def test_new_york_is_closed_on_its_days_off(day: date) -> None:
    """Holidays, a day of mourning, and a Saturday."""
    assert house_calendars()["XNYS"].day(day) == MarketDay(day, ())


def test_extended_hours_end_early_with_the_day() -> None:
    """After a close at one, trading goes on until five."""
    day = house_calendars()["XNYS"].day(date(2026, 11, 27))
    assert day is not None
    assert [(s.kind, text_of(s.end_ns)) for s in day.spans] == [
        (SessionKind.PRE, "2026-11-27T14:30:00+00:00"),
        (SessionKind.REGULAR, "2026-11-27T18:00:00+00:00"),
        (SessionKind.POST, "2026-11-27T22:00:00+00:00"),
    ]


def test_nothing_is_known_beyond_the_table() -> None:
    """The last day of the table is known, the next one is not; nor is the day before the first."""
    calendar = house_calendars()["XNYS"]
    assert calendar.day(calendar.last) is not None
    assert calendar.day(calendar.last + timedelta(days=1)) is None
    assert calendar.day(calendar.first - timedelta(days=1)) is None


@pytest.mark.parametrize("text", ["9:30", "09:60", "24:01", "0930", "", "<", "-1:00", "٠٩:30"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    """Times are HH:MM up to 24:00."""
    with pytest.raises(ValueError, match="time of day"):
        minute_of(text)


@pytest.mark.parametrize(
    ("sessions", "why"),
    [
        ({"regular": ["09:30-09:30"]}, "ends before it begins"),
        ({"regular": ["09:30-12:00"], "post": ["11:59-13:00"]}, "overlap"),
        ({"lunch": ["12:00-13:00"]}, "no kind of session"),
        ({"regular": "09:30-16:00"}, "list"),
        ({"regular": ["09:30"]}, "stretch"),
    ],
)
def test_sessions_that_cannot_be_are_refused(sessions: dict[str, object], why: str) -> None:
    """A table with a slip in it is not taken."""
    with pytest.raises(ValueError, match=why):
        read_hours(sessions)


def test_a_lunch_break_makes_two_sessions() -> None:
    """Both halves are regular; between them the market is closed."""
    noon, one = 12 * 60, 13 * 60
    assert read_hours({"regular": ["13:00-15:00", "09:00-12:00"]}) == (
        (SessionKind.REGULAR, 9 * 60, noon),
        (SessionKind.REGULAR, one, 15 * 60),
    )
