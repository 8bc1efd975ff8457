"""A file of credentials keys: base64, one a line, the primary first; what follows a `#` is a remark."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import structlog

from brokergw.app.secret_text import SecretUnusable, decoded_key

_Stamp: TypeAlias = tuple[int, int, int]

log = structlog.get_logger(__name__)


class KeyFile:
    """Reads the keys, and again where the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: _Stamp | None = None

    def read(self) -> Sequence[bytes]:
        """Read the keys; raises SecretUnusable for a file without usable keys, and OSError."""
        stamp = self._stamp()
        lines = (line.partition("#")[0].strip() for line in self._path.read_text(encoding="utf-8").splitlines())
        keys = [decoded_key(line, f"each line of {self._path}") for line in lines if line]
        self._seen = stamp
        return keys

    def reread(self) -> Sequence[bytes] | None:
        """Read the keys where the file has changed since; None where it has not, or is not usable now."""
        try:
            return self.read() if self._stamp() != self._seen else None
        except (SecretUnusable, OSError) as error:
            log.warning("the file of credentials keys cannot be used; the old keys stay", why=_words(error))
            return None

    def _stamp(self) -> _Stamp:
        found = self._path.stat()
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def _words(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)
