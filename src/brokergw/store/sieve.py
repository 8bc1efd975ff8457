"""A sieve that knows for certain that an idempotency key is fresh, without asking the database.

Nearly every key is fresh, and asking for each costs a way to another thread and back. The sieve is a Bloom filter over
the keys on record: "no" is certain, "maybe" sends the question to the database. It only ever saves a question: whether
a key is taken is decided by the claim itself, so a key that another process claimed meanwhile is still refused.
"""

import hashlib
from typing import Final

from brokergw.ports.journal import KeyScope

KEYS_MAX: Final = 4_000_000
"""A record with more keys than this is not read in; the database is asked for each key then."""

_BITS: Final = 1 << 26
_PROBES: Final = 4
_PROBE_BYTES: Final = 4


class KeySieve:
    """16 bits for each of four million keys: 8 MiB, and one wrong "maybe" in some four hundred."""

    def __init__(self) -> None:
        self._bits = bytearray(_BITS // 8)
        self.complete = False
        """Whether every key on record has gone in; before that nothing is certain."""

    def add(self, scope: KeyScope) -> None:
        """Note a key that is, or is about to be, claimed."""
        for place in _places(scope):
            self._bits[place >> 3] |= 1 << (place & 7)

    def absorb(self, other: "KeySieve") -> None:
        """Note every key that another sieve has noted."""
        both = int.from_bytes(self._bits) | int.from_bytes(other._bits)  # noqa: SLF001 - one of its own kind
        self._bits = bytearray(both.to_bytes(len(self._bits)))

    def is_fresh(self, scope: KeyScope) -> bool:
        """Tell whether a key was certainly never noted."""
        return self.complete and not all(self._bits[place >> 3] >> (place & 7) & 1 for place in _places(scope))


def _places(scope: KeyScope) -> list[int]:
    name = f"{scope.user_id}\x1f{scope.method}\x1f{scope.key}".encode()
    digest = hashlib.blake2b(name, digest_size=_PROBES * _PROBE_BYTES).digest()
    return [
        int.from_bytes(digest[start : start + _PROBE_BYTES]) & (_BITS - 1)
        for start in range(0, _PROBES * _PROBE_BYTES, _PROBE_BYTES)
    ]
