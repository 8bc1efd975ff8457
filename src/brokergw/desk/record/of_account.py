"""What the record tells an adapter of one account's orders, for brokers that find and list none without a symbol."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from brokergw.model.order import Order
from brokergw.ports.journal import Journal, OrderQuery

_PAGE: Final = 500
_OPEN_PAGES_MAX: Final = 20


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
