"""Statements that take many rows at once.

One statement with many rows costs one step of the database, and during a step Python's lock is free; the same rows one
by one would hand that lock back and forth for each. SQLite takes the rows as a list of values, in pieces of 128, 64,
32 … 1 rows, so that each text is parsed once and kept. PostgreSQL takes them as one JSON text: there the client's work
for each parameter is what costs, and the statement stays the same, hence prepared, for any number of rows.

The driver's own cursor runs them: each order costs some twenty such statements, and what SQLAlchemy does around one
costs several times what the database does. Its kinds of errors are kept.

A statement is a text with `{rows}` in it, which becomes a relation with the columns `column1`, `column2` …
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from json import JSONEncoder
from typing import Any, Final, Literal, Protocol, TypeAlias

from sqlalchemy import Connection, exc

from brokergw.store.rows import Row

ColumnType: TypeAlias = Literal["text", "bigint", "boolean"]

_PIECE_MAX: Final = 128
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
    def pieces(self, rows: Sequence[Row]) -> Iterator[tuple[str, Row]]:
        """Give statement texts with their parameters."""
        ...


class ManyRows:
    """A statement over a list of rows whose columns have these types."""

    def __init__(self, text: str, types: Sequence[ColumnType], *, dialect: str) -> None:
        self._source: _Source = _Values(text, len(types)) if dialect == "sqlite" else _Json(text, types)

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Write the rows; give how many rows of the table it touched."""
        return sum(cursor.rowcount for cursor in self._execute(connection, rows))

    def fetch(self, connection: Connection, rows: Sequence[Row]) -> list[Row]:
        """Give all rows that the statement answers with."""
        return [row for cursor in self._execute(connection, rows) for row in cursor.fetchall()]

    def _execute(self, connection: Connection, rows: Sequence[Row]) -> list[Any]:
        driver: Any = connection.connection.driver_connection
        cursors = []
        try:
            for text, parameters in self._source.pieces(rows):
                cursor = driver.cursor()
                cursor.execute(text, parameters)
                cursors.append(cursor)
        except Exception as error:
            kind = _kind_of(error)
            if kind is None:
                raise
            # A server that ends a session for idling in its transaction says so by a kind of error of its own.
            if connection.dialect.is_disconnect(error, driver, None) or getattr(driver, "closed", False):  # type: ignore[arg-type]
                connection.invalidate(error)
                raise exc.OperationalError(None, None, error, connection_invalidated=True) from error
            raise kind(None, None, error) from error
        return cursors


def _kind_of(error: Exception) -> type[exc.DBAPIError] | None:
    """Find SQLAlchemy's error for a driver's: the drivers' classes carry the names of PEP 249."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((_KINDS[name] for name in names if name in _KINDS), None)


class _Values:
    def __init__(self, text: str, width: int) -> None:
        self._before, self._after = text.split("{rows}")
        self._row = f"({','.join('?' * width)})"
        self._texts: dict[int, str] = {}

    def pieces(self, rows: Sequence[Row]) -> Iterator[tuple[str, Row]]:
        start = 0
        size = _PIECE_MAX
        while start < len(rows):
            while size > len(rows) - start:
                size >>= 1
            yield self._text(size), tuple(chain.from_iterable(rows[start : start + size]))
            start += size

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            text = self._texts[size] = f"{self._before}VALUES {','.join([self._row] * size)}{self._after}"
        return text


class _Json:
    def __init__(self, text: str, types: Sequence[ColumnType]) -> None:
        columns = (f"(r->>{n})::{kind} AS column{n + 1}" for n, kind in enumerate(types))
        relation = f"SELECT {', '.join(columns)} FROM jsonb_array_elements(%s::jsonb) AS given(r)"  # noqa: S608 - numbers and type names only
        self._text = text.replace("{rows}", relation)

    def pieces(self, rows: Sequence[Row]) -> Iterator[tuple[str, Row]]:
        if rows:
            yield self._text, (_encode(rows),)
