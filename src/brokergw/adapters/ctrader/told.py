"""What one stream has told already, so that an execution is told once, and nothing is told that says nothing new."""

from collections import OrderedDict
from typing import Final

from brokergw.model.lifecycle import is_terminal
from brokergw.model.outcome import BrokerOrder, OrderReport

_KEPT: Final = 20_000


class Told:
    """The executions and the newest snapshot of each order that went out, as far back as memory allows."""

    def __init__(self) -> None:
        self._executions: OrderedDict[str, None] = OrderedDict()
        self._orders: OrderedDict[str, BrokerOrder] = OrderedDict()
        self._open: set[str] = set()

    @property
    def open_ids(self) -> set[str]:
        """The orders last told as open."""
        return set(self._open)

    def differs(self, order: BrokerOrder) -> bool:
        """Tell whether an order was told, but otherwise than it stands now."""
        last = self._orders.get(order.broker_order_id)
        return last is not None and (last.state, last.cum_quantity) != (order.state, order.cum_quantity)

    def news(self, report: OrderReport) -> bool:
        """Note a report, and tell whether it says anything new."""
        if report.fill is not None:
            if report.fill.execution_id in self._executions:
                return False
            self._executions[report.fill.execution_id] = None
            if len(self._executions) > _KEPT:
                self._executions.popitem(last=False)
            self._note(report.order)
            return True
        return self._note(report.order)

    def _note(self, order: BrokerOrder) -> bool:
        last = self._orders.get(order.broker_order_id)
        if last is not None and not _newer(order, last):
            return False
        self._orders[order.broker_order_id] = order
        self._orders.move_to_end(order.broker_order_id)
        if is_terminal(order.state):
            self._open.discard(order.broker_order_id)
        else:
            self._open.add(order.broker_order_id)
        if len(self._orders) > _KEPT:
            forgotten, _ = self._orders.popitem(last=False)
            self._open.discard(forgotten)
        return True


def _newer(order: BrokerOrder, last: BrokerOrder) -> bool:
    if is_terminal(order.state) != is_terminal(last.state):
        return is_terminal(order.state)
    if order.update_time_ns != last.update_time_ns:
        return order.update_time_ns > last.update_time_ns
    if order.cum_quantity != last.cum_quantity:
        return order.cum_quantity > last.cum_quantity
    return (order.state, order.terms) != (last.state, last.terms)
