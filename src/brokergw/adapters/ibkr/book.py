"""What is known of orders and trades, from the stream and from the lists, and what of it has been told.

Stream and lists say the same things in the same words, so both are poured into one book, and whatever is then new is
told once. A frame of the stream carries only what has changed; a row of a list is whole, but may be older than a frame.
Trades name their order by its reference alone. An order is told as it stands once its trades are known to be all there:
a total without its executions would count twice.

The lists hold the whole day. So whatever has been told as it stands costs a comparison each time, and rows and trades
find each other by what makes them each other's.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Final, TypeAlias

from brokergw.adapters.ibkr.mapping import side_of
from brokergw.adapters.ibkr.payloads import decimal, milliseconds_ns, optional_decimal
from brokergw.adapters.ibkr.records import Trade, trade
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerOrder, OrderReport
from brokergw.model.terms import OrderTerms
from brokergw.transport.rows import Row, Unusable, optional_text
from brokergw.transport.settled import Settled

logger = logging.getLogger(__name__)

_PATIENCE: Final = 5
_WHOLE: Final = ("conid", "side", "status", "origOrderType", "timeInForce", "totalSize", "lastExecutionTime_r")

_Standing: TypeAlias = tuple[State, object, OrderTerms]
_Whose: TypeAlias = tuple[str, str, object]
"""What names the order of a trade: its reference, or without one what was traded which way."""


class Book:
    """Rows of orders by number and trades by execution id."""

    def __init__(self, currency: str = "") -> None:
        self._currency = currency
        self._rows: dict[str, Row] = {}
        self._alike: defaultdict[_Whose, dict[str, None]] = defaultdict(dict)
        self._trades: set[str] = set()
        self._owned: defaultdict[_Whose, list[Trade]] = defaultdict(list)
        self._settled = Settled[Row]()
        self._told_trades: set[str] = set()
        self._told: dict[str, _Standing] = {}
        self._lagging: dict[str, int] = {}

    def take_list(self, rows: Iterable[Row]) -> list[Row]:
        """Take rows of the list in, and give those that are not older than what is known, nor told as they stand."""
        taken = []
        listed = {str(row.get("orderId")): row for row in rows}
        self._settled.keep(listed.keys())
        for number, row in listed.items():
            if self._settled.stands(number, row):
                continue
            known = self._rows.get(number)
            if known is not None and _version(row) < _version(known):
                continue
            self._put(number, row)
            taken.append(row)
        return taken

    def take_change(self, change: Row) -> Row | None:
        """Take a frame's change in, and give the whole row; None while only the list can tell the rest."""
        number = str(change.get("orderId"))
        row = {**self._rows.get(number, {}), **change}
        if any(name not in row for name in _WHOLE):
            return None
        self._put(number, row)
        self._settled.reopen(number)
        return row

    def take_trades(self, rows: Iterable[Row]) -> list[Row]:
        """Take trades in, and give the rows of the orders that the new ones belong to."""
        touched: dict[str, Row] = {}
        for row in rows:
            if isinstance(name := row.get("execution_id"), str) and name in self._trades:
                continue
            try:
                found = trade(row, self._currency)
            except Unusable as error:
                logger.warning("a trade cannot be told: %s", error)
                continue
            if found.fill.execution_id in self._trades:
                continue
            self._trades.add(found.fill.execution_id)
            whose = _whose(found.reference, found.conid, found.side)
            self._owned[whose].append(found)
            touched |= {number: self._rows[number] for number in self._alike.get(whose, ())}
        for number in touched:
            self._settled.reopen(number)
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
        self._settled.settle(order.broker_order_id, row)
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

    def _put(self, number: str, row: Row) -> None:
        known = self._rows.get(number)
        if known is not None and (before := _whose_row(known)) != _whose_row(row):
            del self._alike[before][number]
        self._rows[number] = row
        self._alike[_whose_row(row)][number] = None

    def _trades_of(self, row: Row) -> list[Trade] | None:
        """Give an order's trades, oldest first; None where it cannot be told whose they are."""
        whose = _whose_row(row)
        rivals = (number for number in self._alike.get(whose, ()) if _filled(self._rows[number]))
        if len(list(islice(rivals, 2))) > 1:
            return None
        found = self._owned.get(whose, [])
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


def _whose(reference: str, conid: object, side: object) -> _Whose:
    return (reference, "", None) if reference else ("", str(conid), side)


def _whose_row(row: Row) -> _Whose:
    return _whose(optional_text(row, "order_ref"), row.get("conid"), _side(row))


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
