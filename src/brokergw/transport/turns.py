"""Reading large JSON in turns: the parser holds the event loop up while it runs, a second for 16 MiB of numbers.

A text is read in pieces that take a millisecond or so each, with a rest between them in which everybody else works.
What fits into a window is left to the parser in C; only what is larger is walked through here, element by element. It
reads what `rows.read_json` reads, but for containers that nest deeper than anybody's while they are that large.
"""

import asyncio
import re
from collections.abc import Generator
from json import decoder
from typing import Any, Final, TypeAlias

from brokergw.transport.rows import DECODER, ReadBytes, ReadText, Unusable

LARGE: Final = 32 * 1024
"""What is smaller is read in one go."""

VALUES_MAX: Final = 300_000
"""As objects each value takes a hundred bytes, however short it was written."""
_WINDOW: Final = 16 * 1024
_ELEMENTS: Final = 200
"""A piece of work ends after so many elements, or after a window's worth of text."""
_REST_S: Final = 0.004
_DEPTH_MAX: Final = 64
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_MAY_BE_LARGE: Final = frozenset('"[{')
_LARGER: Final = object()

_Walking: TypeAlias = Generator[None, None, Any]


async def read_in_turns(
    data: bytes | str, one_at_a_time: asyncio.Lock, values_max: int = VALUES_MAX
) -> ReadBytes | ReadText:
    """Give the same data with the document that it holds, which `read_json` then takes as it is."""
    async with one_at_a_time:
        document = await _document(data, values_max)
    return ReadText(data, document) if isinstance(data, str) else ReadBytes(data, document)


async def _document(data: bytes | str, values_max: int) -> Any:
    comma: Any = "," if isinstance(data, str) else b","
    if data.count(comma) >= values_max:
        return Unusable("the answer holds too much")
    try:
        walk = _Walk(data if isinstance(data, str) else data.decode()).whole()
        while True:
            next(walk)
            await asyncio.sleep(_REST_S)
    except StopIteration as end:
        return end.value
    except (ValueError, RecursionError):
        return Unusable("the answer is no JSON")


def _text_at(whole: str, at: int) -> tuple[str, int]:
    """Read a text behind its opening quote, and tell where it ends."""
    found: tuple[str, int] = decoder.scanstring(whole, at, True)  # type: ignore[attr-defined]
    return found


class _Walk:
    """One text, and how far it is read; a generator that yields wherever it may rest, and returns the document."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._work = 0

    def whole(self) -> _Walking:
        """Read one value, and nothing but space around it."""
        self._skip_space()
        document = yield from self._value(0)
        self._skip_space()
        if self._at < len(self._text):
            raise ValueError("something follows")
        return document

    def _value(self, depth: int) -> _Walking:
        if self._peek() not in _MAY_BE_LARGE:
            # The parser reads a number, or a word, and no further; or there is nothing, which it says.
            value, self._at = DECODER.raw_decode(self._text, self._at)
            self._work += 1
            return value
        value = self._in_window()
        if value is not _LARGER:
            return value
        if depth > _DEPTH_MAX:
            raise ValueError("nested too deep")
        first = self._next()
        if first == "{":
            return (yield from self._object(depth + 1))
        if first == "[":
            return (yield from self._array(depth + 1))
        text, self._at = _text_at(self._text, self._at)
        return text

    def _array(self, depth: int) -> _Walking:
        items: list[Any] = []
        flat = True
        self._skip_space()
        if self._peek() == "]":
            self._at += 1
            return items
        while True:
            if flat := flat and self._several("[", items, "]"):
                yield from self._rest()
                continue
            items.append((yield from self._value(depth)))
            if self._ends("]"):
                return items
            yield from self._rest()

    def _object(self, depth: int) -> _Walking:
        members: dict[str, Any] = {}
        flat = True
        self._skip_space()
        if self._peek() == "}":
            self._at += 1
            return members
        while True:
            if flat := flat and self._several("{", members, "}"):
                yield from self._rest()
                continue
            if self._next() != '"':
                raise ValueError("no name")
            name, self._at = _text_at(self._text, self._at)
            self._skip_space()
            if self._next() != ":":
                raise ValueError("no value")
            self._skip_space()
            members[name] = yield from self._value(depth)
            if self._ends("}"):
                return members
            yield from self._rest()

    def _in_window(self) -> Any:
        """Read a container or a text that ends within the window; `_LARGER` where it does not, or is none."""
        piece = self._text[self._at : self._at + _WINDOW]
        try:
            value, end = DECODER.raw_decode(piece)
        except (ValueError, RecursionError):
            self._work += _ELEMENTS
            return _LARGER
        self._at += end
        self._work += 1 + end * _ELEMENTS // _WINDOW
        return value

    def _several(self, opening: str, into: Any, closing: str) -> bool:
        """Read elements up to the last comma in the window, if that is one between elements."""
        piece = self._text[self._at : self._at + _WINDOW]
        cut = piece.rfind(",")
        if cut < 0 or piece[0] in "[{":
            return False
        self._work += _ELEMENTS
        try:
            found = DECODER.decode(f"{opening}{piece[:cut]}{closing}")
        except (ValueError, RecursionError):
            return False
        if not found:
            return False
        if isinstance(into, list):
            into.extend(found)
        else:
            into.update(found)
        self._at += cut + 1
        self._skip_space()
        return True

    def _ends(self, closing: str) -> bool:
        """Step over the comma behind an element, or over the end."""
        self._skip_space()
        following = self._next()
        if following == closing:
            return True
        if following != ",":
            raise ValueError("no comma")
        self._skip_space()
        return False

    def _rest(self) -> Generator[None, None, None]:
        if self._work >= _ELEMENTS:
            self._work = 0
            yield

    def _skip_space(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None, "it matches nothing, too"
        self._at = space.end()

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        self._at += 1
        return character
