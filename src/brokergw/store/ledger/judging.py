"""What the commit that admits an order would say, from a read of the same rows: nothing is locked, nothing written."""

from collections.abc import Callable
from decimal import localcontext
from typing import Final

from sqlalchemy import Connection

from brokergw.model.ledger import EXACT, stake_of
from brokergw.model.order import Order
from brokergw.ports.journal import Admission, AdmissionRefused
from brokergw.store.ledger.book import Asking, LedgerBook, moves_of
from brokergw.store.ledger.statements import LedgerStatements

_SECOND_NS: Final = 1_000_000_000


def judged(order: Order, admission: Admission, now_ns: int) -> Callable[[Connection], AdmissionRefused | None]:
    """Give what stands in a new order's way; all must be seen at one moment."""

    def read(connection: Connection) -> AdmissionRefused | None:
        with localcontext(EXACT):
            book = LedgerBook(connection, LedgerStatements(connection.dialect.name, locking=False))
            stake = stake_of(order)
            book.open([stake])
            asking = Asking(order, admission, now_ns // _SECOND_NS)
            return book.move(moves_of(None, stake), asking, book.halts([order]))

    return read
