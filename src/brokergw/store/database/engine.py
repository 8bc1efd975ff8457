"""Database engines: how the store talks to SQLite and to PostgreSQL.

The writer has one connection of its own, the readers a pool of theirs. On SQLite the write-ahead log lets both work
at once, and a write transaction takes its lock at BEGIN, so that nothing it has read can change before its commit.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from brokergw.model.whose import Whose
from brokergw.store.database.patience import (
    DEAD_PEER_MS,
    LONG_IDLE_MS,
    LONG_LOCK_MS,
    LONG_STATEMENT_MS,
    PERSON_LOCK_MS,
    options,
    timed_out,
)
from brokergw.store.separation import setting
from brokergw.store.sql.failure import ended_by_server
from brokergw.store.sql.many import execute

SQLITE_BUSY_MS: Final = 5_000
_SQLITE_CACHE_KIB: Final = 32 * 1024
_SQLITE_STATEMENTS: Final = 1_024
_CHECKPOINT_PAGES: Final = 4_000
_CONNECT_S: Final = 5
_LOOK_MS: Final = 25
"""SQLite looks after 1, 2, 5, 10 and 15 ms at a lock that it waits for, and then ever more rarely: it is told anew."""
_BY_INDEX: Final = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
"""Every hot statement finds a few rows by key. A plan made while a table was small would read all of it for ever."""
_WRITER_OPTIONS: Final = (
    f"-c synchronous_commit=on {options(LONG_LOCK_MS, LONG_STATEMENT_MS, LONG_IDLE_MS)} {_BY_INDEX}"
)
"""A process that is frozen inside a transaction keeps its locks no longer than it may idle there.

The connection that admits orders has shorter limits still.
"""
_READER_OPTIONS: Final = f"-c default_transaction_read_only=on -c statement_timeout=30s {_BY_INDEX}"
SWITCH_LOCK_MS: Final = 200
_SWITCH_OPTIONS: Final = (
    f"-c synchronous_commit=on -c lock_timeout={SWITCH_LOCK_MS}ms -c statement_timeout=2s"
    f" -c idle_in_transaction_session_timeout=1s {_BY_INDEX}"
)
"""The switch waits for admissions a fifth of a second, then it ends the sessions of those that hold it up."""
_LOG_ATTEMPTS: Final = 20
READERS: Final = 6
"""Connections for reading: one for look-ups, two for the pages of streams, the others for queries."""
_BESIDES: Final = 2
"""One connection to feel the pulse with, one to see whether anything was written."""


class StoreUrlInvalid(ValueError):
    """The store's URL names no database this store can use."""


def parse_url(text: str) -> URL:
    """Read `sqlite:////path/file.db` or `postgresql://user@host/name`; raises StoreUrlInvalid with the rule."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise StoreUrlInvalid("the store's URL must look like sqlite:////path/file.db or postgresql://…") from None
    if url.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise StoreUrlInvalid(f"the store cannot use {url.drivername}: take sqlite or postgresql")
    if url.database in {None, "", ":memory:"}:
        raise StoreUrlInvalid("a SQLite store needs a file: sqlite:////path/file.db")
    return url.set(drivername="sqlite+pysqlite")


def writer_engine(url: URL, *, patient: bool = False) -> Engine:
    """Open the engine whose transactions write; a `patient` one for a person, who waits rather than being refused."""
    if url.get_backend_name() == "sqlite":
        _make_private(Path(str(url.database)))
        engine = _sqlite_engine(url, pool_size=3)
        event.listen(engine, "begin", _begin_persistently if patient else _begin_immediate)
        return engine
    return _postgresql_engine(url, _WRITER_OPTIONS, pool_size=2)


def switch_engine(url: URL) -> Engine:
    """Open the engine of the kill switch on PostgreSQL: two connections that nothing else uses."""
    return _postgresql_engine(url, _SWITCH_OPTIONS, pool_size=2)


def reader_engine(url: URL) -> Engine:
    """Open the engine that only reads; a statement sees what is committed when it starts."""
    if url.get_backend_name() == "sqlite":
        engine = _sqlite_engine(url, pool_size=READERS + _BESIDES)
        event.listen(engine, "connect", _forbid_writing)
        return engine
    engine = _postgresql_engine(url, _READER_OPTIONS, pool_size=READERS + _BESIDES)
    setting.tell_each_statement(engine)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def each_moment(engine: Engine, whose: Whose) -> Iterator[Connection]:
    """Give a connection on which every statement reads, for some users, what is committed when it starts."""
    with engine.connect() as connection:
        yield setting.working_for(connection, whose)


@contextmanager
def one_moment(engine: Engine, whose: Whose) -> Iterator[Connection]:
    """Give a connection on which every statement sees the database, for some users, as of the first one."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")
        return
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        setting.begin(connection, whose, mode=" ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection


def _make_private(path: Path) -> None:
    # SQLite gives its log and index files the mode of the database file.
    if not path.parent.is_dir():
        raise StoreUrlInvalid(f"the folder of the SQLite store does not exist: {path.parent}")
    # Never opened when it is there: closing it again would drop the locks that this process holds on it through SQLite.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _sqlite_engine(url: URL, *, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False, "cached_statements": _SQLITE_STATEMENTS},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # The driver must not open transactions by itself: the writer begins its own, at once with the lock.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_MS}")
    _keep_a_log(connection)
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
        "temp_store = MEMORY",
        f"cache_size = -{_SQLITE_CACHE_KIB}",
        f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, which several processes may do at once with a new file."""
    for _ in range(_LOG_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise
            # The switch fails at once where a transaction waits for its turn, so one is taken for the waiting alone.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _forbid_writing(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA query_only = ON")


def _begin_immediate(connection: Connection) -> None:
    # Not through SQLAlchemy, whose own part of it would be several times SQLite's.
    execute(connection, [("BEGIN IMMEDIATE", ())])


def _begin_persistently(connection: Connection) -> None:
    """Take the lock as soon as it is free: a writer at work leaves it for moments only, which rare looks would miss."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout = {_LOOK_MS}")
    for _ in range(PERSON_LOCK_MS // _LOOK_MS - 1):
        try:
            execute(connection, [("BEGIN IMMEDIATE", ())])
        except OperationalError as error:
            if not timed_out(error):
                raise
        else:
            return
    execute(connection, [("BEGIN IMMEDIATE", ())])


def _postgresql_engine(url: URL, told: str, *, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        paramstyle="format",
        connect_args={
            "options": told,
            "connect_timeout": _CONNECT_S,
            "application_name": "brokergw",
            "tcp_user_timeout": DEAD_PEER_MS,
        },
    )
    event.listen(engine, "connect", _prepare_postgresql)
    event.listen(engine, "handle_error", _tell_an_end)
    return engine


def _tell_an_end(context: ExceptionContext) -> OperationalError | None:
    """Tell a session's end as what it is: the driver has several kinds of error for it, of which some look harmless."""
    error = context.original_exception
    if not ended_by_server(error):
        return None
    context.is_disconnect = True
    return OperationalError(None, None, error, connection_invalidated=True)


def _prepare_postgresql(connection: Any, _entry: ConnectionPoolEntry) -> None:
    from psycopg.types.numeric import Int8Dumper  # noqa: PLC0415 - a SQLite store does not need the driver

    # A prepared statement is known by its text and its parameter types, and the driver would otherwise choose the
    # type of each integer by its size: every batch would be a new statement.
    connection.adapters.register_dumper(int, Int8Dumper)
