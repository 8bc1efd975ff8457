"""What is wrong with a request: every broken rule is collected before any is told."""

from collections.abc import Mapping
from typing import Final, TypeVar

from brokergw.model.errors import FieldViolation, InvalidRequest, Reason

T = TypeVar("T")

TEXT_LENGTH_MAX: Final = 64
"""Longest id, symbol or name that a request may hold."""


class Found:
    """Collects the broken rules of one request."""

    __slots__ = ("violations",)

    def __init__(self) -> None:
        self.violations: list[FieldViolation] = []

    def add(self, field: str, rule: str, reason: Reason = Reason.FIELD_INVALID) -> None:
        """Note one broken rule of the field at a path such as `order.limit_price`."""
        self.violations.append(FieldViolation(field, rule, reason))

    def check(self) -> None:
        """Raise InvalidRequest with everything found, if anything was."""
        if self.violations:
            raise InvalidRequest(tuple(self.violations))


def token_from(text: str, field: str, found: Found, reason: Reason = Reason.FIELD_INVALID) -> str:
    """Read a required id or symbol: 1 to 64 visible ASCII characters."""
    if not text:
        found.add(field, "is required", reason)
    elif len(text) > TEXT_LENGTH_MAX or not _visible(text):
        found.add(field, "must be 1 to 64 visible ASCII characters without blanks", reason)
    return text


def optional_token_from(text: str, field: str, found: Found, reason: Reason = Reason.FIELD_INVALID) -> str:
    """Read an id or symbol that may be left out."""
    return token_from(text, field, found, reason) if text else ""


def name_from(text: str, field: str, found: Found) -> str:
    """Read free text of up to 64 characters."""
    if len(text) > TEXT_LENGTH_MAX or not (text.isprintable() or not text):
        found.add(field, "must be at most 64 printable characters")
    return text


def enum_from(table: Mapping[int, T], number: int, field: str, found: Found, reason: Reason, otherwise: T) -> T:
    """Read a required enum; gives `otherwise` after noting that the number is unset or unknown."""
    known = table.get(number)
    if known is not None:
        return known
    rule = "is required" if number == 0 else f"has the unknown value {number}"
    found.add(field, rule, reason)
    return otherwise


def _visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
