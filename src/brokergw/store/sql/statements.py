"""The writer's SQL.

Both databases understand the same text. Rows are found by joining the wanted ones crosswise, because SQLite uses no
index for `(a, b) IN (VALUES …)` and visits a cross join in the order written.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, Boolean, Table

from brokergw.store import tables
from brokergw.store.sql.many import ColumnType, ManyRows

_FIXED_ORDER_COLUMNS: Final = frozenset({"order_id", "user_id", "account_id", "broker", "create_time_ns", "external"})
_INDEXED_ORDER_COLUMNS: Final = frozenset({"client_order_id", "broker_client_order_id"})
"""Naming these in an update makes SQLite write their indexes again, so most updates leave them out."""

_BY_ONE: Final = "broker_orders.version = excluded.version - 1"
_BY_MORE: Final = "broker_orders.version < excluded.version"
"""For several changes written at once, whose order was read, and locked, in the same transaction."""


def names(table: Table) -> list[str]:
    """Give the names of a table's columns, in order, but for those that the database fills."""
    return [column.name for column in table.columns if column.autoincrement is not True]


def listed(table: Table, prefix: str = "") -> str:
    """Give a table's columns as a select list."""
    return ", ".join(prefix + name for name in names(table))


class Statements:
    """Every statement of the writer, for one kind of database."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        # SQLite's writer holds the only write lock there is.
        self.locks_rows = dialect != "sqlite"

        # A taker of leases locks their rows outright, so what is found here stays so until the commit; its holder may
        # report on its feed meanwhile.
        self.find_epochs = self._find(
            "connection_id, epoch",
            tables.LEASES,
            f"connection_id = column1 ORDER BY connection_id{' FOR KEY SHARE OF leases' if self.locks_rows else ''}",
        )
        self.find_keys = self._find(
            listed(tables.KEYS), tables.KEYS, "user_id = column1 AND method = column2 AND key = column3"
        )
        self.find_orders = self._find(listed(tables.ORDERS), tables.ORDERS, "order_id = column1")
        self.find_heads = self._find(
            listed(tables.ORDERS),
            tables.ORDERS,
            f"order_id = column1 ORDER BY order_id{self._lock('broker_orders')}",
        )
        self.find_order_ids = self._find("order_id", tables.ORDERS, "order_id = column1")
        self.find_client_ids = self._find_owners("client_order_id")
        self.find_broker_client_ids = self._find_owners("broker_client_order_id")
        self.find_broker_ids = self._find(
            listed(tables.BROKER_ORDER_IDS),
            tables.BROKER_ORDER_IDS,
            "account_id = column1 AND broker_order_id = column2",
        )
        self.find_fill_ids = self._find("fill_id", tables.FILLS, "fill_id = column1")
        self.lock_accounts = self._find(
            "account_id",
            tables.ACCOUNTS,
            f"account_id = column1 ORDER BY account_id{self._lock('broker_accounts')}",
        )

        self.insert_keys = self._insert(tables.KEYS)
        self.insert_orders = self._insert(tables.ORDERS)
        kept = _INDEXED_ORDER_COLUMNS | _FIXED_ORDER_COLUMNS
        self.update_orders = self._update_orders(kept, _BY_ONE)
        self.rename_orders = self._update_orders(_FIXED_ORDER_COLUMNS, _BY_ONE)
        self.leap_orders = self._update_orders(kept, _BY_MORE)
        self.leap_and_rename_orders = self._update_orders(_FIXED_ORDER_COLUMNS, _BY_MORE)
        self.insert_broker_ids = self._insert(tables.BROKER_ORDER_IDS)
        self.insert_fills = self._insert(tables.FILLS)
        self.insert_events = self._insert(tables.EVENTS)
        self.allot_sequences = self._many(
            "UPDATE broker_accounts SET last_sequence = last_sequence + column2 FROM ({rows}) AS wanted"
            " WHERE account_id = column1 RETURNING account_id, last_sequence, user_id",
            ("text", "bigint"),
        )
        # Equal notices in one transaction are delivered once.
        self.ring = (
            self._many("SELECT pg_notify(column1, column2) FROM ({rows}) AS rung", ("text", "text"))
            if self.locks_rows
            else None
        )
        self.write_decisions = self._many(
            "UPDATE idempotency_keys SET decision = column4, decision_time_ns = column5 FROM ({rows}) AS made"
            " WHERE user_id = column1 AND method = column2 AND key = column3",
            ("text", "text", "text", "text", "bigint"),
        )

    def _many(self, text: str, types: Sequence[ColumnType]) -> ManyRows:
        return ManyRows(text, types, dialect=self.dialect)

    def _lock(self, table: str) -> str:
        return f" FOR UPDATE OF {table}" if self.locks_rows else ""

    def _find(self, columns: str, table: Table, condition: str) -> ManyRows:
        return find(columns, table.name, condition, dialect=self.dialect)

    def _find_owners(self, column: str) -> ManyRows:
        return self._find(
            f"account_id, {column}, order_id",
            tables.ORDERS,
            # That it is not empty is said so that the index, which leaves out empty ids, may serve.
            f"account_id = column1 AND {column} = column2 AND {column} <> ''",
        )

    def _insert(self, table: Table) -> ManyRows:
        return self._many(
            f"INSERT INTO {table.name} ({listed(table)}) {{rows}} ON CONFLICT DO NOTHING", column_types(table)
        )

    def _update_orders(self, unchanged: frozenset[str], rise: str) -> ManyRows:
        changes = ", ".join(f"{name} = excluded.{name}" for name in names(tables.ORDERS) if name not in unchanged)
        return self._many(
            f"INSERT INTO broker_orders ({listed(tables.ORDERS)}) {{rows}}"
            f" ON CONFLICT (order_id) DO UPDATE SET {changes} WHERE {rise}",
            column_types(tables.ORDERS),
        )


def find(columns: str, source: str, condition: str, *, dialect: str) -> ManyRows:
    """Make a statement that finds rows by texts: `column1`, and where the condition names them, the next ones."""
    width = max(number for number in range(1, 4) if f"column{number}" in condition)
    text = f"SELECT {columns} FROM ({{rows}}) AS wanted CROSS JOIN {source} WHERE {condition}"  # noqa: S608 - names of our own tables only
    types: list[ColumnType] = ["text"] * width
    return ManyRows(text, types, dialect=dialect)


def column_types(table: Table) -> list[ColumnType]:
    """Give the types of a table's columns, in order, but for those that the database fills."""
    return [_type(table, name) for name in names(table)]


def _type(table: Table, name: str) -> ColumnType:
    match table.c[name].type:
        case BigInteger():
            return "bigint"
        case Boolean():
            return "boolean"
        case _:
            return "text"
