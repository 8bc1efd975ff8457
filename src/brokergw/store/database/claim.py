"""One process serves a SQLite file, and a lock that ends with the process proves which.

The lock stands on a file beside the database, because a process that opens and closes the database file itself would
drop the locks that it holds on it through SQLite.
"""

import fcntl
import os
from pathlib import Path


class StoreServed(RuntimeError):
    """Another process serves this SQLite file."""


class FileClaim:
    """Holds the lock beside a SQLite file, from `take` until `drop` or the end of the process."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.lock")
        self._file: int | None = None

    def take(self) -> None:
        """Take the lock; raises StoreServed when another process, or another store of this one, has it."""
        if self._file is not None:
            return
        file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise StoreServed(
                f"another process serves {self._path.name.removesuffix('.lock')} already: one process serves a SQLite"
                " store; several share a PostgreSQL"
            ) from None
        self._file = file

    def drop(self) -> None:
        """Give the lock up. The file stays: to remove it could take it from under somebody's lock."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
