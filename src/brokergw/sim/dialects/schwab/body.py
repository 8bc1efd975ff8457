"""Reading the body of an order request: prices and quantities come as numbers or as texts."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from brokergw.sim.dialects.schwab.refusals import invalid


def document(raw: bytes) -> dict[str, Any]:
    """Parse a body that must be an object; raises ApiError."""
    try:
        parsed = json.loads(raw, parse_float=Decimal)
    except ValueError:
        raise invalid("The request body is not valid JSON") from None
    if not isinstance(parsed, dict):
        raise invalid("The request body must be an object")
    return parsed


def word(body: Mapping[str, Any], name: str, allowed: Mapping[str, object] | frozenset[str]) -> str:
    """Read a word that must be one of some; raises ApiError."""
    value = body.get(name)
    if not isinstance(value, str) or value not in allowed:
        raise invalid(f"{name} is not one of the values allowed")
    return value


def amount(body: Mapping[str, Any], name: str) -> Decimal | None:
    """Read a number that may be absent; raises ApiError."""
    value = body.get(name)
    if value is None:
        return None
    try:
        read = Decimal(str(value)) if not isinstance(value, bool) else Decimal("nan")
    except InvalidOperation:
        read = Decimal("nan")
    if not read.is_finite():
        raise invalid(f"{name} must be a number")
    return read


def rows(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Read a list of objects, empty when absent; raises ApiError."""
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(f"{name} must be a list of objects")
    return value
