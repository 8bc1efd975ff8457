"""What works without the record, wired."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from brokergw.desk.emergency.cancels import EmergencyCancels
from brokergw.desk.emergency.replay import Replay, ReplayParts
from brokergw.desk.emergency.working_set import WorkingSet
from brokergw.ports.emergency import EmergencyJournal


class EmergencyParts:
    """The parts by name; without a file to write to, nothing is done without the record."""

    def __init__(self, parts: ReplayParts, file: EmergencyJournal | None) -> None:
        self.cancels = EmergencyCancels(parts.book, parts.sessions, file, parts.clock)
        self._working_set = WorkingSet(parts.journal, parts.book, parts.sessions, parts.clock)
        self._replay = Replay(parts, file, self.cancels) if file is not None else None

    def start(self) -> list[asyncio.Task[None]]:
        """Begin to keep the open orders at hand, and to read back what earlier processes left."""
        if self._replay is None:
            return []
        return [_task(self._replay.run(), "emergency journal"), _task(self._working_set.run(), "working set")]


def _task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    return asyncio.create_task(work, name=name)
