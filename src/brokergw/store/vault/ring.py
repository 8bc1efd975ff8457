"""The key-encryption keys: the first one wraps new data keys, each of them unwraps what it wrapped."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_log = logging.getLogger(__name__)

KEY_BYTES: Final = 32
KEYS_MAX: Final = 8
"""More than one is for the time of a rotation; many are a mistake."""

_KEY_ID_CONTEXT: Final = b"brokergw credentials key id\x1f"


def key_id_of(key: bytes) -> str:
    """Name a key by sixteen hex digits that tell nothing of it."""
    return hashlib.sha256(_KEY_ID_CONTEXT + key).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """One key of 32 bytes; prints its id alone."""

    key_id: str
    cipher: AESGCM = field(repr=False)

    @classmethod
    def of(cls, key: bytes) -> Self:
        """Take a key; raises ValueError for one of another length."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"the credentials key must be {KEY_BYTES} bytes, not {len(key)}")
        return cls(key_id_of(key), AESGCM(key))


class KeyRing:
    """Holds the keys by their ids. With `reread` it looks whether there are others by now, as a file of keys may have.

    `reread` gives the keys where they have changed since it was last asked, and None where they have not.
    """

    def __init__(self, keys: Sequence[bytes], reread: Callable[[], Sequence[bytes] | None] | None = None) -> None:
        self._reread = reread
        self._keys = _by_id(keys)

    @property
    def primary(self) -> KeyEncryptionKey:
        """The key that wraps."""
        return next(iter(self))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the primary's first."""
        return tuple(self._keys)

    def find(self, key_id: str) -> KeyEncryptionKey | None:
        """Give the key of an id; where none has it, the keys are read again first."""
        if key_id not in self._keys:
            self.refresh()
        return self._keys.get(key_id)

    def refresh(self) -> bool:
        """Take over other keys where there are any; tells whether there were. Keys that make no ring are left alone."""
        keys = self._reread() if self._reread is not None else None
        if keys is None:
            return False
        try:
            changed = _by_id(keys)
        except ValueError as error:
            _log.warning("the credentials keys cannot be used; the old ones stay: %s", error)
            return False
        same = tuple(changed) == self.ids
        self._keys = changed
        return not same

    def __iter__(self) -> Iterator[KeyEncryptionKey]:
        return iter(self._keys.values())

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.ids)})"


def _by_id(keys: Sequence[bytes]) -> dict[str, KeyEncryptionKey]:
    if not 0 < len(keys) <= KEYS_MAX:
        raise ValueError(f"there must be one credentials key at least and {KEYS_MAX} at most, not {len(keys)}")
    ring = {key.key_id: key for key in map(KeyEncryptionKey.of, keys)}
    if len(ring) < len(keys):
        raise ValueError("a credentials key is there twice")
    return ring
