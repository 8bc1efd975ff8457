"""Which trading day a moment belongs to."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from brokergw.desk.limits.day import TradingDays, minutes_of

NEW_YORK = ZoneInfo("America/New_York")
SECOND = 1_000_000_000


def ns(text: str, zone: ZoneInfo = NEW_YORK) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-07", 24), ("2026-03-08", 23), ("2026-11-01", 25), ("2026-12-31", 24), ("2027-01-15", 24)],
)
def test_a_day_begins_at_its_own_midnight(day: str, hours: int) -> None:
    """The last nanosecond before midnight is the old day's, midnight itself the new one's, also where clocks change."""
    days = TradingDays()
    start, after = days.start_ns(day), days.start_ns(days.next(day))
    assert after - start == hours * 3_600 * SECOND
    assert days.of(start - 1) != day
    assert days.of(start) == days.of(after - 1) == day
    assert days.of(after) == days.next(day)


def test_a_start_in_the_morning_leaves_the_night_to_the_day_before() -> None:
    """With 04:00 the hours after midnight belong to yesterday."""
    days = TradingDays(start_minute=4 * 60)
    assert days.of(ns("2026-11-20 03:59:59")) == "2026-11-19"
    assert days.of(ns("2026-11-20 04:00:00")) == "2026-11-20"
    assert days.start_ns("2026-11-20") == ns("2026-11-20 04:00:00")


def test_a_start_in_the_evening_opens_the_next_day() -> None:
    """With 17:00 Monday evening is Tuesday's, as currency markets have it."""
    days = TradingDays(start_minute=17 * 60)
    assert days.of(ns("2026-11-16 16:59:59")) == "2026-11-16"
    assert days.of(ns("2026-11-16 17:00:00")) == "2026-11-17"
    assert days.start_ns("2026-11-17") == ns("2026-11-16 17:00:00")


def test_an_hour_that_comes_twice_does_not_turn_the_day_back() -> None:
    """Where the day begins in the hour that the clocks repeat, it begins once."""
    days = TradingDays(start_minute=90)
    start = days.start_ns("2026-11-01")
    seen = [days.of(start + minutes * 60 * SECOND) for minutes in range(-90, 180, 5)]
    assert seen == sorted(seen)
    assert set(seen) == {"2026-10-31", "2026-11-01"}


def test_an_unknown_zone_is_refused() -> None:
    """A zone that does not exist is no quiet UTC."""
    with pytest.raises(ZoneInfoNotFoundError):
        TradingDays("America/Springfield")


@pytest.mark.parametrize(("text", "minutes"), [("00:00", 0), ("17:00", 1020), ("23:59", 1439)])
def test_a_time_of_day_is_read(text: str, minutes: int) -> None:
    """Two digits each, as clocks show it."""
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "5", "5:00", "24:00", "17:60", "17-00", "-1:00", "17:000", "\u0661\u0667:00"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    """Anything else is an error that shows it."""
    with pytest.raises(ValueError, match="time of day"):
        minutes_of(text)
