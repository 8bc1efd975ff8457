"""Option symbols of the Options Clearing Corporation: `AAPL270115C00230000`."""

from datetime import date
from decimal import Decimal
from typing import Final

_TAIL: Final = 15


def underlying_of(symbol: str) -> str:
    """Read the underlying."""
    return symbol[:-_TAIL]


def expiration_of(symbol: str) -> date:
    """Read the expiration date."""
    digits = symbol[-_TAIL:-9]
    return date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))


def is_call(symbol: str) -> bool:
    """Tell whether it is a call."""
    return symbol[-9] == "C"


def strike_of(symbol: str) -> Decimal:
    """Read the strike."""
    return Decimal(symbol[-8:]) / 1000
