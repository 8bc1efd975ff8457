"""Which path leads to which endpoint."""

from collections.abc import Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote

_Endpoint = TypeVar("_Endpoint")


class Routes(Generic[_Endpoint]):
    """Endpoints by method and path; a star stands for one part of a path, still percent-encoded."""

    def __init__(self, table: Mapping[tuple[str, str], _Endpoint]) -> None:
        self._exact = table
        self._starred = [
            (method, path.split("/"), endpoint) for (method, path), endpoint in table.items() if "*" in path
        ]

    def find(self, method: str, path: str) -> tuple[_Endpoint | None, tuple[str, ...]]:
        """Give an endpoint with what stands where its stars do, decoded; a path without stars goes first."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact, ()
        parts = path.split("/")
        for known, pattern, endpoint in self._starred:
            if known != method or len(pattern) != len(parts):
                continue
            pairs = list(zip(pattern, parts, strict=True))
            if all(part == wanted or (wanted == "*" and part) for wanted, part in pairs):
                return endpoint, tuple(unquote(part) for wanted, part in pairs if wanted == "*")
        return None, ()
