"""The open orders of this process's accounts, in memory before they are needed: a cancel without the record goes by it.

What this process places or follows is in memory anyway. What was there before it started, or is placed by another
process, is looked for now and then, by its versions first. Where another process follows the account, it is that one
which hears of an order's end, so what has ended is let go of here by the same look: else the cancels of an emergency
would be asked for orders that are long gone, and those that rest would wait behind them.
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
_CROWDED_EVERY_S: Final = 1.0
_CROWDED: Final = 32
"""From so many orders of an account on it is looked sooner what of them has ended."""

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
        crowded_only = False
        while True:
            for _ in range(round(_EVERY_S / _CROWDED_EVERY_S)):
                if await self._tried(crowded_only=crowded_only) and not self._journal.shared:
                    return
                crowded_only = True
                await self._clock.sleep(_CROWDED_EVERY_S)
            crowded_only = False

    async def once(self, *, crowded_only: bool = False) -> None:
        """Bring every open order into memory and let go of what has ended, of all accounts or of those with many."""
        for session in self._sessions.all():
            crowded = self._book.count_at_broker(session.connection.account_id) >= _CROWDED
            if not session.connection.revoked and (crowded or not crowded_only):
                await self._of(session)

    async def _tried(self, *, crowded_only: bool) -> bool:
        try:
            await self.once(crowded_only=crowded_only)
        except GatewayError as error:
            log.warning("the open orders could not be looked for", reason=error.reason.value)
        except Exception:
            log.exception("the open orders could not be looked for")
        else:
            return True
        return False

    async def _of(self, session: Session) -> None:
        account_id, user_id = session.connection.account_id, session.connection.user_id
        whose = only(user_id)
        known = self._book.at_broker(account_id)
        heads = await self._journal.open_heads(user_id, account_id)
        # What comes to memory during the look is newer than the look's answer, and so is not judged by it.
        open_ids = {head.order_id for head in heads}
        for order in known:
            if order.order_id not in open_ids:
                self._book.forget(order)
        unknown = [head.order_id for head in heads if self._book.version(head.order_id) < head.version]
        if len(unknown) > _ONE_BY_ONE_MAX:
            for order in await self._journal.open_orders(whose, account_id):
                self._book.remember(order)
            return
        for order_id in unknown:
            found = await self._journal.order(whose, order_id)
            if found is not None:
                self._book.remember(found)
