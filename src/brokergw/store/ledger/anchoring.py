"""Setting the ledger's position to the broker's, where both sides know that they speak of the same moment."""

from collections.abc import Callable
from decimal import Decimal, localcontext

from sqlalchemy import Connection, select

from brokergw.model.errors import NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.ledger import EXACT
from brokergw.store.audit.chain import write_audit
from brokergw.store.ledger.book import LedgerBook
from brokergw.store.ledger.statements import LedgerStatements
from brokergw.store.tables import ACCOUNTS


class Moved(Exception):
    """Somebody else wrote the same rows first; nothing of this may be kept."""


def anchored(
    user_id: str,
    account_id: str,
    symbol: str,
    quantity: Decimal,
    average_cost: Decimal,
    expected: Decimal,
    now_ns: int,
) -> Callable[[Connection], bool]:
    """Set a position, and give whether it was as expected; raises Moved where that shows only in the writing."""
    row = AuditRow(
        time_ns=now_ns,
        request_id="",
        user_id=user_id,
        key_id="",
        action="ledger.anchored",
        outcome="OK",
        account_id=account_id,
        detail=f"{symbol}: {expected} is {quantity} at {average_cost}",
    )

    def work(database: Connection) -> bool:
        known = select(ACCOUNTS.c.account_id).where(ACCOUNTS.c.user_id == user_id, ACCOUNTS.c.account_id == account_id)
        if database.scalar(known) is None:
            raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)
        statements = LedgerStatements(database.dialect.name)
        with localcontext(EXACT):
            book = LedgerBook(database, statements)
            if not book.anchor(user_id, account_id, symbol, quantity, average_cost, expected):
                return False
            positions, usage = book.rows()
        for statement, rows in ((statements.write_positions, positions), (statements.write_usage, usage)):
            if statement.run(database, rows) != len(rows):
                raise Moved
        write_audit(database, row)
        return True

    return work
