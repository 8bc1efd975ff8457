"""What happened while nobody listened, told from cTrader's records in the shape of the stream.

Theory of operation: the deal list gives every execution of a span of time, whatever its order's age. The orders'
present states come from three places: what is open, what was entered within the look-back, and, one by one, the orders
that were open when the link was lost or that have a deal but are in neither list. The lists may lag behind what they
tell of, so an order whose executions do not come to its total is asked for by itself, a few times; and what they still
lack the sweep over open orders finds.
"""

import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from brokergw.adapters.ctrader.api import Api
from brokergw.adapters.ctrader.errors import understood
from brokergw.adapters.ctrader.reader import Reader, fill_reports
from brokergw.adapters.ctrader.told import Told
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerFill, BrokerOrder, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.rows import Row, int64

logger = logging.getLogger(__name__)

_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _NS
_LAG_WAITS_S: Final = (0.5, 1.0, 2.0)


class History:
    """Reads reports out of cTrader's records."""

    def __init__(self, api: Api, reader: Reader, clock: Clock, *, look_back_s: int, overlap_s: int) -> None:
        self._api = api
        self._reader = reader
        self._clock = clock
        self._look_back_ns = look_back_s * _NS
        self._overlap_ns = overlap_s * _NS

    async def since(self, since_ns: int, told: Told) -> list[OrderReport]:
        """Give every execution and every order change since a time, oldest first; raises GatewayError."""
        start_ns = max(0, since_ns - self._overlap_ns)
        deals = await self._api.deals_since(start_ns, self._later())
        by_order: dict[str, list[Row]] = {}
        with understood():
            for deal in deals:
                by_order.setdefault(str(int64(deal, "orderId")), []).append(deal)
        orders = await self._orders(start_ns, told.open_ids | by_order.keys())
        reports: list[OrderReport] = []
        for order in orders:
            own = by_order.get(order.broker_order_id, [])
            if own or order.update_time_ns >= start_ns or told.differs(order):
                reports += await self._tell(order, own)
        reports.sort(key=lambda report: report.event_time_ns)
        return reports

    async def fills_of(self, order: BrokerOrder) -> list[OrderReport]:
        """Give the executions of one order, oldest first; raises GatewayError."""
        found = await self._api.order(int(order.broker_order_id))
        return [] if found is None else fill_reports(order, await self._reader.fills(found[1]))

    async def _orders(self, start_ns: int, named: set[str]) -> Sequence[BrokerOrder]:
        entered = await self._api.orders_since(max(0, start_ns - self._look_back_ns), self._later())
        _, pending = await self._api.open_things()
        with understood():
            found = {str(int64(row, "orderId")): row for row in (*entered, *pending)}
        for order_id in named - found.keys():
            single = await self._api.order(int(order_id))
            if single is not None:
                found[order_id] = single[0]
        return await self._reader.tellable(found.values())

    async def _tell(self, order: BrokerOrder, deals: Sequence[Row]) -> list[OrderReport]:
        fills = await self._reader.fills(deals)
        if _total(fills) != order.cum_quantity:
            fills = await self._all_fills(order)
        reports = fill_reports(order, fills)
        last_ns = max([order.update_time_ns, *(report.event_time_ns for report in reports)])
        return [*reports, OrderReport(order, last_ns, replayed=True)]

    async def _all_fills(self, order: BrokerOrder) -> list[BrokerFill]:
        """Ask for an order's own deals until they come to its total, a few times."""
        fills: list[BrokerFill] = []
        for wait_s in (0.0, *_LAG_WAITS_S):
            if wait_s:
                await self._clock.sleep(wait_s)
            found = await self._api.order(int(order.broker_order_id))
            fills = [] if found is None else await self._reader.fills(found[1])
            if _total(fills) >= order.cum_quantity:
                return fills
        logger.warning("cTrader's records lack executions of order %s", order.broker_order_id)
        return fills

    def _later(self) -> int:
        return self._clock.now_ns() + _DAY_NS


def _total(fills: Sequence[BrokerFill]) -> Decimal:
    return sum((fill.quantity for fill in fills), ZERO)
