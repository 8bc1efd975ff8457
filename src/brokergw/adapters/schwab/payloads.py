"""What is Schwab's own way to write ids, numbers, times and the symbols of contracts."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from brokergw.transport import rows
from brokergw.transport.rows import Row

_NS: Final = 1_000_000_000
_OPTION: Final = re.compile(r"([A-Z0-9.]{1,6}) *(\d{6}[CP]\d{8})", re.ASCII)
_CANONICAL_OPTION: Final = re.compile(r"([A-Z]{1,6})(\d{6}[CP]\d{8})", re.ASCII)


def id_text(row: Row, name: str) -> str:
    """Read an id, which is a long integer, as text."""
    return str(rows.whole(row, name))


def decimal(row: Row, name: str) -> Decimal:
    """Read a number that must be there."""
    return _plain(rows.decimal(row, name))


def optional_decimal(row: Row, name: str) -> Decimal | None:
    """Read a number that may be absent."""
    number = rows.optional_decimal(row, name)
    return None if number is None else _plain(number)


def _plain(number: Decimal) -> Decimal:
    # A JSON number of Schwab's has a fraction even where it is whole: 10.0.
    whole = number.to_integral_value()
    return whole if whole == number else number.normalize()


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
