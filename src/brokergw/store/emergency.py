"""The emergency journal: chained lines of JSON in a file whose room is taken when the process starts.

So it can be written when the disk is full, and it never grows: each cancel has three lines at most, and only so many
cancels are taken as have room for all of theirs. Each line carries the hash over itself and the line before. A line
that does not fit ends what is believed of a left file; the file is then kept for a person to look at.

A process holds a lock on its own file; whoever opens the folder takes over the files that nobody holds any more.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from brokergw.ports.emergency import EmergencyCancel, EmergencyFull
from brokergw.store.database.left_files import sync_folder, taken

_log = logging.getLogger(__name__)

ENTRIES_MAX: Final = 1_000
"""How many cancels have room, until all of them are on the record."""

_PATTERN: Final = "emergency-*.jsonl"
_LINE_BYTES_MAX: Final = 2_048
_LINES_EACH: Final = 3
_EMPTY: Final = "\0"


class JsonLinesEmergency:
    """Implements `ports.emergency.EmergencyJournal`; makes the folder. Raises OSError where it cannot be used."""

    def __init__(self, folder: Path, *, entries_max: int = ENTRIES_MAX) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / f"emergency-{uuid4().hex}.jsonl"
        self._entries_max = entries_max
        self._lock = threading.Lock()
        self._pending: dict[str, EmergencyCancel] = {}
        self._begin()
        self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.posix_fallocate(self._file, 0, entries_max * _LINES_EACH * _LINE_BYTES_MAX)
        os.fsync(self._file)
        self._take_over()
        sync_folder(folder)

    async def asked(self, entry: EmergencyCancel) -> None:
        """Keep a cancel that is about to be asked for."""
        await asyncio.to_thread(self._ask, entry)

    async def answered(self, entry_id: str, ending: str, decision: str, time_ns: int) -> None:
        """Keep what the broker said."""
        await asyncio.to_thread(self._answer, entry_id, ending, decision, time_ns)

    def pending(self) -> Sequence[EmergencyCancel]:
        """Give every cancel that is not on the record, oldest first."""
        with self._lock:
            return tuple(self._pending.values())

    async def recorded(self, entry_ids: Sequence[str]) -> None:
        """Forget cancels; with the last one the file begins anew."""
        await asyncio.to_thread(self._forget, entry_ids)

    def close(self) -> None:
        """Let go of the file; one that holds nothing is removed."""
        with self._lock:
            if not self._pending:
                self._path.unlink(missing_ok=True)
            os.close(self._file)

    def _begin(self) -> None:
        self._end = self._count = 0
        self._hash = _hash("", self._path.name)

    def _ask(self, entry: EmergencyCancel) -> None:
        with self._lock:
            if self._count >= self._entries_max:
                raise EmergencyFull(f"{self._count} cancels wait for the record already")
            self._append({"asked": asdict(entry)})
            self._count += 1
            self._pending[entry.entry_id] = entry

    def _answer(self, entry_id: str, ending: str, decision: str, time_ns: int) -> None:
        with self._lock:
            told = {"answered": entry_id, "ending": ending, "decision": decision, "time_ns": time_ns}
            if len(json.dumps(told)) > _LINE_BYTES_MAX - len(self._hash) - 20:
                # What the key came to is then found out again; that the broker was asked is what must not be lost.
                told["decision"] = decision = ""
            self._append(told)
            entry = replace(self._pending[entry_id], ending=ending, decision=decision, answer_time_ns=time_ns)
            self._pending[entry_id] = entry

    def _forget(self, entry_ids: Sequence[str]) -> None:
        with self._lock:
            self._append(*({"recorded": entry_id} for entry_id in entry_ids))
            for entry_id in entry_ids:
                self._pending.pop(entry_id, None)
            if not self._pending:
                _write(self._file, bytes(self._end), 0)
                self._begin()

    def _append(self, *lines: dict[str, Any]) -> None:
        """Write lines, all of them or none."""
        data, digest = b"", self._hash
        for line in lines:
            digest = _hash(digest, json.dumps(line))
            written = f"{json.dumps({**line, 'hash': digest})}\n".encode()
            if len(written) > _LINE_BYTES_MAX:
                raise OSError(f"a line of {len(written)} bytes does not fit")
            data += written
        try:
            _write(self._file, data, self._end)
        except OSError:
            # Half a line would end what is believed of the file.
            with contextlib.suppress(OSError):
                _write(self._file, bytes(len(data)), self._end)
            raise
        self._end += len(data)
        self._hash = digest

    def _take_over(self) -> None:
        for path in sorted(self._folder.glob(_PATTERN)):
            if path == self._path:
                continue
            with taken(path) as text:
                if text is None:
                    continue
                entries, whole = read_lines(path.name, text.split(_EMPTY, 1)[0])
                if self._count + len(entries) > self._entries_max:
                    _log.error("the emergency journal %s waits for a later start: there is no room", path.name)
                    continue
                for entry in entries:
                    self._ask(entry)
                    if entry.ending:
                        self._answer(entry.entry_id, entry.ending, entry.decision, entry.answer_time_ns)
                if whole:
                    path.unlink()
                else:
                    _log.error("the emergency journal %s was changed by somebody else, or cut; it is kept", path.name)
                    path.rename(path.with_suffix(".bent"))


def read_lines(name: str, text: str) -> tuple[list[EmergencyCancel], bool]:
    """Read the cancels that a file has and no record, and whether every line of it fits the one before."""
    pending: dict[str, EmergencyCancel] = {}
    known = _hash("", name)
    for line in text.splitlines():
        try:
            found = json.loads(line)
            told = found.pop("hash")
            if told != _hash(known, json.dumps(found)):
                return list(pending.values()), False
            _read(found, pending)
        except (ValueError, KeyError, TypeError, AttributeError):
            return list(pending.values()), False
        known = told
    return list(pending.values()), True


def _read(found: dict[str, Any], pending: dict[str, EmergencyCancel]) -> None:
    if "asked" in found:
        entry = EmergencyCancel(**found["asked"])
        pending[entry.entry_id] = entry
    elif "answered" in found:
        pending[found["answered"]] = replace(
            pending[found["answered"]],
            ending=found["ending"],
            decision=found["decision"],
            answer_time_ns=found["time_ns"],
        )
    else:
        del pending[found["recorded"]]


def _hash(previous: str, line: str) -> str:
    return hashlib.sha256(f"brokergw.emergency.v1\n{previous}\n{line}".encode()).hexdigest()


def _write(file: int, data: bytes, offset: int) -> None:
    if os.pwrite(file, data, offset) != len(data):
        raise OSError("the disk took a part of a line only")
    os.fsync(file)
