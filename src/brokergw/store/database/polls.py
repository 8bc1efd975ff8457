"""What is asked again and again: answered from memory for as long as nothing has been written.

SQLite tells whether anybody has committed anything, this process or another, a person at a prompt included: a number
out of memory that all processes share, in some five microseconds, so that no thread is asked for it. While it has not
moved, the answers of before stand. PostgreSQL has no such number, and is asked each time.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from brokergw.model.whose import Whose

Found = TypeVar("Found")

_MOVES: Final = "PRAGMA data_version"
_AT_ONCE: Final = "PRAGMA busy_timeout = 0"


@dataclass(frozen=True, slots=True, eq=False)
class Poll(Generic[Found]):
    """A question about some users' rows whose answer depends on what is committed and on nothing else.

    Whoever asks must leave the answer as it is: others are given the same.
    """

    whose: Whose
    read: Callable[[Connection], Found]


class Answers:
    """The last answer to each poll; used from one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tells = engine.dialect.name == "sqlite"
        self._connection: Connection | None = None
        self._known: dict[Poll[Any], tuple[int, Any]] = {}

    def moves(self) -> int | None:
        """Give a number that differs after every commit; None where the database has none to give now."""
        if not self._tells:
            return None
        try:
            # Not through SQLAlchemy, whose own part of it would be many times SQLite's.
            return int(self._driver().execute(_MOVES).fetchone()[0])
        except (sqlite3.Error, SQLAlchemyError):
            # A number says nothing to another connection, whose own begins anew.
            broken, self._connection = self._connection, None
            self._known.clear()
            if broken is not None:
                broken.invalidate()
                broken.close()
            return None

    def known(self, poll: Poll[Found], moves: int | None) -> tuple[Found] | None:
        """Give an answer that still stands."""
        found = self._known.get(poll)
        return (found[1],) if found is not None and found[0] == moves else None

    def keep(self, poll: Poll[Found], moves: int | None, answer: Found) -> None:
        """Keep an answer; `moves` was given before the question was put, so that it holds at least until then."""
        if moves is not None:
            self._known[poll] = moves, answer

    def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _driver(self) -> Any:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._driver().execute(_AT_ONCE)
        return self._connection.connection.driver_connection
