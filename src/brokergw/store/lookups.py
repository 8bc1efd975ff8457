"""The look-ups by id: what a row is found by, and what is made of it."""

from typing import Final

from brokergw.store import tables
from brokergw.store.reader import Lookup
from brokergw.store.rows import fill_from_row, key_from_row, order_from_row
from brokergw.store.statements import ManyRows, names

_ORDER_COLUMNS: Final = names(tables.ORDERS)
_ACCOUNT: Final = _ORDER_COLUMNS.index("account_id")
_ORDER_ID: Final = _ORDER_COLUMNS.index("order_id")
_CLIENT_ID: Final = _ORDER_COLUMNS.index("client_order_id")
_BROKER_CLIENT_ID: Final = _ORDER_COLUMNS.index("broker_client_order_id")
_FILL_ID: Final = names(tables.FILLS).index("fill_id")


class Lookups:
    """Every look-up, for one kind of database."""

    def __init__(self, dialect: str) -> None:
        self._mark = "?" if dialect == "sqlite" else "%s"
        orders = f"SELECT {', '.join(_ORDER_COLUMNS)} FROM broker_orders WHERE "
        self.key = Lookup(
            self._many(
                f"SELECT {', '.join(names(tables.KEYS))} FROM idempotency_keys"
                " WHERE (user_id, method, key) IN (VALUES ",
                3,
            ),
            lambda row: row[:3],
            key_from_row,
        )
        self.order = Lookup(self._many(f"{orders}order_id IN (", 1), lambda row: (row[_ORDER_ID],), order_from_row)
        self.order_by_client_id = Lookup(
            self._many(f"{orders}client_order_id <> '' AND (account_id, client_order_id) IN (VALUES ", 2),
            lambda row: (row[_ACCOUNT], row[_CLIENT_ID]),
            order_from_row,
        )
        self.order_by_broker_client_id = Lookup(
            self._many(f"{orders}broker_client_order_id <> '' AND (account_id, broker_client_order_id) IN (VALUES ", 2),
            lambda row: (row[_ACCOUNT], row[_BROKER_CLIENT_ID]),
            order_from_row,
        )
        columns = ", ".join(f"o.{name}" for name in _ORDER_COLUMNS)
        self.order_by_broker_id = Lookup(
            self._many(
                f"SELECT i.account_id, i.broker_order_id, {columns} FROM broker_order_ids AS i"
                " JOIN broker_orders AS o ON o.order_id = i.order_id"
                " WHERE (i.account_id, i.broker_order_id) IN (VALUES ",
                2,
            ),
            lambda row: row[:2],
            lambda row: order_from_row(row[2:]),
        )
        self.fill = Lookup(
            self._many(f"SELECT {', '.join(names(tables.FILLS))} FROM broker_fills WHERE fill_id IN (", 1),
            lambda row: (row[_FILL_ID],),
            fill_from_row,
        )

    def _many(self, head: str, width: int) -> ManyRows:
        return ManyRows(head, width, ")", mark=self._mark)
