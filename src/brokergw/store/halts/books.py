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
from brokergw.store.database.aside import with_second_try
from brokergw.store.database.engine import SWITCH_LOCK_MS
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import Work
from brokergw.store.encoding.rows import Row
from brokergw.store.halts import changes as halts
from brokergw.store.halts.statements import EPOCH_ROW, halt_statements
from brokergw.store.halts.watch import CHANNEL, HaltWatch
from brokergw.store.ledger.halting import HALT_LOCK
from brokergw.store.sql.failure import log_failure
from brokergw.store.sql.many import Ask, Piece, execute, fetched
from brokergw.store.writing.writer import Writer

_log = logging.getLogger(__name__)

_LOCK_TIMED_OUT: Final = "55P03"
_LOCK_WAITS_MS: Final = (20, SWITCH_LOCK_MS, SWITCH_LOCK_MS)
_CAREFUL_TRIES: Final = 2
_FINDINGS: Final = everyone("a sweep runs over the accounts of everybody in its scope")
_HELLO: Final = text("SELECT 1")
_WAIT_FOR_LOCKS: Final = text("SELECT set_config('lock_timeout', :time, true)")
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
        return await self._changed(only(wish.audit.user_id), partial(halts.place, wish=wish))

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

    async def _changed(self, whose: Whose, change: Work) -> tuple[Any, News]:
        asked_at = self._clock.monotonic()
        try:
            result, found = await self._writer.run(whose, change)
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
        # For what needs no transaction, over the same connections.
        self._plain = engine.execution_options(isolation_level="AUTOCOMMIT")
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
        await self._run(
            self._switching, with_second_try, self._engine, NOBODYS, lambda database: database.execute(_HELLO)
        )
        self._watch.start(listener)
        return News(asked_at=asked_at, epoch=epoch, halts=standing)

    async def place(self, wish: HaltWish) -> tuple[Halt, News]:
        """Put a halt in, once no admission is under way."""
        return await self._changed(only(wish.audit.user_id), partial(halts.place, wish=wish))

    async def lift(self, scope: TradingScope, cause: HaltCause, *, epoch: int | None, audit: AuditRow) -> News:
        """Take a halt out."""
        change = partial(halts.lift, scope=scope, cause=cause, epoch=epoch, audit=audit)
        _, news = await self._changed(only(audit.user_id), change)
        return news

    async def confirm(self, epoch: int) -> None:
        """Say that this process knows an epoch."""
        await self._say(halts.confirming(self._instance_id, epoch))

    async def unconfirmed(self, epoch: int) -> frozenset[str]:
        """Give the other processes that have not confirmed an epoch."""
        return frozenset(row[0] for row in await self._say([halts.asking(self._instance_id, epoch)]))

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

    async def _changed(self, whose: Whose, change: Callable[..., Any]) -> tuple[Any, News]:
        asked_at = self._clock.monotonic()
        result, (epoch, standing) = await self._run(self._switching, self._once, whose, change)
        return result, News(asked_at=asked_at, epoch=epoch, halts=standing)

    def _once(self, whose: Whose, change: Callable[..., Any]) -> Any:
        """Make a change in one journey, as all but few go; where it had to wait too long, find out for whom."""
        sql = halt_statements(self._engine.dialect.name)
        locking: list[Ask] = [(sql.lock, [(HALT_LOCK,)])]
        ringing: list[Ask] = [(sql.ring, [(CHANNEL, EPOCH_ROW)])]
        works: list[Work] = [partial(change, around=(locking, ringing))]
        works += [partial(_carefully, change, ringing)] * _CAREFUL_TRIES
        for work in works[:-1]:
            try:
                return with_second_try(self._engine, whose, work)
            except DBAPIError as error:
                if not _lock_timed_out(error):
                    raise
        return with_second_try(self._engine, whose, works[-1])

    async def _tell(self, whose: Whose, work: Work) -> Any:
        return await self._run(self._telling, with_second_try, self._engine, whose, work)

    async def _say(self, pieces: Sequence[Piece]) -> Sequence[Row]:
        said: Sequence[Row] = await self._run(self._telling, _said, self._plain, pieces)
        return said

    async def _run(self, thread: ThreadPoolExecutor, call: Callable[..., Any], *arguments: object) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, call, *arguments)
        except SQLAlchemyError as error:
            log_failure(_log, "the book of halts failed", error)
            raise _unavailable(error) from None
        except RuntimeError as error:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the book of halts is closed") from error


def _said(engine: Engine, pieces: Sequence[Piece]) -> Sequence[Row]:
    """Run statements in one journey, outside of a transaction; once more where the connection was broken."""
    try:
        return _said_once(engine, pieces)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        return _said_once(engine, pieces)


def _said_once(engine: Engine, pieces: Sequence[Piece]) -> Sequence[Row]:
    with engine.connect() as connection:
        return fetched(execute(connection, pieces)[-1:])


def _carefully(change: Callable[..., Any], ringing: list[Ask], database: Connection) -> Any:
    _take_lock(database)
    return change(database, around=((), ringing))


def _take_lock(database: Connection) -> None:
    """Wait for admissions under way; a frozen one does not let go, so after a moment its session is ended.

    The lock has been waited for already, and in vain, unless it was another one: then it is had at once.
    """
    sql = halt_statements(database.dialect.name)
    for attempt, milliseconds in enumerate(_LOCK_WAITS_MS):
        savepoint = database.begin_nested()
        try:
            database.execute(_WAIT_FOR_LOCKS, {"time": f"{milliseconds}ms"})
            sql.lock.send(database, [(HALT_LOCK,)])
        except DBAPIError as error:
            if not _lock_timed_out(error) or attempt + 1 == len(_LOCK_WAITS_MS):
                raise
            savepoint.rollback()
            key = {"high": HALT_LOCK >> 32, "low": HALT_LOCK & 0xFFFF_FFFF}
            ended = database.execute(_END_HOLDERS, key).all()
            _log.error("a halt has ended %d sessions that did not let go of their admissions", len(ended))
        else:
            database.execute(_WAIT_FOR_LOCKS, {"time": f"{SWITCH_LOCK_MS}ms"})
            savepoint.commit()
            return


def _lock_timed_out(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == _LOCK_TIMED_OUT


def _unavailable(error: SQLAlchemyError) -> GatewayError:
    return GatewayError(
        Reason.JOURNAL_UNAVAILABLE, "the book of halts cannot be used now", metadata={"cause": type(error).__name__}
    )
