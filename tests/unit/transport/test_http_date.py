"""The forms a date may have in an answer."""

from datetime import UTC, datetime

import pytest

from brokergw.transport.http_date import read_date_ns

NOW_NS = round(datetime(2027, 1, 15, tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    "text",
    ["Fri, 15 Jan 2027 08:09:37 GMT", "Friday, 15-Jan-27 08:09:37 GMT", "Fri Jan 15 08:09:37 2027"],
    ids=["fixed", "RFC 850", "asctime"],
)
def test_the_three_forms_say_the_same(text: str) -> None:
    """All of them must be read, whoever still sends which."""
    assert read_date_ns(text, NOW_NS) == NOW_NS + (8 * 3600 + 9 * 60 + 37) * 1_000_000_000


def test_a_day_of_one_digit_has_a_blank_before_it_in_the_oldest_form() -> None:
    """As asctime writes it."""
    moment = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert read_date_ns("Sun Nov  6 08:49:37 1994", NOW_NS) == round(moment.timestamp()) * 1_000_000_000


@pytest.mark.parametrize(("year", "meant"), [("76", 2076), ("77", 2077), ("78", 1978)])
def test_a_year_of_two_digits_is_at_most_fifty_ahead(year: str, meant: int) -> None:
    """Just below, at and just above."""
    moment = datetime(meant, 1, 15, tzinfo=UTC)
    assert read_date_ns(f"Friday, 15-Jan-{year} 00:00:00 GMT", NOW_NS) == round(moment.timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "0",
        "Fri, 15 Jan 2027 08:09:37",
        "Fri, 15 Jan 2027 08:09:37 +0100",
        "Fri, 15 Jan 2027 08:09:37 GMT ",
        "Fri, 31 Feb 2027 08:09:37 GMT",
        "Fri, 15 Jan 2027 24:00:00 GMT",
        "Fri, 15 Jan 2027 08:09:60 GMT",
        "Fri, 15 jan 2027 08:09:37 GMT",
        "Fri, \u0661\u0665 Jan 2027 08:09:37 GMT",
        "Fri, 15 Jan 0000 08:09:37 GMT",
        "Fri Jan 15 08:09:37 2027, Fri Jan 15 08:09:37 2027",
    ],
)
def test_what_is_no_date_tells_no_time(text: str) -> None:
    """Other zones, days and seconds that there are not, and a header that came twice."""
    assert read_date_ns(text, NOW_NS) is None
