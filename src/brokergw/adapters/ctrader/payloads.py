"""cTrader's JSON: how a frame is read without losing a digit, how one is written, and the readers of single fields.

Numbers are parsed as Decimal or int. Anything that does not have the documented shape raises `Unusable`, so that no
default ever stands in for a fact; fields that the protocol leaves out when they are zero have their own readers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

from brokergw.model.money import format_decimal

Row: TypeAlias = dict[str, Any]

MS: Final = 1_000_000
"""Nanoseconds in one of cTrader's milliseconds."""
_POINTS: Final = Decimal(100_000)
_CENTS: Final = Decimal(100)


class Unusable(ValueError):
    """A message does not have the documented shape; the words name the field, never its content."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: payload type, payload, and the id of the request that it answers, if it does."""

    kind: int
    payload: Row
    answers: str = ""


def _no_number(written: str) -> Any:
    raise ValueError(written)


_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number)


def read_frame(data: str | bytes) -> Message:
    """Read a frame with every number exact; raises Unusable."""
    try:
        frame = _DECODER.decode(data.decode() if isinstance(data, bytes) else data)
    except (ValueError, RecursionError):
        raise Unusable("the frame is not JSON") from None
    row = as_row(frame)
    return Message(whole(row, "payloadType"), as_row(row.get("payload") or {}), optional_text(row, "clientMsgId"))


def write_frame(kind: int, payload: Mapping[str, Any], message_id: str) -> str:
    """Write a frame; decimals are written as the numbers that they are."""
    return _written({"clientMsgId": message_id, "payloadType": int(kind), "payload": payload})


def _written(value: Any) -> str:
    match value:
        case Decimal():
            return format_decimal(value)
        case Mapping():
            return "{" + ",".join(f"{json.dumps(name)}:{_written(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_written, value)) + "]"
        case _:
            return json.dumps(value)


def as_row(value: Any) -> Row:
    """Insist on an object."""
    if not isinstance(value, dict):
        raise Unusable("an object was expected")
    return value


def rows(row: Row, name: str) -> list[Row]:
    """Read a repeated field; one that is left out is empty."""
    value = row.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unusable(f"field {name} is no list")
    return [as_row(each) for each in value]


def whole(row: Row, name: str) -> int:
    """Read a whole number that must be there."""
    value = optional_whole(row, name)
    if value is None:
        raise Unusable(f"field {name} is missing")
    return value


def optional_whole(row: Row, name: str) -> int | None:
    """Read a whole number; some servers write 64 bits as text."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.removeprefix("-").isascii() and value.removeprefix("-").isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unusable(f"field {name} is no whole number")
    return value


def optional_number(row: Row, name: str) -> Decimal | None:
    """Read a double."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unusable(f"field {name} is no number")
    return Decimal(value)


def number(row: Row, name: str) -> Decimal:
    """Read a double that must be there."""
    value = optional_number(row, name)
    if value is None:
        raise Unusable(f"field {name} is missing")
    return value


def text(row: Row, name: str) -> str:
    """Read a text that must be there."""
    value = optional_text(row, name)
    if not value:
        raise Unusable(f"field {name} is missing")
    return value


def optional_text(row: Row, name: str) -> str:
    """Read a text; empty when it is left out."""
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unusable(f"field {name} is no text")
    return value


def flag(row: Row, name: str, *, default: bool = False) -> bool:
    """Read a flag; one that is left out has the protocol's default."""
    value = row.get(name, default)
    if not isinstance(value, bool):
        raise Unusable(f"field {name} is no flag")
    return value


def time_ns(row: Row, name: str) -> int:
    """Read a time in milliseconds as Unix nanoseconds."""
    return whole(row, name) * MS


def units(row: Row, name: str) -> Decimal:
    """Read a volume, which counts hundredths, in units."""
    return (optional_whole(row, name) or 0) / _CENTS


def money(row: Row, name: str, digits: int | None = None) -> Decimal:
    """Read money by the digits of its message, two where it tells none; what is left out is zero."""
    places = digits if digits is not None else money_digits(row)
    return Decimal(optional_whole(row, name) or 0).scaleb(-places)


def money_digits(row: Row) -> int:
    """Tell how many digits the money of a message has."""
    digits = optional_whole(row, "moneyDigits")
    return 2 if digits is None else digits


def spot(row: Row, name: str) -> Decimal | None:
    """Read a price that is written in hundred-thousandths."""
    value = optional_whole(row, name)
    return None if not value else value / _POINTS


def volume_of(quantity: Decimal) -> int | None:
    """Write units as hundredths; None where there is a fraction of one left."""
    volume = quantity * _CENTS
    return int(volume) if volume == volume.to_integral_value() else None


def milliseconds(time: int) -> int:
    """Write Unix nanoseconds as milliseconds, rounded down."""
    return max(0, time // MS)
