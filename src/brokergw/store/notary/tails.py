"""How far the chains of a process are durable, beside the database: the rows that no checkpoint has signed yet.

One file of a process's life has a line of one length for each of its chains, written over after every commit. Nothing
waits for the disk, so a line outlives the process and not the machine. It is not signed, and proves nothing by itself:
but a row that it knows of was there, whatever the database says now. Who ended in order leaves no such file, since a
checkpoint has signed all of it.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from brokergw.store.audit.chain import Head

_log = logging.getLogger(__name__)

_PREFIX: Final = "heads-"
_SUFFIX: Final = ".txt"
_LINE: Final = 192
_SUM: Final = 16
"""Digits of a line's own checksum: what a machine has left half written is told from what somebody else has."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A row that was durable, and when that was noted (Unix nanoseconds)."""

    head: Head
    time_ns: int


class TailFile:
    """Notes the heads of one process's chains; called from several threads, each with a chain of its own."""

    def __init__(self, folder: Path, instance_id: str, now_ns: Callable[[], int]) -> None:
        self._path = folder / f"{_PREFIX}{instance_id}{_SUFFIX}"
        self._now_ns = now_ns
        self._places: dict[str, int] = {}
        self._lock = threading.Lock()
        self._file: int | None = None
        self._failing = False

    def note(self, head: Head) -> None:
        """Note the last row of a chain that is durable. What cannot be noted is told in the log, once."""
        place = self._places.get(head.chain)
        try:
            if place is None or self._file is None:
                place = self._place(head.chain)
            assert self._file is not None
            os.pwrite(self._file, _line(head, self._now_ns()), place)
            self._failing = False
        except OSError as error:
            if not self._failing:
                _log.error("the end of the audit log is not noted: %s", type(error).__name__)
            self._failing = True

    def close(self, *, signed: bool) -> None:
        """Let go of the file, which is not needed any more where a checkpoint has `signed` everything."""
        with self._lock:
            file, self._file = self._file, None
            if file is None:
                return
            os.close(file)
            if signed:
                self._path.unlink(missing_ok=True)

    def _place(self, chain: str) -> int:
        with self._lock:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            return self._places.setdefault(chain, len(self._places) * _LINE)


def _line(head: Head, time_ns: int) -> bytes:
    told = f"{head.chain} {head.sequence} {head.hash} {time_ns}"
    return f"{told} {_sum(told)}".ljust(_LINE - 1).encode() + b"\n"


def _sum(told: str) -> str:
    return hashlib.sha256(told.encode()).hexdigest()[:_SUM]


def _read(line: str) -> Noted | None:
    told, _, found = line.rstrip().rpartition(" ")
    if not told or found != _sum(told):
        return None
    chain, sequence, hash_, time_ns = told.split(" ")
    return Noted(Head(chain, int(sequence), hash_), int(time_ns))


def tails_in(folder: Path) -> Iterator[tuple[Path, Sequence[Noted]]]:
    """Give the path of every file of heads in a folder, and what it notes; a line that is not whole is left out."""
    for path in sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}")):
        try:
            lines = path.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            # Its process has just ended in order.
            continue
        yield path, [noted for line in lines if (noted := _read(line)) is not None]
