"""What the record tells an adapter of one account's orders, for brokers that do not tell it all by themselves."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, TypeAlias

from brokergw.model.lifecycle import UNRESOLVED, State
from brokergw.model.order import Order
from brokergw.model.whose import only
from brokergw.ports.journal import Journal, OrderQuery

_PAGE: Final = 500
_OPEN_PAGES_MAX: Final = 20
_MAY_BE_THERE: Final = UNRESOLVED | {State.SENDING, State.CONFIRM_PENDING}


Finder: TypeAlias = Callable[[str, str, str, str], Awaitable[Order | None]]
"""Finds an order of a user's account by broker order id or by the client order id that the broker was sent."""


class AccountRecord:
    """One account's orders by the record (an OrderRecord)."""

    def __init__(self, journal: Journal, find: Finder, user_id: str, account_id: str) -> None:
        self._journal = journal
        self._find = find
        self._user_id = user_id
        self._account_id = account_id

    async def symbol_of(self, client_order_id: str) -> str:
        """Give the symbol of the order that was sent under a client order id; empty when there is none."""
        order = await self._find(self._user_id, self._account_id, "", client_order_id)
        return "" if order is None else order.terms.symbol

    async def symbols(self) -> Sequence[str]:
        """Give the symbols of all that is open, and of the newest orders."""
        newest = await self._journal.orders(
            OrderQuery(user_id=self._user_id, account_ids=(self._account_id,), limit=_PAGE)
        )
        found = {order.terms.symbol for order in newest}
        after = ""
        for _ in range(_OPEN_PAGES_MAX):
            query = OrderQuery(
                user_id=self._user_id,
                account_ids=(self._account_id,),
                open_only=True,
                after_order_id=after,
                limit=_PAGE,
            )
            orders = await self._journal.orders(query)
            found |= {order.terms.symbol for order in orders}
            if len(orders) < _PAGE:
                break
            after = orders[-1].order_id
        return sorted(found - {""})

    async def generations(self, broker_order_id: str) -> Sequence[str]:
        """Give the broker's ids of the order that has this one, oldest first; empty when no order has it."""
        order = await self._find(self._user_id, self._account_id, broker_order_id, "")
        return () if order is None else order.broker_order_ids

    async def unnamed(self) -> Collection[str]:
        """Give the symbols in which the broker may have an order of ours whose id there nobody knows yet."""
        orders = await self._journal.open_orders(only(self._user_id), self._account_id, _MAY_BE_THERE)
        return {order.terms.symbol for order in orders if not order.broker_order_ids}
