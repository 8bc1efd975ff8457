"""New York's market days as the dialect keeps them."""

from datetime import UTC, date, datetime

import pytest

from brokergw.exchange.listings import LISTINGS
from brokergw.sim import new_york
from brokergw.sim.dialects.alpaca.shapes import timestamp
from brokergw.sim.hours import Doors, Hours, NewYorkHours


def moment(text: str) -> int:
    """Read a time of UTC as Unix nanoseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 1, 1),
        date(2026, 1, 19),
        date(2026, 2, 16),
        date(2026, 4, 3),
        date(2026, 5, 25),
        date(2026, 6, 19),
        date(2026, 7, 3),
        date(2026, 9, 7),
        date(2026, 11, 26),
        date(2026, 12, 25),
        date(2022, 12, 26),
        date(2023, 1, 2),
        date(2025, 4, 18),
    ],
)
def test_holidays_have_no_session(day: date) -> None:
    """The exchange's ten holidays, moved to a weekday where they fall on a weekend."""
    assert new_york.is_trading_day(day) is False


@pytest.mark.parametrize("day", [date(2021, 12, 31), date(2026, 11, 27), date(2026, 7, 2), date(2026, 12, 24)])
def test_days_beside_holidays_have_one(day: date) -> None:
    """A New Year's Day on a Saturday is not made up for, and the days around the others trade."""
    assert new_york.is_trading_day(day) is True


def test_early_closes_are_known() -> None:
    """The day after Thanksgiving and Christmas Eve end at 13:00."""
    assert new_york.close_minute(date(2026, 11, 27)) == 13 * 60
    assert new_york.close_minute(date(2026, 12, 24)) == 13 * 60
    assert new_york.close_minute(date(2026, 11, 25)) == 16 * 60


def test_next_and_last_session_skip_the_weekend() -> None:
    """From Friday night the next opening is on Monday, and the last close was that afternoon."""
    friday_night = moment("2026-03-07T02:00:00")
    assert new_york.next_open_ns(friday_night) == moment("2026-03-09T13:30:00")
    assert new_york.next_close_ns(friday_night) == moment("2026-03-09T20:00:00")
    assert new_york.previous_close_ns(friday_night) == moment("2026-03-06T21:00:00")


@pytest.mark.parametrize(
    ("utc", "local"),
    [
        ("2026-01-15T15:00:00", "2026-01-15T10:00:00-05:00"),
        ("2026-07-15T15:00:00", "2026-07-15T11:00:00-04:00"),
        ("2026-03-08T12:00:00", "2026-03-08T08:00:00-04:00"),
        ("2026-11-01T12:00:00", "2026-11-01T07:00:00-05:00"),
    ],
)
def test_local_time_carries_its_offset(utc: str, local: str) -> None:
    """Standard and daylight time, and the days on which they change."""
    assert new_york.local_text(moment(utc)) == local


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (1_791_472_218_094_153_596, "2026-10-08T15:10:18.094153596Z"),
        (1_791_472_218_094_000_000, "2026-10-08T15:10:18.094Z"),
        (1_791_472_218_000_000_000, "2026-10-08T15:10:18Z"),
    ],
)
def test_times_are_written_to_the_nanosecond_without_trailing_zeros(time_ns: int, text: str) -> None:
    """RFC 3339 in UTC, as recorded."""
    assert timestamp(time_ns) == text


@pytest.mark.parametrize("kept", [Hours(Doors.OPEN), NewYorkHours(Doors.OPEN)], ids=["sessions", "new-york"])
def test_a_market_can_be_opened_and_shut_by_hand(kept: Hours) -> None:
    """Held open it trades on a Sunday, held shut never, and by its hours as they are."""
    listing = next(each for each in LISTINGS if each.symbol == "AAPL")
    sunday, monday = moment("2026-03-01T15:00:00"), moment("2026-03-02T15:00:00")
    trades = {}
    for doors in Doors:
        kept.doors = doors
        trades[doors] = [kept.trades(listing, each, extended=False) for each in (sunday, monday)]
    assert trades == {Doors.OPEN: [True, True], Doors.SHUT: [False, False], Doors.HOURS: [False, True]}
