"""The group-commit writer: one thread that makes everything durable.

It takes all that waits, writes it in one transaction, commits once and tells everybody. While it commits, the next
group gathers; so a lone unit waits for nobody, and under load one flush to disk serves many. Where several came
together the last time, the thread waits a moment for more, so that what a transaction costs beside its rows is shared.
Audit rows that nobody waits for ride with the next group, or after a moment alone. In the event loop the listeners hear
of a group's events before those who committed it wake, so that whoever reads after its own commit finds it. Used from
one event loop.

Whoever waits to be let through is answered in time, by a refusal where the record takes longer: at once while it is
known to be away. What was refused for its time before the thread took it is never written; what was on its way then may
become durable after all, and is told to whoever can take it back.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import LogEvent
from brokergw.model.whose import NOBODYS, Whose
from brokergw.ports.journal import CommitResult, Committed
from brokergw.store.database.patience import ANSWERED_WITHIN_LOOKS, LOOK_EVERY_S, timed_out
from brokergw.store.database.transaction import CommitOutcomeUnknown
from brokergw.store.database.work import Work
from brokergw.store.encoding.rows import Row
from brokergw.store.sql.failure import log_failure, unwritten
from brokergw.store.writing.group import Group, GroupCommitter
from brokergw.store.writing.units import PreparedUnit

_log = logging.getLogger(__name__)

_GROUP_MAX: Final = 256
_GATHER_S: Final = 0.004
_GATHERS_FROM: Final = 4
"""So many units in a group promise company to the next one; fewer are answered sooner alone."""

_AUDIT_RIDE_S: Final = 0.05
_AUDIT_RETRY_S: Final = 1.0
_AUDIT_KEPT_MAX: Final = 10_000
_RETRY_AFTER_S: Final = 1.0

Listener: TypeAlias = Callable[[Sequence[LogEvent]], None]


@dataclass(slots=True)
class _Unit:
    prepared: PreparedUnit
    future: asyncio.Future[CommitResult]
    late: Callable[[], None] | None
    last_look: int
    given_up: bool = False


@dataclass(slots=True)
class _Chore:
    whose: Whose
    work: Work
    future: asyncio.Future[Any]


@dataclass(slots=True)
class _AuditDue:
    """Audit rows have waited long enough for a group to ride with."""


@dataclass(slots=True)
class _Stop:
    pass


_Item: TypeAlias = _Unit | _Chore | _AuditDue | _Stop


class Writer:
    """Owns the writing thread and the queue before it; `capacity` is how many items may wait.

    `note` hears, in that thread, of each group that is durable, and how many units it had.
    """

    def __init__(
        self, committer: GroupCommitter, *, capacity: int, note: Callable[[int], None] = lambda _units: None
    ) -> None:
        self._committer = committer
        self._note = note
        self._capacity = capacity
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._listeners: list[Listener] = []
        self._waiting: deque[_Unit] = deque()
        self._looking = False
        self._looks = 0
        self._away = False
        self._busy = False
        self._audit: deque[Row] = deque()
        self._audit_due = False
        self._kept_audit: list[Row] = []
        self._closing = False
        self._ended = False
        self._hurry = threading.Event()
        self._last_size = 0
        self._thread = threading.Thread(target=self._work, name="journal-writer", daemon=True)
        self._thread.start()

    async def commit(self, unit: PreparedUnit) -> CommitResult:
        """Wait until a unit is durable or refused; raises as `Journal.commit` does."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[CommitResult] = loop.create_future()
        late = unit.unit.late
        item = _Unit(unit, future, late, self._looks + ANSWERED_WITHIN_LOOKS)
        if late is not None:
            if self._away and self._busy:
                raise _too_late("the record is away")
            self._waiting.append(item)
            if not self._looking:
                self._looking = True
                loop.call_later(LOOK_EVERY_S, self._look, loop)
        self._put(item)
        return await future

    async def run(self, whose: Whose, work: Work) -> Any:
        """Run a small write for some users with the next group and give what it returned, once that is durable."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(_Chore(whose, work, future))
        return await future

    def record(self, row: Row) -> None:
        """Let an audit row ride with the next group; raises JOURNAL_UNAVAILABLE when too much waits already."""
        self._require_room()
        self._audit.append(row)
        if not self._audit_due:
            self._audit_due = True
            asyncio.get_running_loop().call_later(_AUDIT_RIDE_S, self._send_audit)

    def listen(self, listener: Listener) -> None:
        """Call a function in the event loop with each group's events."""
        self._listeners.append(listener)

    async def prove(self) -> None:
        """See that the record can be written where it last could not; raises JOURNAL_ or AUDIT_UNAVAILABLE."""
        if not self.alive:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the journal's writer has ended")
        if self._away and self._busy:
            raise _too_late("the record is away")
        if self._away:
            await self.run(NOBODYS, lambda _: None)

    @property
    def alive(self) -> bool:
        """Whether the writer still takes work."""
        return not (self._ended or self._closing)

    async def close(self) -> None:
        """Write everything that waits, then end the thread."""
        if not self._closing:
            self._closing = True
            self._hurry.set()
            self._queue.put(_Stop())
        await asyncio.to_thread(self._thread.join)

    def _put(self, item: _Item) -> None:
        self._require_room()
        self._queue.put(item)

    def _require_room(self) -> None:
        if not self.alive:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the journal is closed")
        if self._queue.qsize() + len(self._audit) >= self._capacity:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "too much waits for the journal already")

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse whoever has waited too long."""
        waiting = self._waiting
        self._looks += 1
        while waiting and (waiting[0].future.done() or waiting[0].last_look <= self._looks):
            item = waiting.popleft()
            if not item.future.done():
                item.given_up = self._away = True
                item.future.set_exception(_too_late("the record does not answer in time"))
        self._looking = bool(waiting)
        if waiting:
            loop.call_later(LOOK_EVERY_S, self._look, loop)

    def _send_audit(self) -> None:
        self._audit_due = False
        if self._audit:
            self._queue.put(_AuditDue())

    def _riding(self) -> list[Row]:
        """Take the audit rows that wait; the event loop may be adding more, and nobody else takes any."""
        rows = self._kept_audit
        self._kept_audit = []
        while self._audit and len(rows) < _AUDIT_KEPT_MAX:
            rows.append(self._audit.popleft())
        return rows

    def _work(self) -> None:
        stopped = False
        try:
            while not stopped:
                items = self._take()
                stopped = any(isinstance(item, _Stop) for item in items)
                self._process(items)
        finally:
            self._ended = True
        if self._kept_audit:
            _log.error("%d audit rows could not be written before the end", len(self._kept_audit))

    def _take(self) -> list[_Item]:
        try:
            items = [self._queue.get(timeout=_AUDIT_RETRY_S if self._kept_audit else None)]
        except Empty:
            return []
        if self._last_size >= _GATHERS_FROM:
            self._hurry.wait(_GATHER_S)
        # Nobody else takes from the queue: what is there stays there.
        while len(items) < _GROUP_MAX and not self._queue.empty():
            items.append(self._queue.get_nowait())
        self._last_size = len(items)
        return items

    def _process(self, items: Sequence[_Item], *, patient: bool = False) -> None:
        units = [item for item in items if isinstance(item, _Unit) and not item.given_up]
        chores = [item for item in items if isinstance(item, _Chore)]
        audit = self._riding()
        if not units and not chores and not audit:
            return
        works_whose = reduce(or_, (chore.whose for chore in chores), NOBODYS)
        group = Group([unit.prepared for unit in units], [chore.work for chore in chores], audit, works_whose)
        self._busy = True
        try:
            done = self._committer.commit(group, patient=patient)
        except Exception as error:  # noqa: BLE001 - the thread must live; every waiter is told
            self._keep(audit)
            log_failure(_log, "a batch of the journal failed", error)
            again = [unit for unit in units if unit.late is None] if timed_out(error) and not patient else []
            failed: list[_Unit | _Chore] = [*(unit for unit in units if unit not in again), *chores]
            self._away = True
            self._tell(failed, [_failure(error) for _ in failed], [])
            if again:
                # What must get onto the record has more time than what waits to be let through.
                self._process(again, patient=True)
        else:
            self._away = False
            self._tell([*units, *chores], [*done.units, *done.works], done.events)
            self._note(len(units))
        finally:
            self._busy = False

    def _keep(self, audit: list[Row]) -> None:
        lost = len(audit) - _AUDIT_KEPT_MAX
        if lost > 0:
            _log.error("%d audit rows are lost: the journal has failed for too long", lost)
        self._kept_audit = audit[-_AUDIT_KEPT_MAX:]

    def _tell(self, items: Sequence[_Unit | _Chore], results: list[Any], events: list[LogEvent]) -> None:
        if not items:
            return
        loop = items[0].future.get_loop()
        try:
            loop.call_soon_threadsafe(self._wake, loop, items, results, events)
        except RuntimeError:
            _log.warning("the event loop ended before %d results could be told", len(items))

    def _wake(
        self,
        loop: asyncio.AbstractEventLoop,
        items: Sequence[_Unit | _Chore],
        results: list[Any],
        events: list[LogEvent],
    ) -> None:
        if events:
            for listener in self._listeners:
                try:
                    listener(events)
                except Exception as error:  # noqa: BLE001 - a listener's fault is not the committers'
                    loop.call_exception_handler({"message": "an event listener failed", "exception": error})
        for item, result in zip(items, results, strict=True):
            future = item.future
            if future.done():
                _tell_late(item, result)
            elif isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


def _tell_late(item: _Unit | _Chore, result: Any) -> None:
    """Tell of a unit that is durable, or may be, although its caller was refused."""
    if not isinstance(item, _Unit) or not item.given_up or item.late is None:
        return
    unsure = isinstance(result, GatewayError) and result.reason is Reason.JOURNAL_OUTCOME_UNKNOWN
    if unsure or isinstance(result, Committed):
        item.late()


def _too_late(words: str) -> GatewayError:
    return GatewayError(Reason.JOURNAL_UNAVAILABLE, words, retry_after_s=_RETRY_AFTER_S)


def _failure(error: Exception) -> GatewayError:
    cause = {"cause": type(error).__name__}
    if isinstance(error, CommitOutcomeUnknown):
        return GatewayError(
            Reason.JOURNAL_OUTCOME_UNKNOWN, "the journal did not confirm the record; it may be durable", metadata=cause
        )
    return GatewayError(
        unwritten(error), "the record cannot be written now", metadata=cause, retry_after_s=_RETRY_AFTER_S
    )
