"""Keeping orders apart at brokers that cannot tell them apart for us.

A broker that knows our client order id resolves any number of orders in doubt. One that only repeats a tag, or nothing,
does not: there an order in doubt must be alone with its symbol, and no two orders of a side may be on their way at
once, or nobody could say later which of them arrived.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from brokergw.desk.gates.question import Question, Said
from brokergw.desk.sessions import Session
from brokergw.model.capability import ResolutionClass
from brokergw.model.commands import SubmitOrder
from brokergw.model.errors import GatewayError, Objection, OrderEffect, Reason, Retry
from brokergw.model.lifecycle import UNRESOLVED, State
from brokergw.model.order import Order
from brokergw.model.terms import OrderTerms, Side
from brokergw.model.whose import only
from brokergw.ports.journal import Journal

_IN_DOUBT: Final = UNRESOLVED | {State.CONFIRM_PENDING}
_UNACKNOWLEDGED: Final = _IN_DOUBT | {State.SENDING}
_ON_ITS_WAY: Final = frozenset({State.SENDING, State.PENDING_MODIFY})
_RETRY_AFTER_S: Final = 1.0


class OneAtATime:
    """Who may send next, per account, symbol and side."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._turns: WeakValueDictionary[tuple[str, str, Side], asyncio.Lock] = WeakValueDictionary()

    @staticmethod
    def applies(session: Session) -> bool:
        """Tell whether orders must be kept apart at a session's broker."""
        return session.capabilities.resolution is not ResolutionClass.BY_CLIENT_ID

    def __call__(self, question: Question) -> Said:
        """Object to an order while another of its symbol is in doubt."""
        if question.before is not None or not self.applies(question.session):
            return ()
        return self._compare(question.session, question.terms)

    async def _compare(self, session: Session, terms: OrderTerms) -> Sequence[Objection]:
        found = await self._orders(session, terms, _IN_DOUBT)
        return [
            Objection(
                Reason.IN_DOUBT_ORDER_EXISTS,
                "order.symbol",
                f"what became of an earlier order for {terms.symbol} is not known yet",
                observed=order.order_id,
            )
            for order in found
        ]

    @asynccontextmanager
    async def turn(self, session: Session, command: SubmitOrder) -> AsyncIterator[None]:
        """Wait for the order's turn in this process; raises IN_DOUBT_ORDER_EXISTS when the one before is in doubt.

        Nothing was recorded then, so the caller may come again with its key. Where another process has admitted an
        order under that very key meanwhile, it is no rival: the admission tells what the key stands for.
        """
        terms, key = command.terms, command.idempotency_key.lower()
        lock = self._turns.setdefault((session.connection.account_id, terms.symbol, terms.side), asyncio.Lock())
        async with lock:
            rivals = await self._orders(session, terms, _UNACKNOWLEDGED | _changing(session))
            if rivals and all(rival.idempotency_key.lower() != key for rival in rivals):
                raise GatewayError(
                    Reason.IN_DOUBT_ORDER_EXISTS,
                    f"what became of an earlier order for {terms.symbol} is not known yet",
                    metadata={"observed": rivals[0].order_id},
                    effect=OrderEffect.NONE,
                    retry=Retry.SAME_KEY,
                    retry_after_s=_RETRY_AFTER_S,
                )
            yield

    async def rival(self, session: Session, order: Order) -> str:
        """Name another order that is on its way too, admitted by another process at the same moment; empty if none.

        Each of the two looks after its own admission, so at least one of them sees the other.
        """
        found = await self._orders(session, order.terms, _UNACKNOWLEDGED)
        return next((each.order_id for each in found if each.order_id != order.order_id), "")

    async def _orders(self, session: Session, terms: OrderTerms, states: frozenset[State]) -> list[Order]:
        own = session.connection
        found = await self._journal.open_orders(only(own.user_id), own.account_id, states)
        doubtful = [order for order in found if order.terms.symbol == terms.symbol]
        return [order for order in doubtful if order.state not in _ON_ITS_WAY or order.terms.side is terms.side]


def _changing(session: Session) -> frozenset[State]:
    """Give the state of an order that a change replaces, where only content tells the new one from other new ones."""
    by_content = session.capabilities.resolution is ResolutionClass.BY_CONTENT
    return frozenset({State.PENDING_MODIFY}) if by_content else frozenset()
