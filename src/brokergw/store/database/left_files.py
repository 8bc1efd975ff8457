"""Files that a process holds by a lock for as long as it lives, so that the next one can tell which are left over."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def taken(path: Path) -> Iterator[str | None]:
    """Give the text of a file that no process holds, and hold it meanwhile; None where one does."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another process may have taken it over and removed it before the lock was ours.
        yield path.read_text() if os.fstat(file).st_nlink else None
    except BlockingIOError:
        yield None
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Bring to the disk which files a folder has."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
