"""The open orders of this process's accounts, in memory before they are needed: a cancel without the record goes by it.

What this process places or follows is in memory anyway. What was there before it started, or is placed by another
process, is looked for now and then, by its versions first.
"""

from typing import Final

import structlog

from brokergw.desk.record.book import OrderBook
from brokergw.desk.sessions import Session, Sessions
from brokergw.model.errors import GatewayError
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

_EVERY_S: Final = 10.0
_ONE_BY_ONE_MAX: Final = 16

log = structlog.get_logger(__name__)


class WorkingSet:
    """Keeps the book of orders filled with what is open."""

    def __init__(self, journal: Journal, book: OrderBook, sessions: Sessions, clock: Clock) -> None:
        self._journal = journal
        self._book = book
        self._sessions = sessions
        self._clock = clock

    async def run(self) -> None:
        """Look until cancelled; where nobody else writes, once is enough."""
        while True:
            try:
                await self.once()
            except GatewayError as error:
                log.warning("the open orders could not be looked for", reason=error.reason.value)
            except Exception:
                log.exception("the open orders could not be looked for")
            else:
                if not self._journal.shared:
                    return
            await self._clock.sleep(_EVERY_S)

    async def once(self) -> None:
        """Bring every open order into memory."""
        for session in self._sessions.all():
            if not session.connection.revoked:
                await self._of(session)

    async def _of(self, session: Session) -> None:
        account_id, user_id = session.connection.account_id, session.connection.user_id
        whose = only(user_id)
        heads = await self._journal.open_heads(user_id, account_id)
        unknown = [head.order_id for head in heads if self._book.version(head.order_id) < head.version]
        if len(unknown) > _ONE_BY_ONE_MAX:
            for order in await self._journal.open_orders(whose, account_id):
                self._book.remember(order)
            return
        for order_id in unknown:
            found = await self._journal.order(whose, order_id)
            if found is not None:
                self._book.remember(found)
