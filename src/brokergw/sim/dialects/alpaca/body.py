"""Reading requests as tolerantly as Alpaca does: strings or numbers, null or empty for absent."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from brokergw.sim.dialects.alpaca.refusals import ApiError, malformed

_BAD_BODY: Final = 40010000
_TRUE: Final = frozenset({"true", "1", "t"})
_FALSE: Final = frozenset({"false", "0", "f", ""})
_PLACES_MAX: Final = 9


def _no_constant(_: str) -> Any:
    raise ValueError("not JSON")


_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


def document(raw: bytes) -> dict[str, Any]:
    """Decode a JSON object without losing digits; raises a 400 for anything else."""
    try:
        decoded = _DECODER.decode(raw.decode())
    except ValueError:
        raise ApiError(400, _BAD_BODY, "request body format is invalid") from None
    if not isinstance(decoded, dict):
        raise ApiError(400, _BAD_BODY, "request body format is invalid")
    return decoded


def word(body: Mapping[str, Any], name: str) -> str:
    """Read a text; null and absence are empty."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise malformed(f"invalid {name}")
    return value


def number(body: Mapping[str, Any], name: str) -> Decimal | None:
    """Read a decimal given as a string or a number; null, empty and absence are None."""
    value = body.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise malformed(f"invalid {name}")
    try:
        parsed = Decimal(value)
    except InvalidOperation:
        raise malformed(f"invalid {name}") from None
    if not parsed.is_finite() or abs(parsed) >= 10**15:
        raise malformed(f"invalid {name}")
    return parsed


def flag(body: Mapping[str, Any], name: str) -> bool:
    """Read a boolean given as such or in words; null, empty and absence are false."""
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    return query_flag({name: value} if isinstance(value, str) else {name: "?"}, name)


def query_flag(query: Mapping[str, str], name: str) -> bool:
    """Read a boolean from a query, in any capitalisation."""
    value = query.get(name, "").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise malformed(f"invalid {name}")


def query_whole(query: Mapping[str, str], name: str, default: int, largest: int) -> int:
    """Read a whole number from 1 up to a limit."""
    value = query.get(name, "")
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= largest:
        raise malformed(f"{name} must be between 1 and {largest}")
    return int(value)


def query_list(query: Mapping[str, str], name: str) -> frozenset[str]:
    """Read comma-separated words."""
    return frozenset(part.strip() for part in query.get(name, "").split(",") if part.strip())


def query_time(query: Mapping[str, str], name: str) -> int | None:
    """Read a time (RFC 3339, nanoseconds kept, or a date) as Unix nanoseconds."""
    value = query.get(name, "")
    if not value:
        return None
    # A plus sign that was not percent-encoded arrives as a blank.
    plain = value.strip().replace(" ", "+")
    head, _, rest = plain.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    try:
        moment = datetime.fromisoformat(head + rest[len(digits) :])
    except ValueError:
        raise malformed(f"invalid {name}") from None
    seconds = int(moment.timestamp()) if moment.tzinfo else int(moment.replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000_000 + int(digits[:_PLACES_MAX].ljust(_PLACES_MAX, "0") or "0")


def places(value: Decimal) -> int:
    """Count the fractional digits that matter."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
