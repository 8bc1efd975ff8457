"""Halts that the database could not take yet, as one JSON file in a folder that outlives the process.

The file is written beside the old one, brought to the disk and put in its place, so that there is always a whole one.
Every process that uses the folder writes a file of its own; whoever starts takes over what dead ones left.
"""

import asyncio
import fcntl
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from brokergw.model.events import AuditRow
from brokergw.model.trading import HaltCause, TradingScope, TradingState
from brokergw.ports.halts import HaltWish, SweepOrder

_PATTERN: Final = "halts-*.json"


class HaltsUnreadable(ValueError):
    """A file of halts is there and cannot be read; nothing may be sent before a person has looked at it."""


class JsonHaltFile:
    """Implements `ports.halts.HaltFile`; makes the folder. Raises HaltsUnreadable, OSError where it cannot be used."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = uuid4().hex
        self._lock = threading.Lock()
        # The lock file says that this process lives; it ends with the process.
        self._alive = os.open(folder / f"{self._name}.alive", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        self._left = self._take_over()
        if self._left:
            self._write(self._left)

    def load(self) -> Sequence[HaltWish]:
        """Give what dead processes left, oldest first."""
        return tuple(self._left)

    async def keep(self, wishes: Sequence[HaltWish]) -> None:
        """Keep these and nothing else; they are on the disk when this returns. Raises OSError."""
        await asyncio.to_thread(self._write, list(wishes))

    def close(self) -> None:
        """Let go; what is kept stays for whoever starts next."""
        os.close(self._alive)
        if not self._path.exists():
            self._alive_path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self._folder / f"halts-{self._name}.json"

    @property
    def _alive_path(self) -> Path:
        return self._folder / f"{self._name}.alive"

    def _write(self, wishes: list[HaltWish]) -> None:
        with self._lock:
            if not wishes:
                self._path.unlink(missing_ok=True)
                self._sync_folder()
                return
            beside = self._path.with_suffix(".new")
            with open(beside, "w", opener=_private) as file:
                json.dump([_to_json(each) for each in wishes], file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _take_over(self) -> list[HaltWish]:
        found: list[HaltWish] = []
        for path in sorted(self._folder.glob(_PATTERN)):
            alive = self._folder / f"{path.stem.removeprefix('halts-')}.alive"
            if _lives(alive):
                continue
            try:
                found += [_from_json(each) for each in json.loads(path.read_text())]
            except (ValueError, KeyError, TypeError) as error:
                # A halt that cannot be read must not be forgotten.
                raise HaltsUnreadable(
                    f"the halts kept in {path} cannot be read: see what they are, then remove it"
                ) from error
            self._write(found)
            path.unlink(missing_ok=True)
            alive.unlink(missing_ok=True)
        return sorted(found, key=lambda wish: wish.set_time_ns)


def _lives(alive: Path) -> bool:
    try:
        file = os.open(alive, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _to_json(wish: HaltWish) -> dict[str, Any]:
    return {
        "scope": wish.scope.key,
        "cause": wish.cause.value,
        "state": wish.state.value,
        "reason": wish.reason,
        "set_by": wish.set_by,
        "set_time_ns": wish.set_time_ns,
        "audit": asdict(wish.audit),
        "sweep": None if wish.sweep is None else asdict(wish.sweep),
    }


def _from_json(found: dict[str, Any]) -> HaltWish:
    return HaltWish(
        scope=TradingScope.from_key(found["scope"]),
        cause=HaltCause(found["cause"]),
        state=TradingState(found["state"]),
        reason=found["reason"],
        set_by=found["set_by"],
        set_time_ns=found["set_time_ns"],
        audit=AuditRow(**found["audit"]),
        sweep=None if found["sweep"] is None else SweepOrder(**found["sweep"]),
    )
