"""What this process knows to be secret, so that the last defence of its logs can find it by its very characters.

Patterns find what looks like a key. A password looks like nothing: it is found because it is known. Values are known
for as long as whoever holds them lives, in the forms in which they are usually written.
"""

import base64
import re
import threading
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote

STARS: Final = "***"
LENGTH_MIN: Final = 8
"""Shorter values are not looked for: they would be found everywhere."""

_LENGTH_MAX: Final = 4_096
_FEW: Final = 256
_WORD: Final = re.compile(r"[A-Za-z0-9+/=_%.~-]")
_BASE64_BYTES: Final = 3
_URL_ALPHABET: Final = str.maketrans("+/", "-_")


class KnownSecrets:
    """Values, and their pieces of eight characters; each counts how many holders have it.

    A piece in which no letter stands beside a digit does not count by itself: it may be a word of our own, and nobody
    shall blot out the log by taking its words for a password. Such values are looked for as a whole.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: Counter[str] = Counter()
        self._whole: dict[str, Counter[str]] = {}
        # A holder may be collected at any step of ours, so what it leaves is taken up later.
        self._left: deque[tuple[str, ...]] = deque()

    def hold(self, holder: object, values: Iterable[str]) -> None:
        """Know some values until their holder is gone."""
        kept = tuple(value for value in values if LENGTH_MIN <= len(value) <= _LENGTH_MAX)
        if kept:
            self.keep(kept)
            weakref.finalize(holder, self._left.append, kept).atexit = False

    def keep(self, values: Iterable[str]) -> None:
        """Know some values until the process ends."""
        with self._lock:
            for value in values:
                if LENGTH_MIN <= len(value) <= _LENGTH_MAX:
                    self._count(value, 1)

    def masked(self, text: str) -> str:
        """Put stars in place of every known value, with the word it stands in."""
        with self._lock:
            while self._left:
                for value in self._left.popleft():
                    self._count(value, -1)
            spots = sorted(self._spots(text))
        return _starred(text, spots) if spots else text

    def _spots(self, text: str) -> Iterator[tuple[int, int]]:
        for piece in _present(self._pieces, text):
            yield from _places(text, piece)
        for piece in _present(self._whole, text):
            for value in self._whole[piece]:
                yield from _places(text, value)

    def _count(self, value: str, by: int) -> None:
        for form in _forms(value):
            begins = form[:LENGTH_MIN]
            _add(self._whole.setdefault(begins, Counter()), form, by)
            if not self._whole[begins]:
                del self._whole[begins]
        for piece in _telling(value):
            _add(self._pieces, piece, by)


KNOWN: Final = KnownSecrets()
"""What this process holds. `Credentials` of every broker enter by themselves."""


def _forms(value: str) -> set[str]:
    """Give a value as it is, and as it is written in base64, hexadecimal, addresses and Python."""
    data = value.encode(errors="replace")
    forms = {value, data.hex(), quote(data, safe=""), repr(value)[1:-1]}
    for shift in range(_BASE64_BYTES):
        # What stands before a value in the same base64 text shifts all of its characters; those at its edges depend on
        # its neighbours too.
        padded = b"\0" * shift + data
        text = base64.b64encode(padded[: len(padded) - len(padded) % _BASE64_BYTES]).decode()[4 if shift else 0 :]
        forms |= {text, text.translate(_URL_ALPHABET)}
    return {form for form in forms if len(form) >= LENGTH_MIN}


def _telling(value: str) -> set[str]:
    pieces = {value[at : at + LENGTH_MIN] for at in range(len(value) - LENGTH_MIN + 1)}
    return {piece for piece in pieces if any(map(str.isdigit, piece)) and any(map(str.isalpha, piece))}


def _add(counted: Counter[str], value: str, by: int) -> None:
    counted[value] += by
    if counted[value] <= 0:
        del counted[value]


def _present(known: Mapping[str, object], text: str) -> list[str]:
    """Give the pieces that a text has, by the cheaper of two ways to look."""
    if len(known) <= _FEW:
        return [piece for piece in known if piece in text]
    pieces = {text[at : at + LENGTH_MIN] for at in range(len(text) - LENGTH_MIN + 1)}
    return [piece for piece in pieces if piece in known]


def _places(text: str, value: str) -> Iterator[tuple[int, int]]:
    at = text.find(value)
    while at >= 0:
        yield at, at + len(value)
        at = text.find(value, at + 1)


def _starred(text: str, spots: Iterable[tuple[int, int]]) -> str:
    parts: list[str] = []
    done = 0
    for start, stop in spots:
        if stop <= done:
            continue
        first, last = max(start, done), stop
        while first > done and _WORD.match(text[first - 1]):
            first -= 1
        while last < len(text) and _WORD.match(text[last]):
            last += 1
        if first > done or not parts:
            parts += [text[done:first], STARS]
        done = last
    return "".join([*parts, text[done:]])
