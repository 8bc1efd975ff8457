"""Rows of the order list in canonical terms, with what we remember of the orders that we sent."""

import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from brokergw.adapters.ibkr import faults, mapping
from brokergw.adapters.ibkr.api import Api
from brokergw.adapters.ibkr.contracts import Contracts
from brokergw.model.lifecycle import is_terminal
from brokergw.model.outcome import BrokerOrder
from brokergw.transport.rows import Row, Unusable, int64, optional_text

logger = logging.getLogger(__name__)

_KEPT: Final = 20_000


class Orders:
    """The orders of one account."""

    def __init__(self, api: Api, contracts: Contracts) -> None:
        self._api = api
        self._contracts = contracts
        self._sent_ns: OrderedDict[str, int] = OrderedDict()

    def sent(self, reference: str, time_ns: int) -> None:
        """Remember when an order was sent: the gateway does not tell."""
        if reference and reference not in self._sent_ns:
            self._sent_ns[reference] = time_ns
            if len(self._sent_ns) > _KEPT:
                self._sent_ns.popitem(last=False)

    async def all(self) -> list[BrokerOrder]:
        """List every order of the day and whatever is open, oldest first; raises GatewayError."""
        return await self.of_rows(await self._api.orders())

    async def open(self) -> list[BrokerOrder]:
        """List every open order, oldest first; raises GatewayError. Rows of what has ended are not even read."""
        rows = [row for row in await self._api.orders() if may_live(row)]
        return [order for order in await self.of_rows(rows) if not is_terminal(order.state)]

    async def of_rows(self, rows: Iterable[Row]) -> list[BrokerOrder]:
        """Read rows; one that cannot be read fails the whole listing, since nobody would miss it."""
        orders = []
        for row in rows:
            with faults.understood():
                orders.append(await self.of_row(row))
        return sorted(orders, key=lambda order: order.submit_time_ns)

    async def readable(self, rows: Iterable[Row]) -> list[tuple[Row, BrokerOrder]]:
        """Read rows for the feed; one that cannot be told is left out and logged, so that it silences no others."""
        found = []
        for row in rows:
            try:
                found.append((row, await self.of_row(row)))
            except Unusable as error:
                logger.warning("order %s cannot be told: %s", row.get("orderId"), error)
        return found

    async def of_row(self, row: Row) -> BrokerOrder:
        """Read one row; raises Unusable, or GatewayError where its contract cannot be looked up."""
        symbol = mapping.share_of(row)
        if not symbol:
            symbol = (await self._contracts.of_conid(int64(row, "conid"))).symbol
        return mapping.order(row, symbol, submit_time_ns=self._sent_ns.get(optional_text(row, "order_ref")))


def may_live(row: Row) -> bool:
    """Tell whether a row's status leaves its order open; one that is not documented may."""
    state = mapping.STATES.get(optional_text(row, "status"))
    return state is None or not is_terminal(state)
