"""The book of halts, for a database that one process has to itself and for one that several share.

Alone, everything goes through the journal's writer, which orders a halt before or after each admission by itself. On
PostgreSQL the switch has connections of its own, opened beforehand, because it must not wait in the writer's queue; it
takes alone the advisory lock that every admission shares, and ends the session of whoever does not let go of it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.trading import Halt, HaltCause, TradingScope
from brokergw.model.whose import NOBODYS, Whose, everyone, only
from brokergw.ports.clock import Clock
from brokergw.ports.halts import Finding, HaltWish, News, Sweep
from brokergw.store import halts
from brokergw.store.aside import with_second_try
from brokergw.store.failure import log_failure
from brokergw.store.group import Work
from brokergw.store.halt_watch import CHANNEL, HaltWatch
from brokergw.store.halting import HALT_LOCK
from brokergw.store.reader import Reader
from brokergw.store.writer import Writer

_log = logging.getLogger(__name__)

_LOCK_TIMED_OUT: Final = "55P03"
_LOCK_TRIES: Final = 3
_FINDINGS: Final = everyone("a sweep runs over the accounts of everybody in its scope")
_TAKE: Final = text("SELECT pg_advisory_xact_lock(:key)")
_RING: Final = text("SELECT pg_notify(:channel, :epoch)")
_END_HOLDERS: Final = text(
    "SELECT pid, pg_terminate_backend(pid) FROM pg_locks"
    " WHERE locktype = 'advisory' AND classid = :high AND objid = :low AND objsubid = 1 AND granted"
    " AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class LonelyHaltBook:
    """Implements `ports.halts.HaltBook` on a database that this process has to itself."""

    shared = False

    def __init__(self, writer: Writer, reader: Reader, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._tell: Callable[[News], None] = lambda _: None

    async def open(self, listener: Callable[[News], None]) -> News:
        """Give the book, then tell of each change."""
        self._tell = listener
        return self._news(self._clock.monotonic(), await self._reader.query(NOBODYS, halts.read))

    async def place(self, wish: HaltWish) -> tuple[Halt, News]:
        """Put a halt in."""
        return await self._changed(only(wish.audit.user_id), lambda database: halts.place(database, wish))

    async def lift(self, scope: TradingScope, cause: HaltCause, *, epoch: int | None, audit: AuditRow) -> News:
        """Take a halt out."""
        change = partial(halts.lift, scope=scope, cause=cause, epoch=epoch, audit=audit)
        _, news = await self._changed(only(audit.user_id), change)
        return news

    async def confirm(self, epoch: int) -> None:
        """Nobody else asks."""

    async def unconfirmed(self, epoch: int) -> frozenset[str]:  # noqa: ARG002 - there is nobody else
        """There is nobody else."""
        return frozenset()

    async def fence(self, instance_ids: frozenset[str]) -> None:
        """There is nobody else."""

    async def sweeps(self) -> Sequence[Sweep]:
        """Give the sweeps of the halts that stand."""
        return await self._reader.query(NOBODYS, halts.read_sweeps)

    async def report(self, finding: Finding) -> None:
        """Write down how far a sweep has come."""
        await self._writer.run(only(finding.user_id), lambda database: halts.report(database, finding))

    async def findings(self) -> Sequence[Finding]:
        """Give what the sweeps came to."""
        return await self._reader.query(_FINDINGS, halts.read_findings)

    async def close(self) -> None:
        """Tell nobody any more."""
        self._tell = lambda _: None

    async def _changed(self, whose: Whose, change: Callable[[Connection], Any]) -> tuple[Any, News]:
        asked_at = self._clock.monotonic()

        def work(database: Connection) -> tuple[Any, tuple[int, tuple[Halt, ...]]]:
            return change(database), halts.read(database)

        try:
            result, found = await self._writer.run(whose, work)
        except SQLAlchemyError as error:
            raise _unavailable(error) from None
        news = self._news(asked_at, found)
        self._tell(news)
        return result, news

    def _news(self, asked_at: float, found: tuple[int, tuple[Halt, ...]]) -> News:
        epoch, standing = found
        return News(asked_at=asked_at, epoch=epoch, halts=standing)


class SharedHaltBook:
    """Implements `ports.halts.HaltBook` on PostgreSQL, which several processes share.

    `engine` has two connections for nothing else. Its sessions wait for a lock only a moment (`engine.py`).
    """

    shared = True

    def __init__(self, engine: Engine, watch: HaltWatch, clock: Clock, instance_id: str) -> None:
        self._engine = engine
        self._watch = watch
        self._clock = clock
        self._instance_id = instance_id
        self._entered = False
        # The switch may wait for a lock; what the processes tell each other meanwhile must not wait for it.
        self._switching = ThreadPoolExecutor(1, thread_name_prefix="halt-switch")
        self._telling = ThreadPoolExecutor(1, thread_name_prefix="halt-telling")

    async def open(self, listener: Callable[[News], None]) -> News:
        """Enter this process, warm the connections up, and watch."""

        def enter(database: Connection) -> tuple[int, tuple[Halt, ...]]:
            halts.enter(database, self._instance_id)
            return halts.read(database)

        asked_at = self._clock.monotonic()
        epoch, standing = await self._tell(NOBODYS, enter)
        self._entered = True
        await self._run(self._switching, NOBODYS, lambda database: database.execute(text("SELECT 1")).scalar_one())
        self._watch.start(listener)
        return News(asked_at=asked_at, epoch=epoch, halts=standing)

    async def place(self, wish: HaltWish) -> tuple[Halt, News]:
        """Put a halt in, once no admission is under way."""
        return await self._changed(only(wish.audit.user_id), lambda database: halts.place(database, wish))

    async def lift(self, scope: TradingScope, cause: HaltCause, *, epoch: int | None, audit: AuditRow) -> News:
        """Take a halt out."""
        change = partial(halts.lift, scope=scope, cause=cause, epoch=epoch, audit=audit)
        _, news = await self._changed(only(audit.user_id), change)
        return news

    async def confirm(self, epoch: int) -> None:
        """Say that this process knows an epoch."""

        def work(database: Connection) -> None:
            # A word that is lost with the server only makes others wait.
            database.execute(text("SET LOCAL synchronous_commit = off"))
            halts.confirm(database, self._instance_id, epoch)

        await self._tell(NOBODYS, work)

    async def unconfirmed(self, epoch: int) -> frozenset[str]:
        """Give the other processes that have not confirmed an epoch."""
        found: frozenset[str] = await self._tell(
            NOBODYS, lambda database: halts.unconfirmed(database, self._instance_id, epoch)
        )
        return found

    async def fence(self, instance_ids: frozenset[str]) -> None:
        """Count no longer on some processes."""
        await self._tell(NOBODYS, lambda database: halts.leave(database, instance_ids))

    async def sweeps(self) -> Sequence[Sweep]:
        """Give the sweeps of the halts that stand."""
        found: Sequence[Sweep] = await self._tell(NOBODYS, halts.read_sweeps)
        return found

    async def report(self, finding: Finding) -> None:
        """Write down how far a sweep has come."""
        await self._tell(only(finding.user_id), lambda database: halts.report(database, finding))

    async def findings(self) -> Sequence[Finding]:
        """Give what the sweeps came to."""
        found: Sequence[Finding] = await self._tell(_FINDINGS, halts.read_findings)
        return found

    async def close(self) -> None:
        """Leave, then end the threads."""
        await self._watch.close()
        try:
            if self._entered:
                await self._tell(NOBODYS, lambda database: halts.leave(database, frozenset({self._instance_id})))
        except GatewayError as error:
            _log.warning("a process leaves the book of halts without a word: %s", error.reason)
        await asyncio.to_thread(self._switching.shutdown)
        await asyncio.to_thread(self._telling.shutdown)
        self._engine.dispose()

    async def _changed(self, whose: Whose, change: Callable[[Connection], Any]) -> tuple[Any, News]:
        asked_at = self._clock.monotonic()

        def work(database: Connection) -> tuple[Any, tuple[int, tuple[Halt, ...]]]:
            self._take_lock(database)
            result = change(database)
            found = halts.read(database)
            database.execute(_RING, {"channel": CHANNEL, "epoch": str(found[0])})
            return result, found

        result, (epoch, standing) = await self._run(self._switching, whose, work)
        return result, News(asked_at=asked_at, epoch=epoch, halts=standing)

    def _take_lock(self, database: Connection) -> None:
        """Wait for admissions under way; a frozen one does not let go, so after a moment its session is ended."""
        for attempt in range(_LOCK_TRIES):
            savepoint = database.begin_nested()
            try:
                database.execute(_TAKE, {"key": HALT_LOCK})
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _LOCK_TIMED_OUT or attempt + 1 == _LOCK_TRIES:
                    raise
                savepoint.rollback()
                key = {"high": HALT_LOCK >> 32, "low": HALT_LOCK & 0xFFFF_FFFF}
                ended = database.execute(_END_HOLDERS, key).all()
                _log.error("a halt has ended %d sessions that did not let go of their admissions", len(ended))
            else:
                savepoint.commit()
                return

    async def _tell(self, whose: Whose, work: Work) -> Any:
        return await self._run(self._telling, whose, work)

    async def _run(self, thread: ThreadPoolExecutor, whose: Whose, work: Work) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, with_second_try, self._engine, whose, work)
        except SQLAlchemyError as error:
            log_failure(_log, "the book of halts failed", error)
            raise _unavailable(error) from None
        except RuntimeError as error:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the book of halts is closed") from error


def _unavailable(error: SQLAlchemyError) -> GatewayError:
    return GatewayError(
        Reason.JOURNAL_UNAVAILABLE, "the book of halts cannot be used now", metadata={"cause": type(error).__name__}
    )
