"""cTrader's JSON: how a frame is read and written, and the readers of fields that only it has.

Fields that the protocol leaves out when they have their default have readers of their own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from brokergw.model.money import format_decimal
from brokergw.transport.rows import Row, Unusable, as_row, int64, optional_int64, read_row

MS: Final = 1_000_000
"""Nanoseconds in one of cTrader's milliseconds."""
_POINTS: Final = Decimal(100_000)
_CENTS: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: payload type, payload, and the id of the request that it answers, if it does."""

    kind: int
    payload: Row
    answers: str = ""


def read_frame(data: str | bytes) -> Message:
    """Read a frame with every number exact; raises Unusable."""
    row = read_row(data)
    return Message(int64(row, "payloadType"), as_row(row.get("payload") or {}), optional_text(row, "clientMsgId"))


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
    return int64(row, name) * MS


def units(row: Row, name: str) -> Decimal:
    """Read a volume, which counts hundredths, in units."""
    return (optional_int64(row, name) or 0) / _CENTS


def money(row: Row, name: str, digits: int | None = None) -> Decimal:
    """Read money by the digits of its message, two where it tells none; what is left out is zero."""
    places = digits if digits is not None else money_digits(row)
    return Decimal(optional_int64(row, name) or 0).scaleb(-places)


def money_digits(row: Row) -> int:
    """Tell how many digits the money of a message has."""
    digits = optional_int64(row, "moneyDigits")
    return 2 if digits is None else digits


def spot(row: Row, name: str) -> Decimal | None:
    """Read a price that is written in hundred-thousandths."""
    value = optional_int64(row, name)
    return None if not value else value / _POINTS


def volume_of(quantity: Decimal) -> int | None:
    """Write units as hundredths; None where there is a fraction of one left."""
    volume = quantity * _CENTS
    return int(volume) if volume == volume.to_integral_value() else None


def milliseconds(time: int) -> int:
    """Write Unix nanoseconds as milliseconds, rounded down."""
    return max(0, time // MS)
