"""Carrying what is committed from SQLite's write-ahead log into the database file, beside the commits.

SQLite does that inside a commit once the log is long, and the commit that happens to reach the mark waits for all of
it. Here a thread of its own does most of it while the writer goes on; what is left for that commit is short. It is
still left to it, because only a moment without a writer lets the log begin anew.
"""

import logging
import sqlite3
import threading
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

_log = logging.getLogger(__name__)

_UNITS: Final = 256
"""After so many units of work a checkpoint is due: about one part in ten of what SQLite waits for."""


class Checkpoints:
    """Owns the thread and its connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._units = 0
        self._due = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="journal-checkpoint", daemon=True)
        self._thread.start()

    def note(self, units: int) -> None:
        """Take note of units that became durable; called by the writer's thread."""
        self._units += units
        if self._units >= _UNITS:
            self._units = 0
            self._due.set()

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._due.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._closing:
                return
            try:
                self._checkpoint()
            except (sqlite3.Error, SQLAlchemyError) as error:
                # The log grows meanwhile; a commit will do it.
                _log.warning("the journal's log was not carried over: %s", type(error).__name__)

    def _checkpoint(self) -> None:
        connection = self._engine.raw_connection()
        try:
            driver: Any = connection.driver_connection
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            connection.close()
