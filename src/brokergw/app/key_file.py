"""A file of credentials keys: base64, one a line, the primary first; what follows a `#` is a remark."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import structlog

from brokergw.app.secret_text import KEY_BYTES, SecretUnusable, decoded_key
from brokergw.store.vault.ring import KEYS_MAX, key_id_of

_Stamp: TypeAlias = tuple[int, int, int]

log = structlog.get_logger(__name__)


class KeyFile:
    """Reads the keys, and again where the file has changed; changes it whole, or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: _Stamp | None = None

    def read(self) -> Sequence[bytes]:
        """Read the keys; raises SecretUnusable for a file without usable keys, and OSError."""
        stamp = self._stamp()
        keys = [key for key in map(self._key_of, self._lines()) if key is not None]
        self._seen = stamp
        return keys

    def reread(self) -> Sequence[bytes] | None:
        """Read the keys where the file has changed since; None where it has not, or is not usable now."""
        try:
            return self.read() if self._stamp() != self._seen else None
        except (SecretUnusable, OSError) as error:
            log.warning("the file of credentials keys cannot be used; the old keys stay", why=_words(error))
            return None

    def add(self) -> str:
        """Make a key and put it behind the others, so that it opens and does not seal yet; gives its id.

        Raises ValueError where there are as many as there may be.
        """
        if len(self.read()) >= KEYS_MAX:
            raise ValueError(f"there are {KEYS_MAX} keys already: remove one first")
        key = os.urandom(KEY_BYTES)
        self._replace([*self._lines(), base64.b64encode(key).decode()])
        return key_id_of(key)

    def put_first(self, key_id: str) -> None:
        """Let a key seal from here on; raises ValueError where it is not in the file."""
        own, others = self._split(key_id)
        self._replace([*own, *others])

    def remove(self, key_id: str) -> None:
        """Take a key out; raises ValueError where it is not in the file."""
        _, others = self._split(key_id)
        self._replace(others)

    def _split(self, key_id: str) -> tuple[list[str], list[str]]:
        """Give the lines of one key, and all others."""
        lines = self._lines()
        own = [line for line in lines if (key := self._key_of(line)) is not None and key_id_of(key) == key_id]
        if not own:
            raise ValueError(f"there is no key {key_id} in {self._path}")
        return own, [line for line in lines if line not in own]

    def _lines(self) -> list[str]:
        return self._path.read_text(encoding="utf-8").splitlines()

    def _key_of(self, line: str) -> bytes | None:
        text = line.partition("#")[0].strip()
        return decoded_key(text, f"each line of {self._path}") if text else None

    def _replace(self, lines: Sequence[str]) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        # One that a change left behind that did not come to its end.
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def _stamp(self) -> _Stamp:
        found = self._path.stat()
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def _words(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)
