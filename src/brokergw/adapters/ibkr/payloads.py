"""The gateway's own way to write fields: the same fact is a number in one answer and a text in another."""

from decimal import Decimal
from typing import Final

from brokergw.transport import rows
from brokergw.transport.rows import Row

_MS_NS: Final = 1_000_000


def text(row: Row, name: str) -> str:
    """Read a field that must be there, as a text or as a whole number."""
    value = row.get(name)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else rows.text(row, name)


def decimal(row: Row, name: str) -> Decimal:
    """Read a number that must be there; texts may group their digits by commas."""
    return rows.decimal(_ungrouped(row, name), name)


def optional_decimal(row: Row, name: str) -> Decimal | None:
    """Read a number that may be absent, null or empty; texts may group their digits by commas."""
    return rows.optional_decimal(_ungrouped(row, name), name)


def _ungrouped(row: Row, name: str) -> Row:
    value = row.get(name)
    return {name: value.replace(",", "") if isinstance(value, str) else value}


def milliseconds_ns(row: Row, name: str) -> int:
    """Read a time in milliseconds that must be there, as Unix nanoseconds."""
    return int(decimal(row, name)) * _MS_NS
