"""What a back-fill makes of the records it has read: reports in the shape of the stream.

Records of executions may lag behind the order that they are of. So an order whose total exceeds its known executions is
asked for by itself, a few times; and what is still lacking then the sweep over open orders finds.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from brokergw.model.outcome import BrokerOrder, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.told import Told

logger = logging.getLogger(__name__)

_LAG_WAITS_S: Final = (0.5, 1.0, 2.0)

FillsOf: TypeAlias = Callable[[BrokerOrder], Awaitable[Sequence[OrderReport]]]
"""Asks for all executions of one order, oldest first; may raise GatewayError."""


@dataclass(frozen=True, slots=True)
class Missed:
    """An order as it stands now, and what it executed meanwhile; `whole` when no execution of it is unaccounted for."""

    order: BrokerOrder
    fills: Sequence[OrderReport]
    whole: bool


async def reports_of(
    found: Iterable[Missed], start_ns: int, told: Told, fills_of: FillsOf, clock: Clock
) -> list[OrderReport]:
    """Give every execution and every order change since a time, oldest first; raises GatewayError."""
    reports: list[OrderReport] = []
    for each in found:
        order = each.order
        if not (each.fills or order.update_time_ns >= start_ns or told.differs(order)):
            continue
        fills = each.fills if each.whole else await _all_fills(order, fills_of, clock)
        last_ns = max([order.update_time_ns, *(report.event_time_ns for report in fills)])
        reports += [*fills, OrderReport(order, last_ns, replayed=True)]
    return sorted(reports, key=lambda report: report.event_time_ns)


async def _all_fills(order: BrokerOrder, fills_of: FillsOf, clock: Clock) -> Sequence[OrderReport]:
    fills = await fills_of(order)
    for wait_s in _LAG_WAITS_S:
        if fills and fills[-1].order.cum_quantity >= order.cum_quantity:
            return fills
        await clock.sleep(wait_s)
        fills = await fills_of(order)
    if not fills or fills[-1].order.cum_quantity < order.cum_quantity:
        logger.warning("the broker's records lack executions of order %s", order.broker_order_id)
    return fills
