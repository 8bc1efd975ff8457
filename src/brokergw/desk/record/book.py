"""The orders this process is busy with, at hand in memory; the journal has the last word."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from brokergw.desk.record.of_account import AccountRecord
from brokergw.model.account import Connection
from brokergw.model.lifecycle import AT_BROKER, State
from brokergw.model.order import Order
from brokergw.model.whose import Whose, only
from brokergw.ports.journal import Journal

_REMEMBERED_MAX: Final = 20_000
_CHANGING: Final = frozenset({State.PENDING_MODIFY, State.MANUAL})


class OrderBook:
    """The newest known version of recent orders, found by any of their ids.

    Another process may have moved an order on; whoever writes does so against the version read here and is told by the
    journal when it is stale.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._resting: dict[str, dict[str, None]] = {}
        self._by_broker_id: dict[tuple[str, str], str] = {}
        self._by_client_id: dict[tuple[str, str], str] = {}

    def remember(self, order: Order) -> None:
        """Keep a version, unless a newer one is known."""
        known = self._orders.get(order.order_id)
        if known is not None and known.version > order.version:
            return
        self._orders[order.order_id] = order
        self._orders.move_to_end(order.order_id)
        self._note_resting(order)
        for broker_order_id in order.broker_order_ids:
            self._by_broker_id[order.account_id, broker_order_id] = order.order_id
        if order.broker_client_order_id:
            self._by_client_id[order.account_id, order.broker_client_order_id] = order.order_id
        if len(self._orders) > _REMEMBERED_MAX:
            self._forget(self._orders.popitem(last=False)[1])

    def newest(self, order: Order) -> Order:
        """Give the newest version in memory of an order at hand."""
        return self._orders.get(order.order_id, order)

    def at_hand(self, account_id: str, broker_order_id: str, client_order_id: str) -> Order | None:
        """Find an order as `by_broker` does, but in memory only."""
        order_id = self._by_broker_id.get((account_id, broker_order_id))
        order_id = order_id or self._by_client_id.get((account_id, client_order_id))
        return None if order_id is None else self._orders.get(order_id)

    def in_memory(self, order_id: str) -> Order | None:
        """Find an order by the gateway's id, in memory only."""
        return self._orders.get(order_id)

    def at_broker(self, account_id: str = "") -> list[Order]:
        """List the orders in memory that rest at a broker by what is known here, of one account or of all."""
        accounts = (account_id,) if account_id else tuple(self._resting)
        return [self._orders[each] for account in accounts for each in self._resting.get(account, ())]

    def count_at_broker(self, account_id: str) -> int:
        """Count what `at_broker` lists of an account."""
        return len(self._resting.get(account_id, ()))

    def forget(self, order: Order) -> None:
        """Let go of an order, unless a newer version of it has come to memory."""
        if self._orders.get(order.order_id) is order:
            self._forget(self._orders.pop(order.order_id))

    def version(self, order_id: str) -> int:
        """Give the newest version in memory of an order; 0 where none is."""
        order = self._orders.get(order_id)
        return 0 if order is None else order.version

    async def get(self, whose: Whose, order_id: str) -> Order | None:
        """Find an order by the gateway's id as the record has it; memory speaks for it where nobody else writes."""
        known = None if self._journal.shared else self._orders.get(order_id)
        if known is not None and known.user_id in whose:
            return known
        # Somebody else's order is looked for as a missing one is, so that not even the time tells them apart.
        return self._kept(await self._journal.order(whose, order_id))

    async def by_broker(
        self, user_id: str, account_id: str, broker_order_id: str, client_order_id: str
    ) -> Order | None:
        """Find an order by what the broker calls it, or by the client order id that the broker was sent."""
        order = self.at_hand(account_id, broker_order_id, client_order_id)
        if order is not None:
            return order
        return self._kept(await self._journal.order_by_broker_id(user_id, account_id, broker_order_id, client_order_id))

    async def of_unknown_generation(self, user_id: str, account_id: str) -> Sequence[Order]:
        """List the orders with a change on its way, or made, whose new id at the broker is not known."""
        found = await self._journal.open_orders(only(user_id), account_id, _CHANGING)
        return [order for order in found if order.broker_order_ids]

    def record_of(self, connection: Connection) -> AccountRecord:
        """Give what an adapter may ask of the orders of its own account."""
        return AccountRecord(self._journal, self.by_broker, connection.user_id, connection.account_id)

    def _kept(self, order: Order | None) -> Order | None:
        if order is not None:
            self.remember(order)
        return order

    def _note_resting(self, order: Order) -> None:
        if order.state in AT_BROKER and order.broker_order_id:
            self._resting.setdefault(order.account_id, {})[order.order_id] = None
        else:
            self._rests_no_more(order)

    def _rests_no_more(self, order: Order) -> None:
        of_account = self._resting.get(order.account_id)
        if of_account is not None:
            of_account.pop(order.order_id, None)
            if not of_account:
                del self._resting[order.account_id]

    def _forget(self, order: Order) -> None:
        self._rests_no_more(order)
        for broker_order_id in order.broker_order_ids:
            self._by_broker_id.pop((order.account_id, broker_order_id), None)
        self._by_client_id.pop((order.account_id, order.broker_client_order_id), None)
