"""What happened while nobody listened, told from cTrader's records in the shape of the stream.

Theory of operation: the deal list gives every execution of a span of time, whatever its order's age. The orders'
present states come from three places: what is open, what was entered within the look-back, and, one by one, the orders
that were open when the link was lost or that have a deal but are in neither list.
"""

from collections.abc import Sequence
from typing import Final

from brokergw.adapters.ctrader.api import Api
from brokergw.adapters.ctrader.errors import understood
from brokergw.adapters.ctrader.reader import Reader, fill_reports
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerOrder, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.backfill import Missed, reports_of
from brokergw.transport.rows import Row, int64
from brokergw.transport.told import Told

_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _NS


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
        missed = [await self._missed(order, by_order.get(order.broker_order_id, ())) for order in orders]
        return await reports_of(missed, start_ns, told, self.fills_of, self._clock)

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

    async def _missed(self, order: BrokerOrder, deals: Sequence[Row]) -> Missed:
        fills = await self._reader.fills(deals)
        total = sum((fill.quantity for fill in fills), ZERO)
        return Missed(order, fill_reports(order, fills), whole=total == order.cum_quantity)

    def _later(self) -> int:
        return self._clock.now_ns() + _DAY_NS
