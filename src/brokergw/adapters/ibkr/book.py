"""What is known of orders and trades, from the stream and from the lists, and what of it has been told.

Stream and lists say the same things in the same words, so both are poured into one book, and whatever is then new is
told once. A frame of the stream carries only what has changed; a row of a list is whole, but may be older than a frame.
Trades name their order by its reference alone. An order is told as it stands once its trades are known to be all there:
a total without its executions would count twice.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from brokergw.adapters.ibkr.mapping import side_of
from brokergw.adapters.ibkr.payloads import decimal, milliseconds_ns, optional_decimal
from brokergw.adapters.ibkr.records import Trade, trade
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerOrder, OrderReport
from brokergw.model.terms import OrderTerms
from brokergw.transport.rows import Row, Unusable, optional_text

logger = logging.getLogger(__name__)

_PATIENCE: Final = 5
_WHOLE: Final = ("conid", "side", "status", "origOrderType", "timeInForce", "totalSize", "lastExecutionTime_r")

_Standing = tuple[State, object, OrderTerms]


class Book:
    """Rows of orders by number and trades by execution id."""

    def __init__(self, currency: str = "") -> None:
        self._currency = currency
        self._rows: dict[str, Row] = {}
        self._trades: dict[str, Trade] = {}
        self._told_trades: set[str] = set()
        self._told: dict[str, _Standing] = {}
        self._lagging: dict[str, int] = {}

    def take_list(self, rows: Iterable[Row]) -> list[Row]:
        """Take rows of the list in, and give those that are not older than what is known."""
        taken = []
        for row in rows:
            number = str(row.get("orderId"))
            known = self._rows.get(number)
            if known is not None and _version(row) < _version(known):
                continue
            self._rows[number] = row
            taken.append(row)
        return taken

    def take_change(self, change: Row) -> Row | None:
        """Take a frame's change in, and give the whole row; None while only the list can tell the rest."""
        number = str(change.get("orderId"))
        row = {**self._rows.get(number, {}), **change}
        if any(name not in row for name in _WHOLE):
            return None
        self._rows[number] = row
        return row

    def take_trades(self, rows: Iterable[Row]) -> list[Row]:
        """Take trades in, and give the rows of the orders that the new ones belong to."""
        touched: dict[str, Row] = {}
        for row in rows:
            try:
                found = trade(row, self._currency)
            except Unusable as error:
                logger.warning("a trade cannot be told: %s", error)
                continue
            if found.fill.execution_id not in self._trades:
                self._trades[found.fill.execution_id] = found
                touched |= {str(order["orderId"]): order for order in self._rows.values() if _may_own(order, found)}
        return list(touched.values())

    def pass_over(self, row: Row, order: BrokerOrder, before_ns: int) -> None:
        """Take for told what was before a moment."""
        for each in self._trades_of(row) or []:
            if each.fill.trade_time_ns < before_ns:
                self._told_trades.add(each.fill.execution_id)
        if order.update_time_ns < before_ns:
            self._told[order.broker_order_id] = _standing(order)

    def news(self, row: Row, order: BrokerOrder, *, replayed: bool) -> list[OrderReport]:
        """Tell what is new of an order: its executions, oldest first, and then how it stands."""
        trades = self._trades_of(row)
        reports, total = self._executions(order, trades or [], replayed=replayed)
        if trades is not None and total != order.cum_quantity and not self._waited_for(order):
            return reports
        self._lagging.pop(order.broker_order_id, None)
        before = self._told.get(order.broker_order_id)
        if before == _standing(order) or (
            before is not None and is_terminal(before[0]) and not is_terminal(order.state)
        ):
            return reports
        self._told[order.broker_order_id] = _standing(order)
        return [*reports, OrderReport(order, order.update_time_ns, replayed=replayed)]

    def fills_of(self, row: Row, order: BrokerOrder) -> list[OrderReport]:
        """Give every execution of an order, told or not."""
        return _reports(order, self._trades_of(row) or [], replayed=True)[0]

    def _executions(
        self, order: BrokerOrder, trades: list[Trade], *, replayed: bool
    ) -> tuple[list[OrderReport], object]:
        reports, total = _reports(order, trades, replayed=replayed)
        new = [each for each in reports if each.fill is not None and each.fill.execution_id not in self._told_trades]
        self._told_trades |= {each.fill.execution_id for each in new if each.fill is not None}
        return new, total

    def _waited_for(self, order: BrokerOrder) -> bool:
        """Tell whether the trades of an order have been missing for so long that it is told without them."""
        turns = self._lagging[order.broker_order_id] = self._lagging.get(order.broker_order_id, 0) + 1
        if turns == _PATIENCE:
            logger.warning("the trades of order %s do not add up to its total", order.broker_order_id)
        return turns >= _PATIENCE

    def _trades_of(self, row: Row) -> list[Trade] | None:
        """Give an order's trades, oldest first; None where it cannot be told whose they are."""
        rivals = [each for each in self._rows.values() if _alike(each, row) and _filled(each)]
        if len(rivals) > 1:
            return None
        found = [each for each in self._trades.values() if _may_own(row, each)]
        if sum((each.fill.quantity for each in found), ZERO) > decimal(row, "totalSize"):
            return None
        return sorted(found, key=lambda each: (each.fill.trade_time_ns, each.fill.execution_id))


def _reports(order: BrokerOrder, trades: Iterable[Trade], *, replayed: bool) -> tuple[list[OrderReport], object]:
    """Tell executions, each with the order as it stood right after it, and give their total."""
    reports = []
    total, value = ZERO, ZERO
    quantity = order.terms.quantity
    for each in trades:
        total += each.fill.quantity
        value += each.fill.quantity * each.fill.price
        snapshot = replace(
            order,
            cum_quantity=total,
            average_price=value / total,
            state=State.FILLED if total == quantity else State.PARTIAL,
            update_time_ns=each.fill.trade_time_ns,
        )
        reports.append(OrderReport(snapshot, each.fill.trade_time_ns, each.fill, replayed=replayed))
    return reports, total


def _may_own(row: Row, found: Trade) -> bool:
    return optional_text(row, "order_ref") == found.reference and (
        bool(found.reference) or (str(row.get("conid")) == str(found.conid) and _side(row) is found.side)
    )


def _alike(one: Row, other: Row) -> bool:
    """Tell whether trades could be those of either order: by their reference, or without one by what was traded."""
    if optional_text(one, "order_ref") != optional_text(other, "order_ref"):
        return False
    if optional_text(one, "order_ref"):
        return True
    return (str(one.get("conid")), one.get("side")) == (str(other.get("conid")), other.get("side"))


def _side(row: Row) -> object:
    try:
        return side_of(str(row.get("side")))
    except Unusable:
        return None


def _filled(row: Row) -> bool:
    return bool(optional_decimal(row, "filledQuantity"))


def _standing(order: BrokerOrder) -> _Standing:
    return order.state, order.cum_quantity, order.terms


def _version(row: Row) -> int:
    try:
        return milliseconds_ns(row, "lastExecutionTime_r")
    except Unusable:
        return 0
