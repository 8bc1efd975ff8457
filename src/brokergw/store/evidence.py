"""Evidence as lines of JSON in a folder that outlives the process: one file for each process, there while it is needed.

A process holds a lock on its own file; whoever opens the folder takes over the files that nobody holds any more. So
several processes may share a folder, and what a dead one kept comes to the next one that starts.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

from brokergw.ports.evidence import Evidence
from brokergw.store.database.left_files import sync_folder, taken

_log = logging.getLogger(__name__)

_PATTERN: Final = "evidence-*.jsonl"


class JsonLinesEvidence:
    """Implements `ports.evidence.EvidenceFile`; makes the folder. Raises OSError where that cannot be used."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"evidence-{uuid4().hex}.jsonl"
        self._file: int | None = None
        self._lock = threading.Lock()
        self._kept: list[Evidence] = []
        with contextlib.ExitStack() as stack:
            left = [(path, stack.enter_context(taken(path))) for path in sorted(folder.glob(_PATTERN))]
            abandoned = [(path, text) for path, text in left if text is not None]
            for evidence in (each for path, text in abandoned for each in _unsettled(path, text)):
                self._keep(evidence)
            for path, _ in abandoned:
                path.unlink()

    async def keep(self, evidence: Evidence) -> None:
        """Keep an answer; it is on the disk when this returns."""
        await asyncio.to_thread(self._keep, evidence)

    def all(self) -> Sequence[Evidence]:
        """Give every answer that no record has settled, oldest first."""
        with self._lock:
            return tuple(self._kept)

    async def settled(self, order_id: str) -> None:
        """Forget the answers about an order."""
        await asyncio.to_thread(self._settle, order_id)

    def close(self) -> None:
        """Let go of the file; one that holds nothing is removed."""
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                if not self._kept:
                    self._path.unlink()
                os.close(file)

    def _keep(self, evidence: Evidence) -> None:
        with self._lock:
            self._append({"order_id": evidence.order_id, "attempt": evidence.attempt, "outcome": evidence.outcome})
            self._kept.append(evidence)

    def _settle(self, order_id: str) -> None:
        with self._lock:
            left = [each for each in self._kept if each.order_id != order_id]
            if len(left) == len(self._kept):
                return
            if left:
                self._append({"settled": order_id})
            elif self._file is not None:
                os.ftruncate(self._file, 0)
            self._kept = left

    def _append(self, line: dict[str, str | int]) -> None:
        file = self._open()
        size = os.fstat(file).st_size
        data = f"{json.dumps(line)}\n".encode()
        try:
            _write(file, data)
        except OSError:
            # Half a line would spoil the next one.
            with contextlib.suppress(OSError):
                os.ftruncate(file, size)
            raise

    def _open(self) -> int:
        if self._file is None:
            file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            self._file = file
            sync_folder(self._path.parent)
        return self._file


def _write(file: int, data: bytes) -> None:
    if os.write(file, data) != len(data):
        raise OSError("the disk took a part of a line only")
    os.fsync(file)


def _unsettled(path: Path, text: str) -> list[Evidence]:
    kept: list[Evidence] = []
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            _log.warning("a line of %s was cut when its process ended", path.name)
            continue
        if "settled" in found:
            kept = [each for each in kept if each.order_id != found["settled"]]
        else:
            kept.append(Evidence(found["order_id"], found["attempt"], found["outcome"]))
    return kept
