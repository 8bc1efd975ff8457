"""Statements that take many rows at once.

One statement with many rows costs one step of the database, and during a step Python's lock is free; the same rows one
by one would hand that lock back and forth for each. SQLite takes the rows as a list of values, in pieces of forty
sizes up to 128 rows, so that each text is parsed once and kept. PostgreSQL takes them as one JSON text: there the
client's work for each parameter is what costs, and the statement stays the same, hence prepared, for any number of
rows.

The driver's own cursor runs them: each order costs some twenty such statements, and what SQLAlchemy does around one
costs several times what the database does. Its kinds of errors are kept.

Statements that need nothing of each other's answers are run together: to PostgreSQL they go in one journey instead of
one each, and are done there one after another all the same, each seeing what was committed when it began.

A statement is a text with `{rows}` in it, which becomes a relation with the columns `column1`, `column2` …
"""

from collections.abc import Sequence
from itertools import chain, islice
from json import JSONEncoder
from typing import Any, Final, Literal, Protocol, TypeAlias

from sqlalchemy import Connection, exc

from brokergw.store.encoding.rows import Row
from brokergw.store.sql.failure import ended_by_server

ColumnType: TypeAlias = Literal["text", "bigint", "boolean"]

Piece: TypeAlias = tuple[str, Row]
"""The text of a statement, and its parameters."""

_PIECE_MAX: Final = 128
_PIECE_DIGITS: Final = 4
"""A piece has as many rows as the first four binary digits of what is left say: up to fifteen go in one piece."""
_KINDS: Final = {
    kind.__name__: kind
    for kind in (
        exc.DataError,
        exc.IntegrityError,
        exc.InterfaceError,
        exc.InternalError,
        exc.NotSupportedError,
        exc.OperationalError,
        exc.ProgrammingError,
    )
}
_encode: Final = JSONEncoder(check_circular=False, separators=(",", ":")).encode


class _Source(Protocol):
    def pieces(self, rows: Sequence[Row]) -> Sequence[Piece]:
        """Give statement texts with their parameters."""
        ...


class ManyRows:
    """A statement over a list of rows whose columns have these types."""

    def __init__(self, text: str, types: Sequence[ColumnType], *, dialect: str) -> None:
        self._source: _Source = _Values(text, len(types)) if dialect == "sqlite" else _Json(text, types)

    def pieces(self, rows: Sequence[Row]) -> Sequence[Piece]:
        """Give what to run for some rows."""
        return self._source.pieces(rows)

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Write the rows; give how many rows of the table it touched."""
        return touched(self.send(connection, rows))

    def fetch(self, connection: Connection, rows: Sequence[Row]) -> list[Row]:
        """Give all rows that the statement answers with."""
        return fetched(self.send(connection, rows))

    def send(self, connection: Connection, rows: Sequence[Row]) -> list[Any]:
        """Execute the statement, and give the driver's cursors that its rows can be fetched from."""
        return execute(connection, self.pieces(rows))


Ask: TypeAlias = tuple[ManyRows, Sequence[Row]]
"""A statement, and the rows it is to be run over."""


def together(connection: Connection, asks: Sequence[Ask]) -> list[list[Any]]:
    """Run statements one after another, and give each one's cursors, for `touched` or `fetched`."""
    every = [statement.pieces(rows) for statement, rows in asks]
    cursors = iter(execute(connection, list(chain.from_iterable(every))))
    return [list(islice(cursors, len(pieces))) for pieces in every]


def touched(cursors: Sequence[Any]) -> int:
    """Count the rows that a statement has written, or found."""
    if len(cursors) == 1:
        return int(cursors[0].rowcount)
    return sum([cursor.rowcount for cursor in cursors])


def fetched(cursors: Sequence[Any]) -> list[Row]:
    """Give the rows that a statement has answered with."""
    return [row for cursor in cursors for row in cursor.fetchall()]


def execute(connection: Connection, pieces: Sequence[Piece]) -> list[Any]:
    """Run statements by the driver itself and give their cursors; raises SQLAlchemy's errors."""
    if not pieces:
        return []
    driver: Any = connection.connection.dbapi_connection
    try:
        if len(pieces) > 1 and connection.dialect.name == "postgresql":
            # PostgreSQL answers all of them at the end, where the first that failed is raised.
            with driver.pipeline():
                return [driver.execute(text, parameters) for text, parameters in pieces]
        return [driver.execute(text, parameters) for text, parameters in pieces]
    except Exception as error:
        broken = store_error(connection, error)
        if broken is None:
            raise
        raise broken from error


def store_error(connection: Connection, error: Exception) -> exc.DBAPIError | None:
    """Give SQLAlchemy's error for a driver's, None for any other; a connection found broken is given up."""
    kind = _kind_of(error)
    if kind is None:
        return None
    driver: Any = connection.connection.dbapi_connection
    ended = connection.dialect.is_disconnect(error, driver, None) or ended_by_server(error)  # type: ignore[arg-type]
    if ended or getattr(driver, "closed", False):
        connection.invalidate(error)
        return exc.OperationalError(None, None, error, connection_invalidated=True)
    return kind(None, None, error)


def _kind_of(error: Exception) -> type[exc.DBAPIError] | None:
    """Find SQLAlchemy's error for a driver's: the drivers' classes carry the names of PEP 249."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((_KINDS[name] for name in names if name in _KINDS), None)


class _Values:
    def __init__(self, text: str, width: int) -> None:
        self._before, self._after = text.split("{rows}")
        self._row = f"({','.join('?' * width)})"
        self._texts: dict[int, str] = {}
        self._alone = self._text(1)

    def pieces(self, rows: Sequence[Row]) -> Sequence[Piece]:
        if len(rows) == 1:
            return ((self._alone, rows[0]),)
        made = []
        start = 0
        while left := len(rows) - start:
            size = _piece_of(left)
            # Most lists go in one piece, and need not be copied for it.
            piece = rows if size == len(rows) else rows[start : start + size]
            made.append((self._text(size), tuple(chain.from_iterable(piece))))
            start += size
        return made

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            text = self._texts[size] = f"{self._before}VALUES {','.join([self._row] * size)}{self._after}"
        return text


def _piece_of(left: int) -> int:
    dropped = max(0, left.bit_length() - _PIECE_DIGITS)
    return min(left >> dropped << dropped, _PIECE_MAX)


class _Json:
    def __init__(self, text: str, types: Sequence[ColumnType]) -> None:
        columns = (f"(r->>{n})::{kind} AS column{n + 1}" for n, kind in enumerate(types))
        # Kept apart by its OFFSET: what is compared with a guarded table is then a plain column, and not a function
        # that might tell what it sees; else row security would be looked at first, and no index would serve.
        relation = f"SELECT {', '.join(columns)} FROM jsonb_array_elements(%s::jsonb) AS given(r) OFFSET 0"  # noqa: S608 - numbers and type names only
        self._text = text.replace("{rows}", relation)

    def pieces(self, rows: Sequence[Row]) -> Sequence[Piece]:
        return [(self._text, (_encode(rows),))] if rows else []
