"""What happened while nobody listened, told from Binance's lists in the shape of the stream.

Trades are read first, then orders, so that a fill between the two readings is missing in neither: the link is up again
by then and tells it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from brokergw.adapters.binance.orders import Orders
from brokergw.adapters.binance.symbols import read_id
from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerFill, BrokerOrder, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.backfill import Missed, reports_of
from brokergw.transport.told import Told

_NS: Final = 1_000_000_000
_AHEAD_NS: Final = 60 * _NS


class History:
    """Reads reports out of Binance's lists."""

    def __init__(self, orders: Orders, clock: Clock, *, overlap_s: int) -> None:
        self._orders = orders
        self._clock = clock
        self._overlap_ns = overlap_s * _NS

    async def since(self, since_ns: int, told: Told) -> list[OrderReport]:
        """Give every execution and every order change since a time, oldest first; raises GatewayError."""
        start_ns = max(0, since_ns - self._overlap_ns)
        found, fills = await self._find(start_ns, told)
        missed = [_missed(order, fills.get(order_id, ()), told) for order_id, order in found.items()]
        return await reports_of(missed, start_ns, told, self.fills_of, self._clock)

    async def fills_of(self, order: BrokerOrder) -> list[OrderReport]:
        """Give the executions of one order, oldest first; raises GatewayError."""
        return fill_reports(order, await self._orders.fills(order))

    async def _find(self, start_ns: int, told: Told) -> tuple[dict[str, BrokerOrder], dict[str, list[BrokerFill]]]:
        for order_id in told.open_ids:
            self._orders.touch(order_id.partition(":")[0])
        wires = await self._orders.wires()
        until_ns = self._clock.now_ns() + _AHEAD_NS
        fills: dict[str, list[BrokerFill]] = {}
        for order_id, fill, _ in await self._orders.trades(start_ns, until_ns, wires):
            fills.setdefault(order_id, []).append(fill)
        found = {each.broker_order_id: each for each in await self._orders.between(start_ns, until_ns, wires)}
        found |= {each.broker_order_id: each for each in await self._orders.open()}
        for order_id in (told.open_ids | fills.keys()) - found.keys():
            known = read_id(order_id)
            order = None if known is None else await self._orders.get(known)
            if order is not None:
                found[order_id] = order
        return found, fills


def _missed(order: BrokerOrder, fills: Sequence[BrokerFill], told: Told) -> Missed:
    known = max(told.cum_quantity(order), sum((fill.quantity for fill in fills), ZERO))
    return Missed(order, fill_reports(order, fills), whole=known >= order.cum_quantity)


def fill_reports(order: BrokerOrder, fills: Sequence[BrokerFill]) -> list[OrderReport]:
    """Tell executions as the stream would have: each with the order as it stood right after it.

    Where some are missing they are the earliest, since a list of a span of time lacks what was before it.
    """
    reports: list[OrderReport] = []
    cum = max(ZERO, order.cum_quantity - sum((fill.quantity for fill in fills), ZERO))
    for fill in fills:
        cum += fill.quantity
        whole = cum == (order.terms.quantity or order.cum_quantity) and order.state is State.FILLED
        snapshot = replace(
            order,
            cum_quantity=cum,
            average_price=order.average_price if cum == order.cum_quantity else None,
            state=State.FILLED if whole else State.PARTIAL,
            update_time_ns=fill.trade_time_ns,
        )
        reports.append(OrderReport(snapshot, fill.trade_time_ns, fill, replayed=True))
    return reports
