"""What one stream has told already, so that a fill from stream and history is told once, and no state goes back."""

from collections import OrderedDict
from decimal import Decimal
from typing import Final, TypeVar

from brokergw.model.lifecycle import is_terminal
from brokergw.model.order import ZERO, FillKind
from brokergw.model.outcome import BrokerFill, BrokerOrder, OrderReport

_Value = TypeVar("_Value")

_KEPT: Final = 20_000


class Told:
    """The executions and the newest snapshot of each order that went out, as far back as memory allows."""

    def __init__(self) -> None:
        self._executions: OrderedDict[str, None] = OrderedDict()
        self._names: OrderedDict[str, BrokerFill] = OrderedDict()
        self._ended: OrderedDict[str, BrokerOrder] = OrderedDict()
        self._open: dict[str, BrokerOrder] = {}

    @property
    def open_ids(self) -> set[str]:
        """The orders last told as open."""
        return set(self._open)

    def cum_quantity(self, order: BrokerOrder) -> Decimal:
        """Give how much of an order has been told as executed."""
        last = self._last(order)
        return ZERO if last is None else last.cum_quantity

    def differs(self, order: BrokerOrder) -> bool:
        """Tell whether an order was told, but otherwise than it stands now."""
        last = self._last(order)
        return last is not None and (last.state, last.cum_quantity) != (order.state, order.cum_quantity)

    def named(self, name: str, fill: BrokerFill) -> None:
        """Remember the name that the broker's stream gave to an execution."""
        _keep(self._names, name, fill)

    def execution(self, name: str) -> BrokerFill | None:
        """Find an execution by that name."""
        return self._names.get(name)

    def news(self, report: OrderReport) -> bool:
        """Note a report, and tell whether it says anything new."""
        if report.fill is None:
            return self._note(report.order)
        if report.fill.execution_id in self._executions:
            return False
        _keep(self._executions, report.fill.execution_id, None)
        # An amendment may bring an order back that had ended.
        self._note(report.order, amended=report.fill.kind is not FillKind.NEW)
        return True

    def _note(self, order: BrokerOrder, *, amended: bool = False) -> bool:
        last = self._last(order)
        if last is not None and not amended and not _newer(order, last):
            return False
        self._ended.pop(order.broker_order_id, None)
        # A replaced order lives on in its successor; nobody has to ask for it again.
        if is_terminal(order.state) or order.replaced_by:
            self._open.pop(order.broker_order_id, None)
            _keep(self._ended, order.broker_order_id, order)
        else:
            self._open[order.broker_order_id] = order
        return True

    def _last(self, order: BrokerOrder) -> BrokerOrder | None:
        return self._open.get(order.broker_order_id) or self._ended.get(order.broker_order_id)


def _newer(order: BrokerOrder, last: BrokerOrder) -> bool:
    if is_terminal(order.state) != is_terminal(last.state):
        return is_terminal(order.state)
    if order.update_time_ns != last.update_time_ns:
        return order.update_time_ns > last.update_time_ns
    if order.cum_quantity != last.cum_quantity:
        return order.cum_quantity > last.cum_quantity
    return (order.state, order.terms) != (last.state, last.terms)


def _keep(kept: OrderedDict[str, _Value], key: str, value: _Value) -> None:
    kept[key] = value
    if len(kept) > _KEPT:
        kept.popitem(last=False)
