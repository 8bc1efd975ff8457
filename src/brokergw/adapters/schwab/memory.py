"""What one listener has been told already: an execution once, an order again only when it stands otherwise."""

from collections import OrderedDict
from dataclasses import replace
from decimal import Decimal
from typing import Final

from brokergw.adapters.schwab.executions import reports
from brokergw.adapters.schwab.mapping import Links, Reading
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerOrder, OrderReport
from brokergw.model.terms import OrderTerms

_KEPT: Final = 20_000


class Told:
    """The orders as last told, and their executions, as far back as memory allows; what is open is never forgotten."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._orders: OrderedDict[str, tuple[State, Decimal, str, OrderTerms]] = OrderedDict()
        self._executions: OrderedDict[str, None] = OrderedDict()

    def news(self, reading: Reading, since_ns: int | None) -> list[OrderReport]:
        """Give what is new about an order, and note it as told.

        With `since_ns` an order that was never told is told for what happened since then only: the rest was told
        before, by whoever listened then.
        """
        order = reading.order
        last = self._orders.get(order.broker_order_id)
        carried = self._links.carried(order.broker_order_id)
        told = reports(order, reading.fills, carried.quantity, carried.value)
        if last is None and since_ns is not None:
            old = [each for each in told if each.event_time_ns < since_ns]
            for each in old:
                self._keep(each)
            if not (told[len(old) :] or order.update_time_ns >= since_ns):
                self._note(order)
                return []
        fresh = [each for each in told if each.fill is not None and each.fill.execution_id not in self._executions]
        for each in fresh:
            self._keep(each)
        shown = order if reading.whole else _as_far_as_told(order, reading, carried.quantity)
        if last is not None and last == _standing(shown) and not fresh:
            return []
        self._note(shown)
        last_ns = max([order.update_time_ns, *(each.event_time_ns for each in fresh)])
        return [*fresh, OrderReport(shown, last_ns)]

    def _keep(self, report: OrderReport) -> None:
        assert report.fill is not None
        self._executions[report.fill.execution_id] = None
        if len(self._executions) > 5 * _KEPT:
            self._executions.popitem(last=False)

    def _note(self, order: BrokerOrder) -> None:
        self._orders[order.broker_order_id] = _standing(order)
        if len(self._orders) > _KEPT:
            ended = next((name for name, known in self._orders.items() if is_terminal(known[0])), None)
            if ended is not None:
                del self._orders[ended]


def _standing(order: BrokerOrder) -> tuple[State, Decimal, str, OrderTerms]:
    return order.state, order.cum_quantity, order.replaced_by, order.terms


def _as_far_as_told(order: BrokerOrder, reading: Reading, before: Decimal) -> BrokerOrder:
    """Give an order whose executions lag behind its total as it was after the last that is told.

    A total without its executions would make them count twice when they come.
    """
    told = before + sum((fill.quantity for fill in reading.fills), ZERO)
    state = State.PARTIAL if told else State.WORKING
    return replace(order, cum_quantity=told, average_price=None, state=state)
