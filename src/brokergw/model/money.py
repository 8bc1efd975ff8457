"""Decimal text in and out: prices, quantities and money are never floats."""

import re
from decimal import Decimal

_PLAIN = re.compile(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?", re.ASCII)


def parse_decimal(text: str) -> Decimal:
    """Read a plain decimal such as `-10.25`.

    At most 20 integer and 18 fractional digits; no exponent, sign `+`, blanks, NaN or infinity.
    Raises ValueError with the rule in words.
    """
    if _PLAIN.fullmatch(text) is None:
        raise ValueError("must be a plain decimal such as 10.25 with at most 20 integer and 18 fractional digits")
    return Decimal(text)


def format_decimal(value: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros: `10.50` becomes `10.5`."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether a value lies on the grid of a step."""
    return value % step == 0
