"""Schwab's JSON, read without losing a digit: numbers as Decimal, times as integer nanoseconds.

Anything that does not have the documented shape raises `Unusable`, so that no default ever stands in for a fact.
"""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeAlias

Row: TypeAlias = dict[str, Any]

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_NS: Final = 1_000_000_000
_OPTION: Final = re.compile(r"([A-Z0-9.]{1,6}) *(\d{6}[CP]\d{8})", re.ASCII)
_CANONICAL_OPTION: Final = re.compile(r"([A-Z]{1,6})(\d{6}[CP]\d{8})", re.ASCII)


def _no_number(written: str) -> Any:
    raise ValueError(written)


_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number)


class Unusable(Exception):
    """An answer does not have the documented shape; the words name the field, never its content."""


class Unsupported(Exception):
    """Terms that Schwab has no words for."""


def read_json(body: bytes) -> Any:
    """Parse a body with every number exact."""
    try:
        return _DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        raise Unusable("the answer is not JSON") from None


def as_row(item: Any) -> Row:
    """Insist on an object."""
    if not isinstance(item, dict):
        raise Unusable("an item is no object")
    return item


def as_rows(items: Any) -> list[Row]:
    """Insist on an array of objects."""
    if not isinstance(items, list):
        raise Unusable("the answer is no array")
    return [as_row(item) for item in items]


def rows_in(row: Row, name: str) -> list[Row]:
    """Read an array of objects that may be absent."""
    return as_rows(row.get(name) or [])


def text(row: Row, name: str) -> str:
    """Read a text that must be there and not empty."""
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise Unusable(f"field {name} is missing")
    return value


def optional_text(row: Row, name: str) -> str:
    """Read a text that may be absent."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def whole(row: Row, name: str) -> str:
    """Read an id, which is a long integer, as text."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unusable(f"field {name} is no id")
    return str(value)


def flag(row: Row, name: str) -> bool:
    """Read a boolean; absent is False."""
    return row.get(name) is True


def decimal(row: Row, name: str) -> Decimal:
    """Read a number that must be there."""
    value = optional_decimal(row, name)
    if value is None:
        raise Unusable(f"field {name} is missing")
    return value


def optional_decimal(row: Row, name: str) -> Decimal | None:
    """Read a number that may be absent, as a JSON number or as text."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise Unusable(f"field {name} is no number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Unusable(f"field {name} is no number") from None
    if not number.is_finite():
        raise Unusable(f"field {name} is no finite number")
    # A JSON number of Schwab's has a fraction even where it is whole: 10.0.
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()


def time_ns(row: Row, name: str) -> int:
    """Read a time that must be there, as Unix nanoseconds."""
    return parse_time(text(row, name))


@lru_cache(maxsize=4096)
def parse_time(written: str) -> int:
    """Read `2026-03-04T01:26:35+0000`, with or without a fraction, as Unix nanoseconds."""
    match = _TIME.fullmatch(written)
    if match is None:
        raise Unusable("a time has another form")
    seconds, fraction, offset = match.groups()
    try:
        read = datetime.fromisoformat(seconds + ("+00:00" if offset == "Z" else offset))
    except ValueError:
        raise Unusable("a time has another form") from None
    return int(read.timestamp()) * _NS + (int(fraction.ljust(9, "0")) if fraction else 0)


def write_time(moment_ns: int) -> str:
    """Write a moment as queries take it: `yyyy-MM-dd'T'HH:mm:ss.SSSZ`."""
    seconds, fraction = divmod(max(0, moment_ns), _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction // 1_000_000:03d}Z"


def canonical_symbol(symbol: str) -> str:
    """Write a contract without the spaces that fill its root up to six characters."""
    match = _OPTION.fullmatch(symbol)
    return symbol if match is None else match.group(1) + match.group(2)


def broker_symbol(symbol: str) -> str:
    """Write a contract in Schwab's 21 characters; anything else as it is."""
    match = _CANONICAL_OPTION.fullmatch(symbol)
    return symbol if match is None else f"{match.group(1):<6}{match.group(2)}"


def is_option(symbol: str) -> bool:
    """Tell whether a symbol, in either form, is a contract's."""
    return _OPTION.fullmatch(symbol) is not None
