"""A record full of ended orders, made in seconds: copies of one real order, written by SQLite itself.

Each copy has ids of its own and comes a microsecond after the one before it. Made while no gateway has the file.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

_CHUNK: Final = 100_000
_STEP_NS: Final = 1_000
_TABLES: Final = (
    ("broker_orders", "order_id = ?"),
    ("idempotency_keys", "subject = ?"),
    ("broker_order_ids", "order_id = ?"),
    ("broker_fills", "order_id = ?"),
    ("events", "order_id = ? ORDER BY sequence DESC LIMIT 1"),
)
"""Where an order leaves its rows; of its events the last one, so that the file stays of a size."""

_PRAGMAS: Final = ("synchronous = OFF", "cache_size = -262144", "temp_store = MEMORY")


def seed(file: Path, order_id: str, copies: int) -> None:
    """Write so many copies of an order that has ended."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.row_factory = sqlite3.Row
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        rows = {table: database.execute(f"SELECT * FROM {table} WHERE {where}", (order_id,)).fetchone()  # noqa: S608 - names from the list above
                for table, where in _TABLES}  # fmt: skip
        names = _names_of(rows)
        account = rows["broker_orders"]["account_id"]
        (last,) = database.execute(
            "SELECT last_sequence FROM broker_accounts WHERE account_id = ?", (account,)
        ).fetchone()
        for start in range(0, copies, _CHUNK):
            end = min(copies, start + _CHUNK)
            database.execute("BEGIN")
            for table, row in rows.items():
                database.execute(_copying(table, row, names, last), (start + 1, end))
            database.execute("COMMIT")
        database.execute("UPDATE broker_accounts SET last_sequence = ? WHERE account_id = ?", (last + copies, account))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _names_of(rows: dict[str, sqlite3.Row]) -> list[str]:
    """List what must be another one in each copy."""
    order, fill = rows["broker_orders"], rows["broker_fills"]
    return [
        order["order_id"],
        order["broker_client_order_id"],
        order["idempotency_key"],
        rows["broker_order_ids"]["broker_order_id"],
        fill["fill_id"],
        fill["execution_id"],
    ]


def _copying(table: str, row: sqlite3.Row, names: Sequence[str], last: int) -> str:
    columns = list(row.keys())
    values = ", ".join(_expression(column, row[column], names, last) for column in columns)
    return (
        "WITH RECURSIVE copy(n) AS (SELECT ? UNION ALL SELECT n + 1 FROM copy WHERE n < ?)"  # noqa: S608 - a row of our own
        f" INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM copy"
    )


def _expression(column: str, value: Any, names: Sequence[str], last: int) -> str:
    if value is None:
        return "NULL"
    if column == "sequence":
        return f"{last} + n"
    if isinstance(value, int):
        return f"{value} + n * {_STEP_NS}" if column.endswith("time_ns") else str(value)
    return " || ".join(_pieces(str(value), names)) or "''"


def _pieces(text: str, names: Sequence[str]) -> Iterator[str]:
    """Split a text at the names in it, each of which ends in the copy's number instead."""
    found = [(text.index(name), name) for name in names if name and name in text]
    if not found:
        yield _quoted(text)
        return
    at, name = min(found)
    yield _quoted(text[:at] + name[:-8])
    yield "printf('%08x', n)"
    if text[at + len(name) :]:
        yield from _pieces(text[at + len(name) :], names)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
