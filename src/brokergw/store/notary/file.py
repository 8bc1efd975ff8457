"""Checkpoints outside the database: one file of JSON lines for each process's life, only ever added to."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from brokergw.store.notary.checkpoint import SignedCheckpoint

_PREFIX: Final = "checkpoints-"
_SUFFIX: Final = ".jsonl"


class CheckpointFile:
    """The file of one process, in a folder that is made; each line is on the disk when `append` returns."""

    def __init__(self, folder: Path, instance_id: str) -> None:
        self._path = folder / f"{_PREFIX}{instance_id}{_SUFFIX}"
        self._file: int | None = None

    def append(self, checkpoint: SignedCheckpoint) -> None:
        """Add a line; raises OSError, and leaves no part of it then."""
        file = self._open()
        size = os.fstat(file).st_size
        data = checkpoint.line().encode()
        try:
            _write(file, data)
        except OSError:
            os.ftruncate(file, size)
            raise

    def close(self) -> None:
        """Let go of the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
            folder = os.open(self._path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        return self._file


def _write(file: int, data: bytes) -> None:
    if os.write(file, data) != len(data):
        raise OSError("the disk took a part of a checkpoint only")
    os.fsync(file)


def files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Give the process and the path of every file of checkpoints in a folder."""
    for path in sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}")):
        yield path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX), path
