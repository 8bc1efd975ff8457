"""Reading the gateway's record past the gateway: by SQL, from outside, while it runs and after it has died."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from brokergw.model.events import AuditRow
from brokergw.store.database.engine import parse_url, reader_engine
from brokergw.store.encoding.rows import event_from_row, fill_from_row, key_from_row, order_from_row
from brokergw.store.tables import AUDIT, BROKER_ORDER_IDS, EVENTS, FILLS, KEYS, ORDERS
from tests.chaos.history import Record

Found = TypeVar("Found")

_UNDECIDED: Final = ("SENDING", "IN_DOUBT", "PENDING_CANCEL", "PENDING_MODIFY")


class RecordReader:
    """A reader of one account's record; every answer is None while the database is away.

    `unanswered` counts what it could not tell.
    """

    def __init__(self, url: str, account_id: str) -> None:
        self._engine: Engine = reader_engine(parse_url(url))
        self._account_id = account_id
        self.unanswered = 0

    def close(self) -> None:
        """Give the connections up."""
        self._engine.dispose()

    def state_of_submitted(self, client_order_id: str) -> str | None:
        """Give the state of the order that goes by a client order id at the broker; empty when there is none."""
        wanted = select(ORDERS.c.state).where(
            ORDERS.c.account_id == self._account_id, ORDERS.c.broker_client_order_id == client_order_id
        )
        return self._read(lambda database: str(database.scalar(wanted) or ""))

    def named(self, symbol: str, quantity: Decimal) -> str:
        """Give the client order id of the order for so many whole pieces of a symbol; empty when there is none."""
        wanted = select(ORDERS.c.broker_client_order_id).where(
            ORDERS.c.account_id == self._account_id,
            ORDERS.c.symbol == symbol,
            ORDERS.c.quantity == f"{quantity.normalize():f}",
            ORDERS.c.state != "DENIED",
        )
        return self._read(lambda database: str(database.scalar(wanted) or "")) or ""

    def was_pending(self, broker_order_id: str, pending: str) -> str | None:
        """Give `pending` when an order with this broker order id ever stood in that state; empty when not."""

        def look(database: Connection) -> str:
            found = database.scalar(
                select(BROKER_ORDER_IDS.c.order_id).where(
                    BROKER_ORDER_IDS.c.account_id == self._account_id,
                    BROKER_ORDER_IDS.c.broker_order_id == broker_order_id,
                )
            )
            payloads = database.scalars(select(EVENTS.c.payload).where(EVENTS.c.order_id == (found or "-")))
            return pending if any(json.loads(text).get("state") == pending for text in payloads) else ""

        return self._read(look)

    def undecided(self) -> list[tuple[str, str]] | None:
        """List orders, each with its state, whose outcome somebody still has to find out."""
        wanted = select(ORDERS.c.order_id, ORDERS.c.state).where(
            ORDERS.c.account_id == self._account_id, ORDERS.c.state.in_(_UNDECIDED)
        )
        return self._read(lambda database: [(row[0], row[1]) for row in database.execute(wanted)])

    def whole(self) -> Record:
        """Read everything."""
        with self._engine.connect() as database:
            events = self._own(EVENTS).order_by(EVENTS.c.sequence)
            rows = database.execute(select(AUDIT).order_by(AUDIT.c.chain, AUDIT.c.sequence)).all()
            bound = select(BROKER_ORDER_IDS.c.broker_order_id, BROKER_ORDER_IDS.c.order_id)
            return Record(
                orders=tuple(order_from_row(row) for row in database.execute(self._own(ORDERS))),
                events=tuple(event_from_row(row) for row in database.execute(events)),
                fills=tuple(fill_from_row(row) for row in database.execute(self._own(FILLS))),
                keys=tuple(key_from_row(row) for row in database.execute(select(KEYS))),
                audit=tuple(map(_audit, rows)),
                links=tuple(map(tuple, rows)),
                broker_order_ids=tuple((row[0], row[1]) for row in database.execute(bound)),
            )

    def _own(self, table: Any) -> Any:
        return select(table).where(table.c.account_id == self._account_id)

    def _read(self, look: Callable[[Connection], Found]) -> Found | None:
        try:
            with self._engine.connect() as database:
                return look(database)
        except SQLAlchemyError:
            # The database is away, which is a part of some trials.
            self._engine.dispose()
            self.unanswered += 1
            return None


def _audit(row: Any) -> AuditRow:
    return AuditRow(
        time_ns=row.time_ns,
        request_id=row.request_id,
        user_id=row.user_id,
        key_id=row.key_id,
        action=row.action,
        outcome=row.outcome,
        reason=row.reason,
        account_id=row.account_id,
        order_id=row.order_id,
        detail=row.detail,
        duration_ns=row.duration_ns,
    )
