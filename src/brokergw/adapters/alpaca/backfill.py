"""What happened while nobody listened, told from Alpaca's REST records in the shape of the stream.

Theory of operation: the account's FILL activities give every execution of a span of time, whatever its order's age.
The orders' present states come from three places: the open orders, the orders submitted within the look-back, and,
one by one, the orders that were open when the link was lost or that have an execution but are in neither list.
Activities are read first, so that a fill between the two readings is missing in none of them: the link is up again by
then and tells it.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from brokergw.adapters.alpaca import mapping, records
from brokergw.adapters.alpaca.api import Api
from brokergw.adapters.alpaca.errors import understood
from brokergw.adapters.alpaca.records import FilledRow
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerOrder, OrderReport
from brokergw.model.terms import OrderClass, Side
from brokergw.ports.clock import Clock
from brokergw.transport.backfill import Missed, reports_of
from brokergw.transport.rows import Row, Unusable, optional_text
from brokergw.transport.told import Told

logger = logging.getLogger(__name__)

_NS: Final = 1_000_000_000
_SKEWS_NS: Final = (5 * _NS, 60 * _NS)
"""How far an execution may lie outside of its order's life, by the broker's own clocks. First little is read, since all
that the account traded in that time is told a hundred rows at a time, and more only where something is missing then.
"""
_DAY_NS: Final = 86_400 * _NS
_GENERATIONS_MAX: Final = 50


@dataclass(slots=True)
class _Found:
    """Orders by id, exits and legs included, and each order's executions, oldest first."""

    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    fills: dict[str, list[FilledRow]] = field(default_factory=dict)

    def add(self, order: BrokerOrder) -> None:
        """Take an order in with its exits; the legs of a spread trade as one order and give it their executions."""
        if order.terms.order_class is not OrderClass.MULTI_LEG:
            self.orders[order.broker_order_id] = order
            for leg in order.legs:
                self.add(leg)
        elif order.legs:
            self.orders[order.broker_order_id] = order
            legs = [self.fills.pop(leg.broker_order_id, []) for leg in order.legs]
            self.fills.setdefault(order.broker_order_id, []).extend(spread_rows(order, legs))


class History:
    """Reads reports out of Alpaca's records."""

    def __init__(self, api: Api, clock: Clock, *, look_back_s: int, overlap_s: int) -> None:
        self._api = api
        self._clock = clock
        self._look_back_ns = look_back_s * _NS
        self._overlap_ns = overlap_s * _NS

    async def since(self, since_ns: int, told: Told) -> list[OrderReport]:
        """Give every execution and every order change since a time, oldest first; raises GatewayError."""
        start_ns = max(0, since_ns - self._overlap_ns)
        found = await self._find(start_ns, told)
        missed = [_missed(order, found.fills.get(order_id, ()), told) for order_id, order in found.orders.items()]
        return await reports_of(missed, start_ns, told, self.fills_of, self._clock)

    async def fills_of(self, order: BrokerOrder) -> list[OrderReport]:
        """Give the executions of one order and of its generations before, oldest first; raises GatewayError."""
        generations = await self._generations(order)
        own: list[FilledRow] = []
        for skew_ns in _SKEWS_NS:
            until_ns = order.update_time_ns + skew_ns if is_terminal(order.state) else None
            rows = await self._fills(generations[0].submit_time_ns - skew_ns, until_ns)
            own = _own_rows(generations, rows)
            if sum((row.fill.quantity for row in own), ZERO) >= order.cum_quantity:
                break
        return fill_reports(order, own)

    async def _generations(self, order: BrokerOrder) -> list[BrokerOrder]:
        generations = [order]
        while generations[0].replaces and len(generations) < _GENERATIONS_MAX:
            row = await self._api.order(generations[0].replaces)
            if row is None:
                break
            with understood():
                generations.insert(0, mapping.order(row))
        return generations

    async def _find(self, start_ns: int, told: Told) -> _Found:
        found = _Found()
        for fill in await self._fills(start_ns, None):
            found.fills.setdefault(fill.order_id, []).append(fill)
        now_ns = self._clock.now_ns()
        rows = await self._api.orders_between(max(0, start_ns - self._look_back_ns), now_ns + _DAY_NS)
        rows += await self._api.open_orders()
        for order in _orders(rows):
            found.add(order)
        for order_id in (told.open_ids | found.fills.keys()) - found.orders.keys():
            row = await self._api.order(order_id)
            for order in _orders([row] if row is not None else []):
                found.add(order)
        return found

    async def _fills(self, since_ns: int, until_ns: int | None) -> list[FilledRow]:
        rows = await self._api.activities(max(0, since_ns), until_ns, kind="FILL", newest_first=False)
        with understood():
            fills = [records.filled_row(row) for row in rows]
        return sorted(fills, key=lambda fill: (fill.fill.trade_time_ns, fill.cum_quantity))


