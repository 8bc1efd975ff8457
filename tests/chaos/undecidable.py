"""Which orders only a person can tell apart, where a broker knows no id of ours (class C).

Two things lead there. Somebody has entered an order's twin while nobody knew of it (`History.ambiguous`). Or the answer
to a change was lost: the change has made a new order, no row says of which, and another order for the same symbol may
be it.
"""

from collections.abc import Iterator
from typing import Final

from brokergw.model.capability import ResolutionClass
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.terms import Side
from tests.chaos.history import BrokerSide, History

_APART_NS: Final = 3_000_000_000
"""How far apart two entries may lie that count as made at once: each is told in whole seconds."""


def may_be_an_operators(history: History) -> frozenset[str]:
    """Give the client order ids of the orders that may rightly end with an operator."""
    return history.ambiguous | frozenset(_left_by_changes(history))


def nobodys(history: History) -> frozenset[str]:
    """Give the broker order ids that need not be on record, since their owner is an operator's."""
    bound = dict(history.record.broker_order_ids)
    manual = {o.broker_client_order_id for o in history.record.orders if o.state is State.MANUAL}
    theirs = may_be_an_operators(history) & manual
    return frozenset(
        side.broker_order_id
        for side in history.broker_orders
        if side.broker_order_id not in bound and origin_of(history, side).client_order_id in theirs
    )


def origin_of(history: History, side: BrokerSide) -> BrokerSide:
    """Give the first generation of an order."""
    sides = {each.broker_order_id: each for each in history.broker_orders}
    while side.replaces and side.replaces in sides:
        side = sides[side.replaces]
    return side


def _left_by_changes(history: History) -> Iterator[str]:
    if history.resolution is not ResolutionClass.BY_CONTENT:
        return
    orders = {order.broker_client_order_id: order for order in history.record.orders}
    for successor in _successors_off_record(history):
        order = orders.get(origin_of(history, successor).client_order_id)
        if order is None:
            continue
        rivals = [rival for rival in _alike(orders, order) if _is_rival(history, rival, successor)]
        yield from (each.broker_client_order_id for each in (*rivals, order) if rivals)


def _successors_off_record(history: History) -> list[BrokerSide]:
    bound = dict(history.record.broker_order_ids)
    return [side for side in history.broker_orders if side.replaces and side.broker_order_id not in bound]


def _alike(orders: dict[str, Order], order: Order) -> list[Order]:
    return [each for each in orders.values() if each.order_id != order.order_id and _legs(each) == _legs(order)]


def _legs(order: Order) -> tuple[str, Side]:
    return order.terms.symbol, order.terms.side


def _is_rival(history: History, order: Order, successor: BrokerSide) -> bool:
    """Tell whether an order may be what another one's change has made: nobody knew of it, or it was entered then."""
    name = order.broker_client_order_id
    doubted = any(
        isinstance(event.payload, Order)
        and event.payload.order_id == order.order_id
        and event.payload.state is State.IN_DOUBT
        for event in history.record.events
    )
    return doubted or any(
        origin_of(history, side).client_order_id == name and abs(side.entered_ns - successor.entered_ns) <= _APART_NS
        for side in history.broker_orders
    )
