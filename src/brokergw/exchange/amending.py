"""Trades that are taken back or changed after they were made, as a venue does with an obvious mistake."""

from dataclasses import replace
from decimal import Decimal

from brokergw.exchange.book import PLACES, WorkingOrder
from brokergw.exchange.floor import Floor
from brokergw.exchange.refusals import RefusalCode, Refused
from brokergw.exchange.values import ZERO, Execution, OrderStatus


def amend(floor: Floor, order: WorkingOrder, execution_id: str, quantity: Decimal, price: Decimal) -> Execution:
    """Change a trade of an order, or take it back with quantity 0, and give it as it is now; raises NOT_FOUND.

    Money and position follow, the average price as if the trade had been so from the start. What is taken back is not
    traded again: an order that had filled ends cancelled.
    """
    place = next((i for i, each in enumerate(order.executions) if each.execution_id == execution_id), None)
    if place is None:
        raise Refused(RefusalCode.NOT_FOUND, "the order has no such execution", order_id=order.order_id)
    old = order.executions[place]
    sign, position = (1 if order.buys else -1), order.position
    standing = position.quantity + sign * (quantity - old.quantity)
    new = replace(old, quantity=quantity, price=price, position_quantity=standing)
    for executions in (order.executions, order.account.executions, floor.executions):
        executions[executions.index(old)] = new
    # The average depends on every trade since, so it is found as a recovery finds it: from the trades as they are now.
    position.take_anew(order.account.executions)
    value = quantity * price - old.quantity * old.price
    order.account.cash -= sign * value * order.listing.contract_size
    order.filled += quantity - old.quantity
    order.filled_value += value
    order.average_price = (order.filled_value / order.filled).quantize(PLACES).normalize() if order.filled else None
    _settle(floor, order)
    return new


def _settle(floor: Floor, order: WorkingOrder) -> None:
    now = floor.now_ns()
    if order.status is OrderStatus.FILLED and order.filled < order.quantity:
        order.status, order.cancel_time_ns = OrderStatus.CANCELED, now
    elif order.status is OrderStatus.PARTIALLY_FILLED and order.filled == ZERO:
        order.status = OrderStatus.NEW
    order.commit()
    order.changed(now)
