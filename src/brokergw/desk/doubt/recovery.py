"""What senders that died have left behind, taken up by whoever holds the connection.

Only the broker knows what became of an order whose sender is gone, so the order is put in doubt and asked for; nothing
is sent. A sender that lives settles its orders itself: the holder waits until it is gone, or until its permit is so old
that it must have ended.
"""

from collections.abc import Collection, Mapping
from typing import Final

from brokergw.desk.doubt.resolver import Resolver
from brokergw.desk.keys.sends import Sends
from brokergw.desk.record.book import OrderBook
from brokergw.desk.sessions import Session
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.whose import everyone
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

_PERMIT_OLD_NS: Final = 30_000_000_000
_CHANGE_OLD_NS: Final = 5_000_000_000
"""Brokers confirm a change in less; asking what became of it disturbs nobody who still works on it."""

_PENDING: Final = frozenset({State.PENDING_CANCEL, State.PENDING_MODIFY})
_DOUBTFUL: Final = frozenset({State.IN_DOUBT, State.RESOLVED_ABSENT})
_UNSETTLED: Final = _PENDING | _DOUBTFUL | {State.SENDING}
_OF_ALL: Final = everyone("what dead processes left is looked for on all accounts held here at once")


class Recovery:
    """Looks for orders that nobody settles any more."""

    def __init__(self, journal: Journal, book: OrderBook, sends: Sends, resolver: Resolver, clock: Clock) -> None:
        self._journal = journal
        self._book = book
        self._sends = sends
        self._resolver = resolver
        self._clock = clock

    async def look(self, held: Mapping[str, Session], living: Collection[str]) -> None:
        """Take up what is left on the accounts held here, by account id; `living` names the processes that live."""
        if not held:
            return
        for order in await self._journal.open_orders(_OF_ALL, states=_UNSETTLED):
            session = held.get(order.account_id)
            if session is not None and session.lease is not None and not self._cared_for(order, living):
                self._book.remember(order)
                await self._take_up(session, order)

    def _cared_for(self, order: Order, living: Collection[str]) -> bool:
        """Tell whether the order's own sender still is to settle it."""
        if order.state in _DOUBTFUL:
            return False
        if self._sends.sending(order.order_id):
            return True
        old_ns = _CHANGE_OLD_NS if order.state in _PENDING else _PERMIT_OLD_NS
        return order.sender in living and self._clock.now_ns() - order.update_time_ns < old_ns

    async def _take_up(self, session: Session, order: Order) -> None:
        if order.state in _PENDING:
            session.later(f"confirm {order.order_id}", lambda: self._resolver.confirm(session, order))
            return
        doubtful = await self._resolver.doubt(session, order)
        session.later(f"settle {order.order_id}", lambda: self._resolver.settle(session, doubtful))
