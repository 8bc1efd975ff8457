"""Users' own hours, over midnight and on the days on which clocks change."""

import pytest

from brokergw.desk.hours.windows import within
from brokergw.model.limits import TradingHours
from tests.fixtures.market_hours import at

WEEKDAYS = frozenset(range(5))
SUNDAY = frozenset({6})


def window(start: str, end: str, days: frozenset[int] = WEEKDAYS, zone: str = "America/New_York") -> TradingHours:
    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    return TradingHours(zone=zone, days=days, start_minute=minute(start), end_minute=minute(end))


@pytest.mark.parametrize(
    ("when", "inside"),
    [
        ("2026-11-23 09:59:59.999", False),
        ("2026-11-23 10:00:00", True),
        ("2026-11-23 14:59:59.999", True),
        ("2026-11-23 15:00:00", False),
        ("2026-11-28 12:00:00", False),
    ],
)
def test_a_window_begins_and_ends_to_the_moment(when: str, *, inside: bool) -> None:
    """Its end is not part of it, and it is not there on other days."""
    assert within((window("10:00", "15:00"),), at(when)) is inside


@pytest.mark.parametrize(
    ("when", "inside"),
    [
        ("2026-11-23 21:59:59", False),
        ("2026-11-23 22:00:00", True),
        ("2026-11-24 00:00:00", True),
        ("2026-11-24 01:59:59", True),
        ("2026-11-24 02:00:00", False),
        # Friday's runs into Saturday, Sunday's does not exist.
        ("2026-11-28 01:59:59", True),
        ("2026-11-29 23:00:00", False),
        ("2026-11-30 01:00:00", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(when: str, *, inside: bool) -> None:
    """Ten in the evening until two, on weekdays."""
    assert within((window("22:00", "02:00"),), at(when)) is inside


def test_any_window_of_a_schedule_is_enough() -> None:
    """A morning and an afternoon, with lunch between them; a schedule without windows is never open."""
    schedule = (window("09:30", "12:00"), window("13:00", "16:00"))
    assert [within(schedule, at(f"2026-11-23 {when}")) for when in ("11:59", "12:30", "13:00")] == [True, False, True]
    assert not within((), at("2026-11-23 12:00"))


def test_a_whole_day_has_no_gap() -> None:
    """Minute 0 to 1440 of every day covers all of it, clocks changing or not."""
    always = (TradingHours(zone="America/New_York", days=frozenset(range(7)), start_minute=0, end_minute=1440),)
    start = at("2026-10-31 00:00")
    assert all(within(always, start + hour * 3_600_000_000_000) for hour in range(72))


@pytest.mark.parametrize(
    ("zone", "start", "opens_utc_ns"),
    [
        # Sunday, 8 March 2026: New York's clocks skip from 2:00 to 3:00, which is 07:00 UTC.
        ("America/New_York", "03:00", 1_772_953_200_000_000_000),
        # Sunday, 29 March 2026: Berlin's clocks skip from 2:00 to 3:00, which is 01:00 UTC.
        ("Europe/Berlin", "03:00", 1_774_746_000_000_000_000),
        # Sunday, 1 November 2026: New York's 3:00 is 08:00 UTC again.
        ("America/New_York", "03:00", 1_793_520_000_000_000_000),
        # Sunday, 25 October 2026: Berlin's 3:00 is 02:00 UTC again.
        ("Europe/Berlin", "03:00", 1_792_893_600_000_000_000),
    ],
)
def test_a_window_keeps_its_clocks_on_the_day_they_change(zone: str, start: str, opens_utc_ns: int) -> None:
    """The same minute of the day is another instant."""
    schedule = (window(start, "04:00", SUNDAY, zone),)
    assert not within(schedule, opens_utc_ns - 1)
    assert within(schedule, opens_utc_ns)
    assert within(schedule, opens_utc_ns + 3_599_999_999_999)
    assert not within(schedule, opens_utc_ns + 3_600_000_000_000)


def test_a_skipped_hour_makes_a_window_shorter_and_a_repeated_one_longer() -> None:
    """Midnight to four is three hours in March and five in November."""
    schedule = (window("00:00", "04:00", SUNDAY),)
    hour = 3_600_000_000_000
    march, november = at("2026-03-08 00:00"), at("2026-11-01 00:00")
    assert [within(schedule, march + n * hour) for n in (0, 2, 3)] == [True, True, False]
    assert [within(schedule, november + n * hour) for n in (0, 4, 5)] == [True, True, False]
