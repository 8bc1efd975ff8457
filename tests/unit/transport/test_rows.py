"""Reading rows: every digit, every nanosecond, and nothing that has another shape."""

from decimal import Decimal

import pytest

from brokergw.transport.rows import (
    Unusable,
    int64,
    optional_decimal,
    optional_int64,
    parse_time,
    read_json,
    read_row,
    read_rows,
    rows_in,
    text,
    whole,
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-10-08T15:10:18.094153596Z", 1_791_472_218_094_153_596),
        ("2026-10-08T15:10:18Z", 1_791_472_218_000_000_000),
        ("2026-10-08T15:10:18.1Z", 1_791_472_218_100_000_000),
        ("2026-10-08T11:10:18.5-04:00", 1_791_472_218_500_000_000),
        ("2026-10-08T20:40:18.5+05:30", 1_791_472_218_500_000_000),
        ("2026-10-08T11:10:18.5-0400", 1_791_472_218_500_000_000),
        ("2026-10-08 15:10:18Z", 1_791_472_218_000_000_000),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_times_keep_every_nanosecond(written: str, expected: int) -> None:
    """Up to nine fractional digits and any offset, with its colon or without, are read exactly."""
    assert parse_time(written) == expected


@pytest.mark.parametrize(
    "written", ["", "today", "2026-13-40T00:00:00Z", "2026-10-08", "2026-10-08T15:10:18", "2026-10-08T24:10:18Z"]
)
def test_a_time_that_is_none_is_unusable(written: str) -> None:
    """A malformed time is never taken for now."""
    with pytest.raises(Unusable):
        parse_time(written)


def test_numbers_keep_every_digit() -> None:
    """JSON numbers and texts become the very same decimals."""
    row = read_row(b'{"a": 172.7000000000000001, "b": "86.8798910000", "c": 3, "d": null, "e": ""}')
    assert optional_decimal(row, "a") == Decimal("172.7000000000000001")
    assert optional_decimal(row, "b") == Decimal("86.8798910000")
    assert optional_decimal(row, "c") == Decimal(3)
    assert optional_decimal(row, "d") is None
    assert optional_decimal(row, "e") is None


@pytest.mark.parametrize("value", ['"NaN"', '"Infinity"', '"ten"', "true", "[]", "{}"])
def test_a_number_that_is_none_is_unusable(value: str) -> None:
    """A field that should be a finite number and is not makes the answer unusable."""
    with pytest.raises(Unusable):
        optional_decimal(read_row(f'{{"a": {value}}}'.encode()), "a")


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b'{"a":', b"\xff\xfe", '{"a": 1}'.encode("utf-16"), b'{"a": NaN}', b"[" * 100_000]
)
def test_a_body_that_is_no_json_is_unusable(body: bytes) -> None:
    """Anything but JSON raises Unusable, however it is broken."""
    with pytest.raises(Unusable):
        read_json(body)


def test_shapes_are_insisted_on() -> None:
    """An array where an object is due, and the reverse, and a missing field raise Unusable without the content."""
    with pytest.raises(Unusable):
        read_row(b"[]")
    with pytest.raises(Unusable):
        read_rows(b"{}")
    with pytest.raises(Unusable):
        read_rows(b"[1]")
    with pytest.raises(Unusable, match="field id is missing"):
        text({"id": None}, "id")


def test_a_list_may_be_absent_but_never_something_else() -> None:
    """An absent list and null are empty; an empty text is not."""
    assert rows_in({}, "a") == rows_in({"a": None}, "a") == []
    assert rows_in({"a": [{}]}, "a") == [{}]
    others: tuple[object, ...] = ("", 0, False, {}, [1])
    for other in others:
        with pytest.raises(Unusable):
            rows_in({"a": other}, "a")


@pytest.mark.parametrize("value", ["7", True, Decimal(7), None, "", " 7", "1_000", "\u0667", "9" * 31])
def test_only_a_whole_number_is_one(value: object) -> None:
    """Texts, flags, fractions and nothing are no whole numbers, nor is a text of anything but its digits an int64."""
    with pytest.raises(Unusable):
        whole({"a": value}, "a")
    if value != "7":
        with pytest.raises(Unusable):
            int64({"a": value}, "a")


def test_a_long_whole_number_may_be_written_as_text() -> None:
    """JSON numbers and texts of digits are the same int64; absent and null are none."""
    assert whole({"a": -7}, "a") == int64({"a": -7}, "a") == int64({"a": "-7"}, "a") == -7
    assert int64({"a": "9" * 30}, "a") == 10**30 - 1
    assert optional_int64({"a": None}, "a") is optional_int64({}, "a") is None
