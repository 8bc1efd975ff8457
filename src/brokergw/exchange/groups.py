"""Groups of orders: an entry with its exits, and pairs of exits of which only one can trade.

Exits of an entry are HELD until the entry has ended with something filled; then they work, sized to what was filled
and is still there. When one exit of a pair trades, the other shrinks with it; when one ends, so does the other.
Where pairs part (see `Rules`), an exit ends its partner as soon as it moves, and an entry that was not filled whole
leaves no exits. A cancel by the account's owner anywhere in a group ends the whole group, or keeps the entry where a
broker does so.
"""

from decimal import Decimal

from brokergw.exchange.book import WorkingOrder
from brokergw.exchange.floor import Floor
from brokergw.exchange.values import ZERO, EventKind, OrderStatus
from brokergw.model.terms import OrderClass


def end(
    floor: Floor,
    order: WorkingOrder,
    status: OrderStatus,
    *,
    reason: str = "",
    by_owner: bool = False,
    keep_entry: bool = False,
) -> None:
    """End an order otherwise than by a fill, with what that means for its group."""
    floor.finish(order, status, reason)
    if is_entry(order):
        if order.filled and not by_owner and not floor.rules.pairs_part:
            _activate(floor, order)
        else:
            _end_all(floor, order.legs)
        return
    expired = status is OrderStatus.EXPIRED
    _end_all(floor, partners(order), OrderStatus.EXPIRED if expired else OrderStatus.CANCELED)
    if by_owner and order.parent is not None and not (keep_entry and is_entry(order.parent)):
        _end_all(floor, (order.parent,))


def part(floor: Floor, order: WorkingOrder) -> None:
    """At the first move of an exit: end its partners, and let it hold by itself what may still trade."""
    _end_all(floor, partners(order))
    order.commit()


def follow(floor: Floor, order: WorkingOrder) -> None:
    """After a trade of an exit, before anybody is told: let its partners hold no more than may still trade."""
    if floor.rules.pairs_part:
        part(floor, order)
        return
    for partner in partners(order):
        if not partner.is_open:
            continue
        if order.is_open:
            partner.quantity = partner.filled + order.leaves
            partner.commit()
        else:
            partner.release()


def settle(floor: Floor, order: WorkingOrder) -> None:
    """After a trade has been told: wake the exits of a filled entry, or cancel the partners of a filled exit."""
    if is_entry(order):
        if not order.is_open:
            _activate(floor, order)
        return
    for partner in partners(order):
        if not partner.is_open:
            continue
        if order.is_open:
            floor.emit(EventKind.AMENDED, partner, floor.now_ns())
        else:
            floor.finish(partner, OrderStatus.CANCELED)


def is_entry(order: WorkingOrder) -> bool:
    """Tell whether an order has exits that wait for it."""
    return bool(order.legs) and order.ticket.order_class is not OrderClass.OCO


def partners(order: WorkingOrder) -> tuple[WorkingOrder, ...]:
    """Give the other exits of the pair that an exit belongs to."""
    if order.parent is None:
        return order.legs if order.ticket.order_class is OrderClass.OCO else ()
    siblings = tuple(leg for leg in order.parent.legs if leg is not order)
    return siblings if is_entry(order.parent) else (order.parent, *siblings)


def _activate(floor: Floor, entry: WorkingOrder) -> None:
    quantity = min(entry.filled, _to_close(entry))
    now = floor.now_ns()
    for leg in entry.legs:
        if not leg.is_open:
            continue
        if quantity <= 0:
            floor.finish(leg, OrderStatus.CANCELED)
            continue
        leg.quantity = quantity
        leg.status = OrderStatus.NEW
        leg.commit()
        floor.rest(leg)
        floor.emit(EventKind.NEW, leg, now)


def _to_close(entry: WorkingOrder) -> Decimal:
    position = entry.position
    same_way = position.quantity > 0 if entry.buys else position.quantity < 0
    return position.available if same_way else ZERO


def _end_all(floor: Floor, orders: tuple[WorkingOrder, ...], status: OrderStatus = OrderStatus.CANCELED) -> None:
    for order in orders:
        if order.is_open:
            floor.finish(order, status)
