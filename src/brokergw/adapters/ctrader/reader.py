"""Rows read in canonical terms, with whatever must be asked for first: symbols, and the account's currency."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from brokergw.adapters.ctrader import mapping
from brokergw.adapters.ctrader.api import Api, symbol_ids
from brokergw.adapters.ctrader.errors import understood
from brokergw.adapters.ctrader.symbols import SymbolBook
from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerFill, BrokerOrder, OrderReport
from brokergw.transport.rows import Row, Unusable, int64

logger = logging.getLogger(__name__)


class Reader:
    """Reads orders and executions of one account; every method may raise GatewayError."""

    def __init__(self, api: Api, symbols: SymbolBook) -> None:
        self._api = api
        self._symbols = symbols
        self._currency = ""

    async def currency(self) -> str:
        """Name the account's currency."""
        if not self._currency:
            trader = await self._api.trader()
            with understood():
                asset_id = int64(trader, "depositAssetId")
            self._currency = await self._symbols.asset(asset_id)
        return self._currency

    async def order(self, row: Row) -> BrokerOrder:
        """Read one order."""
        (read,) = await self.orders([row])
        return read

    async def orders(self, found: Sequence[Row]) -> list[BrokerOrder]:
        """Read orders."""
        await self._know(found)
        with understood():
            return [mapping.order(row, self._symbols) for row in found]

    async def tellable(self, found: Iterable[Row]) -> list[BrokerOrder]:
        """Read orders; one that cannot be read is left out and logged, so that it cannot silence all the others."""
        rows = list(found)
        await self._know(rows)
        orders: list[BrokerOrder] = []
        for row in rows:
            try:
                orders.append(mapping.order(row, self._symbols))
            except Unusable as error:
                logger.warning("order %s cannot be told: %s", row.get("orderId"), error)
        return orders

    async def fills(self, deals: Iterable[Row]) -> list[BrokerFill]:
        """Read executions, oldest first."""
        currency = await self.currency()
        with understood():
            found = [fill for deal in deals if (fill := mapping.fill(deal, currency)) is not None]
        return sorted(found, key=lambda fill: (fill.trade_time_ns, int(fill.execution_id)))

    async def _know(self, found: Sequence[Row]) -> None:
        with understood():
            ids = symbol_ids(found)
        await self._symbols.know(ids)


def fill_reports(order: BrokerOrder, fills: Sequence[BrokerFill]) -> list[OrderReport]:
    """Tell all of an order's executions as the stream would have: each with the order as it stood right after it."""
    reports: list[OrderReport] = []
    cum, value = ZERO, ZERO
    for fill in fills:
        cum += fill.quantity
        value += fill.quantity * fill.price
        whole_order = order.terms.quantity is not None and cum >= order.terms.quantity
        snapshot = replace(
            order,
            cum_quantity=cum,
            average_price=order.average_price if cum == order.cum_quantity else value / cum,
            state=State.FILLED if whole_order else State.PARTIAL,
            update_time_ns=fill.trade_time_ns,
        )
        reports.append(OrderReport(snapshot, fill.trade_time_ns, fill, replayed=True))
    return reports
