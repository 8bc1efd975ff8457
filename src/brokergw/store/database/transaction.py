"""The writer's one connection, and transactions on it that say honestly how they ended."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from brokergw.model.whose import Whose
from brokergw.store.audit.chain import chain_of
from brokergw.store.database.patience import lengthen, shorten
from brokergw.store.separation import setting


class CommitRefused(Exception):
    """The database answered COMMIT with a refusal: certainly nothing is durable."""


class CommitOutcomeUnknown(Exception):
    """COMMIT was asked for and no usable answer came."""


class WriterConnection:
    """Keeps a connection open over many transactions, and opens another one when it breaks.

    The engine's transactions write into a chain of audit rows. They have the short limits of `patience`, unless they
    are a person's (`patient`): those have what the engine gives.
    """

    def __init__(self, engine: Engine, *, patient: bool = False) -> None:
        self._engine = engine
        self._patient = patient
        self._shared = engine.dialect.name != "sqlite"
        self._connection: Connection | None = None

    @contextlib.contextmanager
    def transaction(self, whose: Callable[[], Whose], *, patient: bool = False) -> Iterator[Connection]:
        """Commit what the block wrote, or roll all of it back; it may touch these users' rows only.

        A `patient` one has the long limits; SQLite's only limit is its lock's, and there the next try is the patience.
        Raises CommitRefused or CommitOutcomeUnknown when the commit itself fails; any other error came before it.
        """
        connection = self._open()
        try:
            transaction = connection.begin()
            if self._shared:
                setting.begin(connection, whose())
                if patient:
                    lengthen(connection)
            yield connection
        except BaseException:
            self._give_up(connection)
            raise
        try:
            transaction.commit()
        except SQLAlchemyError as error:
            self.close()
            if _refused(error):
                raise CommitRefused from error
            raise CommitOutcomeUnknown from error
        chain_of(connection).confirm()

    def close(self) -> None:
        """Give the connection up; the next transaction opens another one."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(SQLAlchemyError):
            connection.invalidate()
        connection.close()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = opened = self._engine.connect()
            try:
                if not self._patient:
                    shorten(opened)
            except BaseException:
                self.close()
                raise
        return self._connection

    def _give_up(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except SQLAlchemyError:
            self.close()
            return
        if connection.invalidated:
            self.close()


def _refused(error: SQLAlchemyError) -> bool:
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        # A lock that was not granted leaves the log untouched, and a disk without room has no place for the page that
        # completes a transaction, which is the last; after a failed flush all of it may have reached the disk.
        return cause.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_FULL"))
    # A server that answers with an error code has rolled back; a broken connection carries none.
    return getattr(cause, "sqlstate", None) is not None
