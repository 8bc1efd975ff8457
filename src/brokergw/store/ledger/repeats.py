"""Whether an order is the same as another one of a moment ago, whichever process took that.

The latest order of each likeness is noted in the commit that admits it. The row of its symbol is locked by then, so
that of two that come at once on two processes the second finds the first. A file that one process owns needs none of
this: what that process has taken is in its memory.
"""

from collections.abc import Iterable
from typing import TypeAlias

from sqlalchemy import Connection

from brokergw.model.likeness import Likeness
from brokergw.model.order import Order
from brokergw.ports.journal import Repeated
from brokergw.store.encoding.rows import Row
from brokergw.store.ledger.statements import LedgerStatements

_Noted: TypeAlias = tuple[str, int]
_Key: TypeAlias = tuple[str, str]


class Repeats:
    """The latest orders that are like those of one batch: which, and when it was made (Unix nanoseconds)."""

    def __init__(self, connection: Connection, statements: LedgerStatements) -> None:
        self._connection = connection
        self._statements = statements
        self._latest: dict[_Key, _Noted | None] = {}
        self._rows: dict[_Key, Row] = {}

    def bring(self, asked: Iterable[tuple[Order, Likeness | None]]) -> None:
        """Bring to hand what orders with a likeness may repeat, in one statement."""
        if not self._statements.notes_repeats:
            return
        wanted = {(order.account_id, like.print) for order, like in asked if like is not None} - self._latest.keys()
        if not wanted:
            return
        self._latest.update(dict.fromkeys(wanted))
        for account_id, like, order_id, time_ns in self._statements.find_repeats.fetch(
            self._connection, sorted(wanted)
        ):
            self._latest[account_id, like] = (order_id, time_ns)

    def of(self, order: Order, like: Likeness | None) -> Repeated | None:
        """Give what an order repeats; what was made `within_ns` before it, to the nanosecond, is long enough ago."""
        if like is None or like.meant:
            return None
        self.bring([(order, like)])
        latest = self._latest.get((order.account_id, like.print))
        if latest is None or latest[0] == order.order_id:
            return None
        ago_ns = max(0, _begun_ns(order) - latest[1])
        return Repeated(latest[0], ago_ns, like.within_ns) if ago_ns < like.within_ns else None

    def note(self, order: Order, like: Likeness | None) -> None:
        """Take note of an order that is admitted."""
        if like is not None and self._statements.notes_repeats:
            key = (order.account_id, like.print)
            noted = (order.order_id, _begun_ns(order))
            self._latest[key], self._rows[key] = noted, (order.user_id, *key, *noted)

    def rows(self) -> list[Row]:
        """Give the rows that must be written, in order."""
        return [self._rows[key] for key in sorted(self._rows)]


def _begun_ns(order: Order) -> int:
    """Tell when an order was last admitted."""
    return order.submit_time_ns or order.create_time_ns
