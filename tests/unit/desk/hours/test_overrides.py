"""What an operator's file may say, and what it must not."""

import pytest

from brokergw.desk.hours.overrides import Overrides, OverridesInvalid
from brokergw.model.instrument import AssetClass
from tests.fixtures.market_hours import SECOND_NS, at

WEEK = """
[[maintenance]]
broker = "alpaca"
weekdays = [5]
zone = "America/New_York"
time = "{time}"
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[XNYS", "table declaration"),
        ("[NOWHERE]\nclosed = []", "NOWHERE"),
        ("[XNYS]\nclose = []", "close"),
        ('[XNYS]\nclosed = ["2026-11-23"]', "not a date"),
        ("[XNYS]\nclosed = [2026-11-23T00:00:00Z]", "not a date"),
        ('[[XNYS.day]]\nregular = ["09:30-12:00"]', "date"),
        ('[[XNYS.day]]\ndate = 2026-11-23\nregular = ["12:00-09:30"]', "before it begins"),
        ("[[maintenance]]\nfrom = 2026-11-23T12:00:00Z\nuntil = 2026-11-23T13:00:00Z", "broker"),
        ('[[maintenance]]\nbroker = "a"\nfrom = 2026-11-23T12:00:00\nuntil = 2026-11-23T13:00:00Z', "offset"),
        (
            '[[maintenance]]\nbroker = "a"\nfrom = 2026-11-23T13:00:00Z\nuntil = 2026-11-23T13:00:00Z',
            "before it begins",
        ),
        ('[[maintenance]]\nbroker = "a"\nasset_classes = ["TULIPS"]', "TULIPS"),
        ('[[maintenance]]\nbroker = "a"\nweekdays = [7]\nzone = "UTC"\ntime = "09:00-11:00"', "weekdays"),
        ('[[maintenance]]\nbroker = "a"\nweekdays = [5]\nzone = "Mars/Olympus"\ntime = "09:00-11:00"', "Mars"),
        ('[[maintenance]]\nbroker = "a"\nweekdays = [5]\nzone = "UTC"\ntime = "11:00-09:00"', "before it begins"),
        ("maintenance = 1", "iterable"),
    ],
)
def test_a_file_with_a_slip_is_refused_and_named(text: str, why: str) -> None:
    """Nothing of such a file is taken."""
    with pytest.raises(OverridesInvalid, match=why):
        Overrides.read(text)


def test_a_weekly_window_keeps_the_clocks_of_its_zone() -> None:
    """Saturday from nine to eleven, and from the evening before where it says so."""
    friday, sunday = at("2026-11-27 00:00"), at("2026-11-29 00:00")
    overrides = Overrides.read(WEEK.format(time="09:00-11:00"))
    assert overrides.pauses("alpaca", AssetClass.CRYPTO, friday, sunday) == (
        (at("2026-11-28 09:00"), at("2026-11-28 11:00")),
    )
    overrides = Overrides.read(WEEK.format(time="<22:00-02:00"))
    assert overrides.pauses("alpaca", AssetClass.CRYPTO, friday, sunday) == (
        (at("2026-11-27 22:00"), at("2026-11-28 02:00")),
    )


def test_a_pause_is_found_by_the_stretch_that_it_touches() -> None:
    """What ends as the stretch begins, or begins as it ends, does not touch it."""
    overrides = Overrides.read(WEEK.format(time="09:00-11:00"))
    start, end = at("2026-11-28 09:00"), at("2026-11-28 11:00")

    def found(from_ns: int, until_ns: int) -> bool:
        return bool(overrides.pauses("alpaca", AssetClass.STOCK, from_ns, until_ns))

    assert not found(end, end + SECOND_NS)
    assert found(end - 1, end + SECOND_NS)
    assert not found(start - SECOND_NS, start)
    assert found(start - SECOND_NS, start + 1)
