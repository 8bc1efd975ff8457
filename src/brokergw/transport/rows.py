"""Brokers' JSON, read without losing a digit: what does not have the documented shape raises `Unusable`.

Numbers are parsed as Decimal and times as Unix nanoseconds, so that no default ever stands in for a fact and no float
comes near money.
"""

import json
import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, Self, TypeAlias

Row: TypeAlias = dict[str, Any]

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_WHOLE: Final = re.compile(r"-?\d{1,30}", re.ASCII)
_NS: Final = 1_000_000_000


class Unusable(ValueError):
    """An answer that does not have the documented shape; the words name the field, never its content."""


class Unsupported(Exception):
    """An order, or a change of one, that the broker has no words for; the words say what it lacks."""


def _no_number(written: str) -> Any:
    raise ValueError(written)


DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number)
"""How every broker's JSON is parsed."""


class ReadBytes(bytes):
    """Bytes whose document has been read already, or what is wrong with it."""

    def __new__(cls, data: bytes, document: Any) -> Self:
        """Keep both."""
        made = super().__new__(cls, data)
        made.document = document
        return made

    document: Any


class ReadText(str):  # noqa: SLOT000 - it is there for what it carries
    """The same of a text."""

    def __new__(cls, data: str, document: Any) -> Self:
        """Keep both."""
        made = super().__new__(cls, data)
        made.document = document
        return made

    document: Any


def read_json(body: bytes | str) -> Any:
    """Parse JSON, in UTF-8 where it comes as bytes, with every number exact."""
    if isinstance(body, ReadBytes | ReadText):
        if isinstance(body.document, Unusable):
            # Raised itself, it would hold the frame that holds the body that holds it.
            raise Unusable(str(body.document))
        return body.document
    try:
        return DECODER.decode(body if isinstance(body, str) else body.decode())
    except (ValueError, RecursionError):
        pass
    # Not raised from there: what the parser raises holds all of what it read.
    raise Unusable("the answer is no JSON")


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


def rows_in(row: Row, name: str) -> list[Row]:
    """Read an array of objects that may be absent or null."""
    items = row.get(name)
    return [] if items is None else as_rows(items)


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
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unusable(f"field {name} is no whole number")
    return value


def int64(row: Row, name: str) -> int:
    """Read a whole number that must be there, where a broker may write the long ones as text."""
    value = optional_int64(row, name)
    if value is None:
        raise Unusable(f"field {name} is missing")
    return value


def optional_int64(row: Row, name: str) -> int | None:
    """Read a whole number that may be absent or null, where a broker may write the long ones as text."""
    value = row.get(name)
    if value is None:
        return None
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else whole(row, name)


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


def time_ns(row: Row, name: str) -> int:
    """Read a time that must be there, as Unix nanoseconds."""
    return parse_time(text(row, name))


@lru_cache(maxsize=4096)
def parse_time(written: str) -> int:
    """Read RFC 3339 with up to nine digits of a second and any offset, its colon or none, as Unix nanoseconds."""
    match = _TIME.fullmatch(written)
    if match is None:
        raise Unusable("a time is not RFC 3339")
    day, second, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{second}{'+00:00' if offset == 'Z' else offset}")
    except ValueError:
        raise Unusable("a time is not RFC 3339") from None
    return int(moment.timestamp()) * _NS + (int(fraction.ljust(9, "0")) if fraction else 0)
