"""JSON as tokens and key sets may have it: one object, no name twice, nothing that other readers read otherwise."""

import json
from typing import Any


class NotStrict(ValueError):
    """The text is not one strict JSON object."""


def strict_object(body: bytes) -> dict[str, Any]:
    """Read an object; raises NotStrict for anything else, for a repeated name at any depth, and for NaN."""
    try:
        read = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refused)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise NotStrict("no strict JSON") from None
    if not isinstance(read, dict):
        raise NotStrict("no JSON object")
    return read


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise NotStrict("a name is there twice")
    return read


def _refused(constant: str) -> Any:
    raise NotStrict(f"{constant} is no JSON")
