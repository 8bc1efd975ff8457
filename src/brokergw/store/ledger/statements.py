"""The ledger's SQL."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Table

from brokergw.model.likeness import CAME_TO_NOTHING
from brokergw.model.order import Order
from brokergw.model.trading import Halt
from brokergw.store import tables
from brokergw.store.ledger.check import scope_keys
from brokergw.store.ledger.halting import HALT_LOCK, halt_from_row
from brokergw.store.sql.many import Ask, ManyRows, fetched, together
from brokergw.store.sql.statements import column_types, find, listed, names

_HALTS_AT_HAND_MAX: Final = 64


class LedgerStatements:
    """Every statement over the ledger for one kind of database; who only reads locks nothing."""

    def __init__(self, dialect: str, *, locking: bool = True) -> None:
        self.locks_rows: Final = locking and dialect != "sqlite"
        self.find_positions = self._find(
            tables.RISK_POSITIONS, "account_id = column1 AND symbol = column2 AND strategy_id = column3", dialect
        )
        self.find_usage = self._find(
            tables.RISK_USAGE, "user_id = column1 AND subject = column2 AND name = column3", dialect
        )
        # A file has one process, whose own memory tells.
        self.notes_repeats: Final = dialect != "sqlite"
        gone = ", ".join(f"'{state}'" for state in sorted(CAME_TO_NOTHING))
        nothing = (
            f"SELECT 1 FROM broker_orders WHERE broker_orders.order_id = risk_repeats.order_id AND state IN ({gone})"  # noqa: S608 - states of our own only
        )
        self.find_repeats = find(
            "account_id, likeness, order_id, time_ns",
            "risk_repeats",
            f"account_id = column1 AND likeness = column2 AND NOT EXISTS ({nothing})",
            dialect=dialect,
        )
        self.note_repeats = ManyRows(
            f"INSERT INTO risk_repeats ({listed(tables.RISK_REPEATS)}) {{rows}} ON CONFLICT (account_id, likeness)"
            " DO UPDATE SET order_id = excluded.order_id, time_ns = excluded.time_ns",
            column_types(tables.RISK_REPEATS),
            dialect=dialect,
        )
        self.write_positions = _write(tables.RISK_POSITIONS, dialect)
        self.write_usage = _write(tables.RISK_USAGE, dialect)
        columns = listed(tables.TRADING_HALTS)
        self._find_halts = find(columns, "trading_halts", "scope = column1", dialect=dialect)
        self._some_halts = find(
            columns, "trading_halts", f"column1 = '' LIMIT {_HALTS_AT_HAND_MAX + 1}", dialect=dialect
        )
        self._hold_halts_back = ManyRows(
            "SELECT pg_advisory_xact_lock_shared(column1) FROM ({rows}) AS wanted", ("bigint",), dialect=dialect
        )

    def halts_of(self, connection: Connection, orders: Sequence[Order]) -> list[Halt]:
        """Read the halts that may concern some orders; nobody can halt anything from now to the transaction's end.

        The lock stands before the reading, in a statement of its own: what a statement sees was settled at its start.
        """
        lock: list[Ask] = [(self._hold_halts_back, [(HALT_LOCK,)])] if self.locks_rows else []
        rows = fetched(together(connection, [*lock, (self._some_halts, [("",)])])[-1])
        if len(rows) > _HALTS_AT_HAND_MAX:
            scopes = {scope for order in orders for scope in scope_keys(order)}
            rows = self._find_halts.fetch(connection, [(scope,) for scope in sorted(scopes)])
        return [halt_from_row(*row) for row in rows]

    def _find(self, table: Table, condition: str, dialect: str) -> ManyRows:
        order = ", ".join(column.name for column in table.primary_key)
        lock = f" FOR UPDATE OF {table.name}" if self.locks_rows else ""
        return find(listed(table), table.name, f"{condition} ORDER BY {order}{lock}", dialect=dialect)


def _write(table: Table, dialect: str) -> ManyRows:
    """Write rows, each over the version before it only: one that somebody else has moved meanwhile is left alone."""
    key = ", ".join(column.name for column in table.primary_key)
    kept = {column.name for column in table.primary_key} | {"user_id"}
    changes = ", ".join(f"{name} = excluded.{name}" for name in names(table) if name not in kept)
    return ManyRows(
        f"INSERT INTO {table.name} ({listed(table)}) {{rows}}"
        f" ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE {table.name}.version = excluded.version - 1",
        column_types(table),
        dialect=dialect,
    )
