"""The look-ups by id: what a row is found by, and what is made of it."""

from typing import Final

from brokergw.store import tables
from brokergw.store.database.reader import Lookup
from brokergw.store.encoding.rows import fill_from_row, key_from_row, order_from_row
from brokergw.store.sql.many import ManyRows
from brokergw.store.sql.statements import find, listed, names

_ORDER_COLUMNS: Final = names(tables.ORDERS)
_ACCOUNT: Final = _ORDER_COLUMNS.index("account_id")
_ORDER_ID: Final = _ORDER_COLUMNS.index("order_id")
_ORDER_USER: Final = _ORDER_COLUMNS.index("user_id")
_FILL_USER: Final = names(tables.FILLS).index("user_id")
_FILL_ID: Final = names(tables.FILLS).index("fill_id")


class Lookups:
    """Every look-up, for one kind of database."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self.key = Lookup(
            self._find(
                listed(tables.KEYS), "idempotency_keys", "user_id = column1 AND method = column2 AND key = column3"
            ),
            lambda row: row[:3],
            key_from_row,
        )
        self.order = Lookup(
            self._find(listed(tables.ORDERS), "broker_orders", "user_id = column1 AND order_id = column2"),
            lambda row: (row[_ORDER_USER], row[_ORDER_ID]),
            order_from_row,
        )
        self.order_by_client_id = self._order_by("client_order_id")
        self.order_by_broker_client_id = self._order_by("broker_client_order_id")
        self.order_by_broker_id = Lookup(
            self._find(
                f"i.user_id, i.account_id, i.broker_order_id, {listed(tables.ORDERS, 'o.')}",
                "broker_order_ids AS i CROSS JOIN broker_orders AS o",
                "i.user_id = column1 AND i.account_id = column2 AND i.broker_order_id = column3"
                " AND o.user_id = column1 AND o.order_id = i.order_id",
            ),
            lambda row: row[:3],
            lambda row: order_from_row(row[3:]),
        )
        self.fill = Lookup(
            self._find(listed(tables.FILLS), "broker_fills", "user_id = column1 AND fill_id = column2"),
            lambda row: (row[_FILL_USER], row[_FILL_ID]),
            fill_from_row,
        )

    def _order_by(self, column: str) -> Lookup:
        position = _ORDER_COLUMNS.index(column)
        statement = self._find(
            listed(tables.ORDERS),
            "broker_orders",
            f"user_id = column1 AND account_id = column2 AND {column} = column3 AND {column} <> ''",
        )
        return Lookup(statement, lambda row: (row[_ORDER_USER], row[_ACCOUNT], row[position]), order_from_row)

    def _find(self, columns: str, source: str, condition: str) -> ManyRows:
        return find(columns, source, condition, dialect=self._dialect)
