"""Secrets that sing: made for one run, and found again in whatever form they come out."""

import base64
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

PIECE: Final = 8
"""So many neighbouring characters of a secret are a find."""

_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


def canary(length: int = 40) -> str:
    """Make a secret that no other text has a piece of."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def key_of_32_bytes() -> str:
    """Make a key in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _windows(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


def _pieces(data: bytes) -> Iterator[str]:
    """Give what tells of eight neighbouring bytes in each way to write them."""
    if data.isascii():
        yield from _windows(data.decode(), PIECE)
    yield from _windows(data.hex(), 2 * PIECE)
    yield from _windows(data.hex().upper(), 2 * PIECE)
    yield from _windows("".join(f"%{byte:02x}" for byte in data), 3 * PIECE)
    yield from _windows("".join(f"%{byte:02X}" for byte in data), 3 * PIECE)
    yield from _windows("".join(f"\\x{byte:02x}" for byte in data), 4 * PIECE)
    for shift in range(3):
        padded = b"\0" * shift + data
        text = base64.b64encode(padded[: len(padded) // 3 * 3]).decode()[4 if shift else 0 :]
        yield from _windows(text, PIECE + 2)
        yield from _windows(text.translate(str.maketrans("+/", "-_")), PIECE + 2)


class Planted:
    """Every secret of a run by its name."""

    def __init__(self) -> None:
        self._values: dict[str, list[bytes]] = {}

    def plant(self, name: str, value: str) -> str:
        """Remember a secret, and give it back. What is base64 counts decoded as well."""
        self._values.setdefault(name, []).append(value.encode())
        if value.endswith("="):
            self._values[name].append(base64.b64decode(value))
        return value

    @property
    def names(self) -> set[str]:
        """What was planted."""
        return set(self._values)

    def texts(self, *names: str) -> list[str]:
        """Give the secrets as they were planted."""
        return [self._values[name][0].decode() for name in (names or self._values)]

    def found_in(self, places: Mapping[str, bytes]) -> dict[str, set[str]]:
        """Give, for each secret of which a piece is somewhere, where."""
        known = {
            size: {piece.encode(): name for piece, name in self._all_pieces() if len(piece) == size}
            for size in {len(piece) for piece, _ in self._all_pieces()}
        }
        found: dict[str, set[str]] = {}
        for place, data in places.items():
            for name in _names_in(data, known):
                found.setdefault(name, set()).add(place)
        return found

    def _all_pieces(self) -> Iterator[tuple[str, str]]:
        for name, values in self._values.items():
            for value in values:
                yield from ((piece, name) for piece in _pieces(value))


def _names_in(data: bytes, known: Mapping[int, Mapping[bytes, str]]) -> Iterable[str]:
    for size, pieces in known.items():
        there = {data[at : at + size] for at in range(len(data) - size + 1)}
        yield from (pieces[piece] for piece in there & pieces.keys())
