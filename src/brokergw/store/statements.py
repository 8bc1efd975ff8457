"""The writer's SQL: each statement is written once and takes as many rows as there are.

One statement with many rows costs one step of the database, and during a step Python's lock is free; the same rows one
by one would hand that lock back and forth for each. Texts for 1, 2, 4 … rows are kept, so the database parses each once.
Both databases understand the same text; only the parameter mark differs.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.engine import CursorResult

from brokergw.store import tables
from brokergw.store.rows import Row

_ROWS_MAX: Final = 128


class ManyRows:
    """A statement that takes a list of rows, in pieces of 128, 64, 32 … 1."""

    def __init__(self, head: str, width: int, tail: str, *, mark: str) -> None:
        self._head = head
        self._row = f"({','.join([mark] * width)})" if width > 1 else mark
        self._tail = tail
        self._texts: dict[int, str] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Write the rows; give how many rows of the table it touched."""
        return sum(result.rowcount for result in self._pieces(connection, rows))

    def fetch(self, connection: Connection, rows: Sequence[Row]) -> list[Row]:
        """Give all rows that the statement answers with."""
        return [tuple(row) for result in self._pieces(connection, rows) for row in result.fetchall()]

    def _pieces(self, connection: Connection, rows: Sequence[Row]) -> list[CursorResult[Any]]:
        results = []
        start = 0
        size = _ROWS_MAX
        while start < len(rows):
            while size > len(rows) - start:
                size >>= 1
            parameters = tuple(chain.from_iterable(rows[start : start + size]))
            results.append(connection.exec_driver_sql(self._text(size), parameters))
            start += size
        return results

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            text = self._texts[size] = self._head + ",".join([self._row] * size) + self._tail
        return text


def names(table: Table, *, without: tuple[str, ...] = ()) -> list[str]:
    """Give a table's column names in order."""
    return [column.name for column in table.columns if column.name not in without]


class Statements:
    """Every statement of the writer, for one kind of database."""

    def __init__(self, dialect: str) -> None:
        self._mark = "?" if dialect == "sqlite" else "%s"
        # SQLite's writer holds the only write lock there is.
        self.locks_rows = dialect != "sqlite"
        for_update = " FOR UPDATE" if self.locks_rows else ""

        self.find_keys = self._select(tables.KEYS, "(user_id, method, key) IN (VALUES ", 3)
        self.find_orders = self._select(tables.ORDERS, "order_id IN (", 1)
        self.find_heads = self._many(
            "SELECT order_id, version, client_order_id, broker_client_order_id, broker_order_ids"
            " FROM broker_orders WHERE order_id IN (",
            1,
            f") ORDER BY order_id{for_update}",
        )
        self.find_order_ids = self._many("SELECT order_id FROM broker_orders WHERE order_id IN (", 1, ")")
        self.find_client_ids = self._owners("client_order_id")
        self.find_broker_client_ids = self._owners("broker_client_order_id")
        self.find_broker_ids = self._many(
            "SELECT account_id, broker_order_id, order_id FROM broker_order_ids"
            " WHERE (account_id, broker_order_id) IN (VALUES ",
            2,
            ")",
        )
        self.find_fill_ids = self._many("SELECT fill_id FROM broker_fills WHERE fill_id IN (", 1, ")")
        self.lock_accounts = self._many(
            "SELECT account_id FROM broker_accounts WHERE account_id IN (", 1, f") ORDER BY account_id{for_update}"
        )

        self.insert_keys = self._insert(tables.KEYS)
        self.insert_orders = self._insert(tables.ORDERS)
        self.update_orders = self._replace_orders()
        self.insert_broker_ids = self._insert(tables.BROKER_ORDER_IDS)
        self.insert_fills = self._insert(tables.FILLS)
        self.insert_events = self._insert(tables.EVENTS)
        self.insert_audit = self._insert(tables.AUDIT, without=("audit_id",))
        self.allot_sequences = self._many(
            "UPDATE broker_accounts SET last_sequence = last_sequence + wanted.column2 FROM (VALUES ",
            2,
            ") AS wanted WHERE account_id = wanted.column1 RETURNING account_id, last_sequence, user_id",
        )
        self.write_decisions = self._many(
            "UPDATE idempotency_keys SET decision = made.column4, decision_time_ns = made.column5 FROM (VALUES ",
            5,
            ") AS made WHERE user_id = made.column1 AND method = made.column2 AND key = made.column3",
        )

    def _many(self, head: str, width: int, tail: str) -> ManyRows:
        return ManyRows(head, width, tail, mark=self._mark)

    def _select(self, table: Table, condition: str, width: int) -> ManyRows:
        return self._many(f"SELECT {', '.join(names(table))} FROM {table.name} WHERE {condition}", width, ")")

    def _owners(self, column: str) -> ManyRows:
        # Spelled out so that the index, which leaves out empty ids, may serve.
        return self._many(
            f"SELECT account_id, {column}, order_id FROM broker_orders"
            f" WHERE {column} <> '' AND (account_id, {column}) IN (VALUES ",
            2,
            ")",
        )

    def _insert(self, table: Table, *, without: tuple[str, ...] = ()) -> ManyRows:
        columns = names(table, without=without)
        head = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES "
        return self._many(head, len(columns), " ON CONFLICT DO NOTHING")

    def _replace_orders(self) -> ManyRows:
        columns = names(tables.ORDERS)
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "order_id")
        return self._many(
            f"INSERT INTO broker_orders ({', '.join(columns)}) VALUES ",
            len(columns),
            f" ON CONFLICT (order_id) DO UPDATE SET {changes} WHERE broker_orders.version < excluded.version",
        )
