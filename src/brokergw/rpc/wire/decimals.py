"""Decimal strings in and out."""

from decimal import Decimal

from brokergw.model.errors import Reason
from brokergw.model.money import format_decimal, parse_decimal
from brokergw.rpc.wire.found import Found


def decimal_from(text: str, field: str, found: Found, reason: Reason = Reason.FIELD_INVALID) -> Decimal | None:
    """Read a plain decimal; None after noting why it is none."""
    try:
        return parse_decimal(text)
    except ValueError as error:
        found.add(field, str(error), reason)
        return None


def positive_from(text: str, field: str, found: Found, reason: Reason = Reason.FIELD_INVALID) -> Decimal | None:
    """Read a plain decimal above 0."""
    value = decimal_from(text, field, found, reason)
    if value is not None and value <= 0:
        found.add(field, "must be above 0", reason)
    return value


def optional_decimal(value: Decimal | None) -> str | None:
    """Write a decimal that may be unknown; None leaves the field unset."""
    return None if value is None else format_decimal(value)
