"""Trading hours."""

from datetime import UTC, datetime

import pytest

from brokergw.exchange import LISTINGS, Listing
from brokergw.exchange.sessions import Sessions

AAPL = next(listing for listing in LISTINGS if listing.symbol == "AAPL")
BITCOIN = next(listing for listing in LISTINGS if listing.symbol == "BTC/USD")


def at(text: str) -> int:
    """Read a UTC time such as `2026-11-20 14:30`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("time", "regular", "extended"),
    [
        ("2026-11-20 14:29", False, True),  # winter: New York is five hours behind
        ("2026-11-20 14:30", True, True),
        ("2026-11-20 20:59", True, True),
        ("2026-11-20 21:00", False, True),
        ("2026-11-21 00:59", False, True),  # still Friday evening in New York
        ("2026-11-21 01:00", False, False),
        ("2026-11-20 08:59", False, False),
        ("2026-11-21 15:00", False, False),  # Saturday
        ("2026-07-15 13:30", True, True),  # summer: four hours
        ("2026-07-15 13:29", False, True),
        ("2026-03-06 14:29", False, True),  # last trading day of winter time
        ("2026-03-09 13:30", True, True),  # first of summer time
        ("2026-10-30 13:30", True, True),  # last of summer time
        ("2026-11-02 13:30", False, True),  # first of winter time
    ],
)
def test_shares_trade_in_new_york_hours(time: str, *, regular: bool, extended: bool) -> None:
    """Regular hours are 9:30 to 16:00 in New York, extended 4:00 to 20:00, from Monday to Friday."""
    sessions = Sessions(always_open=False)
    assert sessions.trades(AAPL, at(time), extended=False) is regular
    assert sessions.trades(AAPL, at(time), extended=True) is extended


@pytest.mark.parametrize("listing", [AAPL, BITCOIN], ids=lambda listing: listing.symbol)
def test_an_always_open_exchange_never_closes(listing: Listing) -> None:
    """Everything trades on a Sunday night, and days end at midnight UTC."""
    sessions = Sessions(always_open=True)
    sunday = at("2026-11-22 03:00")
    assert sessions.trades(listing, sunday, extended=False)
    assert sessions.day_end(listing, sunday, extended=False) == at("2026-11-23 00:00")
    assert sessions.opening_after(listing, sunday) == at("2026-11-23 00:00")


def test_coins_trade_while_shares_do_not() -> None:
    """Crypto keeps no hours."""
    sessions = Sessions(always_open=False)
    assert sessions.trades(BITCOIN, at("2026-11-22 03:00"), extended=False)


def test_the_next_day_end_skips_the_weekend() -> None:
    """A day order of Friday night lives until Monday's close, one for extended hours until 20:00."""
    sessions = Sessions(always_open=False)
    friday_night = at("2026-11-20 22:00")
    assert sessions.day_end(AAPL, friday_night, extended=False) == at("2026-11-23 21:00")
    assert sessions.day_end(AAPL, friday_night, extended=True) == at("2026-11-21 01:00")
    assert sessions.opening_after(AAPL, friday_night) == at("2026-11-23 14:30")
    assert sessions.closing_after(AAPL, friday_night) == at("2026-11-23 21:00")
