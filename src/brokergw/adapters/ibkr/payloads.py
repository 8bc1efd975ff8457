"""The gateway's JSON, read without losing a digit, and the tickets that orders are written on.

The same fact is a number in one answer and a text in another, so each is read as either. What does not have the
documented shape raises `Unusable`, so that no default ever stands in for a fact.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

Row: TypeAlias = dict[str, Any]

_MS_NS: Final = 1_000_000


class Unusable(Exception):
    """An answer does not have the documented shape; `why` names the field, never its content."""


class Unsupported(Exception):
    """Terms that the gateway has no words for."""


def _no_number(written: str) -> Any:
    raise ValueError(written)


_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number)


def read_json(body: bytes | str) -> Any:
    """Parse a body with every number exact; frames of the stream now and then hold bytes that are no UTF-8."""
    try:
        return _DECODER.decode(body if isinstance(body, str) else body.decode())
    except (ValueError, RecursionError):
        raise Unusable("the answer is not JSON") from None


def as_row(item: Any) -> Row:
    """Insist on an object."""
    if not isinstance(item, dict):
        raise Unusable("an item is no object")
    return item


def as_rows(item: Any) -> list[Row]:
    """Insist on an array of objects."""
    if not isinstance(item, list):
        raise Unusable("the answer is no array")
    return [as_row(each) for each in item]


def text(row: Row, name: str) -> str:
    """Read a field that must be there, as a text or as a whole number."""
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise Unusable(f"field {name} is missing")
    return value


def optional_text(row: Row, name: str) -> str:
    """Read a text that may be absent, null or empty."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def whole(row: Row, name: str) -> int:
    """Read a whole number that must be there, as a number or as a text."""
    written = text(row, name)
    try:
        return int(written)
    except ValueError:
        raise Unusable(f"field {name} is no whole number") from None


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
    """Read a number that may be absent, null or empty; texts may group their digits by commas."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise Unusable(f"field {name} is no number")
    try:
        number = Decimal(value.replace(",", "")) if isinstance(value, str) else Decimal(value)
    except InvalidOperation:
        raise Unusable(f"field {name} is no number") from None
    if not number.is_finite():
        raise Unusable(f"field {name} is no finite number")
    return number


def milliseconds_ns(row: Row, name: str) -> int:
    """Read a time in milliseconds that must be there, as Unix nanoseconds."""
    return int(decimal(row, name)) * _MS_NS