def _own_rows(generations: Sequence[BrokerOrder], rows: Sequence[FilledRow]) -> list[FilledRow]:
    """Find an order's executions, those of a spread by its legs, among an account's."""
    ids = {generation.broker_order_id for generation in generations}
    own = [row for row in rows if row.order_id in ids]
    for generation in generations:
        if generation.terms.order_class is OrderClass.MULTI_LEG:
            legs = [[r for r in rows if r.order_id == leg.broker_order_id] for leg in generation.legs]
            own += spread_rows(generation, legs)
    return own


def _missed(order: BrokerOrder, fills: Sequence[FilledRow], told: Told) -> Missed:
    known = max([told.cum_quantity(order), *(fill.cum_quantity for fill in fills)])
    return Missed(order, fill_reports(order, fills), whole=known >= order.cum_quantity)


def spread_rows(order: BrokerOrder, legs: Sequence[Sequence[FilledRow]]) -> list[FilledRow]:
    """Put the executions of a multi-leg order together from those of its legs.

    The order has traded as far as each of its legs has; its price is what one unit cost over all legs, a sold leg
    taken off, which is how the stream prices it.
    """
    rows: list[FilledRow] = []
    by_cum = [
        {row.cum_quantity / leg.ratio: row for row in leg_rows}
        for leg, leg_rows in zip(order.terms.legs, legs, strict=True)
    ]
    for cum in sorted(set.intersection(*(set(leg) for leg in by_cum))) if by_cum else ():
        parts = [leg[cum] for leg in by_cum]
        price = sum(
            (leg.ratio * part.fill.price * (1 if leg.side is Side.BUY else -1))
            for leg, part in zip(order.terms.legs, parts, strict=True)
        )
        fill = replace(
            parts[0].fill,
            execution_id=records.execution_id(order.broker_order_id, cum),
            quantity=parts[0].fill.quantity / order.terms.legs[0].ratio,
            price=Decimal(price),
            trade_time_ns=max(part.fill.trade_time_ns for part in parts),
        )
        leaves = parts[0].leaves_quantity / order.terms.legs[0].ratio
        rows.append(FilledRow(order.broker_order_id, cum, leaves, fill))
    return rows


def fill_reports(order: BrokerOrder, fills: Iterable[FilledRow]) -> list[OrderReport]:
    """Tell executions as the stream would have: each with the order as it stood right after it."""
    reports: list[OrderReport] = []
    value, seen = ZERO, ZERO
    for row in fills:
        value += row.fill.quantity * row.fill.price
        seen += row.fill.quantity
        snapshot = replace(
            order,
            cum_quantity=row.cum_quantity,
            average_price=_average(order, row, value, seen),
            state=State.FILLED if row.leaves_quantity == 0 else State.PARTIAL,
            update_time_ns=row.fill.trade_time_ns,
        )
        reports.append(OrderReport(snapshot, row.fill.trade_time_ns, row.fill, replayed=True))
    return reports


def _average(order: BrokerOrder, row: FilledRow, value: Decimal, seen: Decimal) -> Decimal | None:
    """Give the average price after an execution; None when earlier ones are not at hand."""
    if row.cum_quantity == order.cum_quantity:
        return order.average_price
    return value / seen if seen == row.cum_quantity else None


def _orders(rows: Iterable[Row]) -> list[BrokerOrder]:
    """Read orders; one with an undocumented word is left out and logged, so that it cannot silence all the others."""
    orders: list[BrokerOrder] = []
    for row in rows:
        try:
            orders.append(mapping.order(row))
        except Unusable as error:
            logger.warning("order %s cannot be told: %s", optional_text(row, "id"), error)
    return orders
