"""The wire journal: every request that really arrived and what was answered, in order of arrival."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

_SECRET_NAMES: Final = frozenset(
    {
        "secret_key",
        "secret",
        "key_id",
        "key",
        "apiKey",
        "listenKey",
        "token",
        "oauth_token",
        "access_token",
        "refresh_token",
        "password",
        "accessToken",
        "refreshToken",
        "id_token",
        "client_secret",
        "clientSecret",
        "code",
        "code_verifier",
        "state",
    }
)
_SHOWN: Final = 4


@dataclass(slots=True)
class WireEntry:
    """One arrival. `status` stays None when no answer left; `handled` tells whether the dialect acted on it."""

    sequence: int
    time_ns: int
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""
    status: int | None = None
    answer: bytes = b""
    handled: bool = False
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Give the entry in JSON types, every secret masked."""
        return {
            "sequence": self.sequence,
            "time_ns": self.time_ns,
            "method": self.method,
            "path": self.path,
            "query": {name: _masked(name, value) for name, value in self.query.items()},
            "body": _readable(self.body),
            "status": self.status,
            "answer": _readable(self.answer),
            "handled": self.handled,
            "faults": self.faults,
        }


class WireJournal:
    """Keeps the latest `capacity` arrivals in memory and, when given a file, appends each answered one as a line.

    The file holds JSON Lines in the order of the answers; `sequence` gives the order of arrival.
    """

    def __init__(self, now_ns: Callable[[], int], *, capacity: int = 50_000, file: Path | None = None) -> None:
        self._now_ns = now_ns
        self._entries: deque[WireEntry] = deque(maxlen=capacity)
        self._sequence = 0
        self._file: TextIO | None = file.open("a", encoding="utf-8", buffering=1) if file else None

    def __iter__(self) -> Iterator[WireEntry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def arrived(self) -> int:
        """How many requests have arrived so far, also those no longer kept."""
        return self._sequence

    def open(self, method: str, path: str, query: Mapping[str, str]) -> WireEntry:
        """Note an arrival."""
        self._sequence += 1
        entry = WireEntry(self._sequence, self._now_ns(), method, path, query)
        self._entries.append(entry)
        return entry

    def note(self, method: str, path: str, body: bytes) -> None:
        """Note a websocket message, which has no answer of its own."""
        entry = self.open(method, path, {})
        entry.body = body
        entry.handled = True
        self.close(entry)

    def close(self, entry: WireEntry) -> None:
        """Note that an entry is complete."""
        if self._file is not None:
            self._file.write(json.dumps(entry.as_json(), separators=(",", ":")) + "\n")

    def select(self, *, after: int = 0, method: str = "", path: str = "") -> list[WireEntry]:
        """Give the entries after a sequence; `method` matches whole, `path` as a prefix."""
        return [
            entry
            for entry in self._entries
            if entry.sequence > after and method in {"", entry.method} and entry.path.startswith(path)
        ]

    def clear(self) -> None:
        """Forget the entries; sequences go on."""
        self._entries.clear()

    def shut(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _readable(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return _mask(json.loads(raw))
    except ValueError:
        return raw.decode("utf-8", "replace")


def _mask(value: Any) -> Any:
    match value:
        case dict():
            return {name: _masked(name, item) for name, item in value.items()}
        case list():
            return [_mask(item) for item in value]
        case _:
            return value


def _masked(name: str, value: Any) -> Any:
    if name in _SECRET_NAMES and isinstance(value, str):
        return "****" + value[-_SHOWN:] if name in {"key", "key_id"} else "****"
    return _mask(value)
