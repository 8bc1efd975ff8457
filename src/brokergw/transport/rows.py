"""Brokers' JSON, read without losing a digit: what does not have the documented shape raises `Unusable`.

Numbers are parsed as Decimal, so that no default ever stands in for a fact and no float comes near money.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]


class Unusable(Exception):
    """An answer that does not have the documented shape; the words hold no secret."""


def read_json(body: bytes | str) -> Any:
    """Parse JSON with every number exact."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unusable("the answer is no JSON") from None


def read_row(body: bytes | str) -> Row:
    """Parse a body that must be an object."""
    return as_row(read_json(body))


def read_rows(body: bytes | str) -> list[Row]:
    """Parse a body that must be an array of objects."""
    return as_rows(read_json(body))


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


def text(row: Row, name: str) -> str:
    """Read a field that must be a non-empty text."""
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise Unusable(f"field {name} is missing")
    return value


def optional_text(row: Row, name: str) -> str:
    """Read a text that may be absent, null or empty."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def flag(row: Row, name: str) -> bool:
    """Read a boolean; absent is False."""
    return row.get(name) is True


def whole(row: Row, name: str) -> int:
    """Read a whole number that must be there."""
    value = row.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unusable(f"field {name} is no whole number")
    return value


def decimal(row: Row, name: str) -> Decimal:
    """Read a number that must be there, as text or as a JSON number."""
    value = optional_decimal(row, name)
    if value is None:
        raise Unusable(f"field {name} is missing")
    return value


def optional_decimal(row: Row, name: str) -> Decimal | None:
    """Read a number that may be absent, null or empty."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise Unusable(f"field {name} is no number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Unusable(f"field {name} is no number") from None
    if not number.is_finite():
        raise Unusable(f"field {name} is no finite number")
    return number


def _no_constant(_: str) -> Any:
    raise ValueError("NaN and infinity are no JSON")
