"""Placing and replacing: from a checked ticket to orders at work, with their legs."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from brokergw.exchange import admission
from brokergw.exchange.book import WorkingOrder
from brokergw.exchange.floor import Floor
from brokergw.exchange.ledger import Account
from brokergw.exchange.listings import Listing
from brokergw.exchange.matching import Matcher, follow_price, trail_stop
from brokergw.exchange.refusals import RefusalCode, Refused
from brokergw.exchange.values import EventKind, OrderStatus, Ticket
from brokergw.model.terms import OrderClass, OrderType, TimeInForce

_OPEN_KINDS: Final = {
    OrderStatus.NEW: EventKind.NEW,
    OrderStatus.ACCEPTED: EventKind.ACCEPTED,
    OrderStatus.HELD: EventKind.HELD,
}


def submit(floor: Floor, matcher: Matcher, account: Account, ticket: Ticket) -> WorkingOrder:
    """Take a ticket: check it, make its orders, tell, and try it against the market; raises Refused."""
    path = floor.market.path(ticket.symbol)
    listing, now = path.listing, floor.now_ns()
    _refuse_known_client_id(account, ticket.client_order_id)
    if ticket.order_class is OrderClass.OCO and ticket.type is OrderType.LIMIT and ticket.limit_price is None:
        ticket = replace(ticket, limit_price=ticket.take_profit_limit_price)
    admission.check_ticket(ticket, listing, now, whole=account.position(listing).quantity)
    depth = path.at(now)
    quantity = admission.quantity_of(ticket, listing, depth)
    order = _make(account, listing, ticket, quantity)
    order.create_time_ns = now
    if ticket.type is OrderType.TRAILING_STOP:
        follow_price(order, depth.last)
    admission.fund(floor, order, depth)
    if floor.rules.refuse_wash_trades and ticket.order_class in {OrderClass.SIMPLE, OrderClass.OTO}:
        admission.refuse_wash_trade(floor, order)
    _schedule(floor, order, now)
    order.legs = tuple(_make_leg(order, leg) for leg in _leg_tickets(ticket))
    for each in (order, *order.legs):
        _name(floor, each)
    _enter(floor, order, now)
    for leg in order.legs:
        _enter(floor, leg, now)
    matcher.arrive(order)
    for leg in order.legs:
        if leg.is_open and leg.status is not OrderStatus.HELD:
            floor.rest(leg)
    return order


def change(floor: Floor, matcher: Matcher, old: WorkingOrder, ticket: Ticket) -> WorkingOrder:
    """Put a new generation in an order's place; raises Refused and leaves the old one as it was."""
    _refuse_unreplaceable(old, ticket)
    account, now = old.account, floor.now_ns()
    _refuse_known_client_id(account, ticket.client_order_id)
    admission.check_ticket(_alone(ticket), old.listing, now, whole=old.position.quantity)
    quantity = ticket.quantity if ticket.quantity is not None else old.quantity
    if quantity <= old.filled:
        raise Refused(RefusalCode.INVALID_TERMS, "quantity must be above what is filled", field="quantity")
    new = _make(account, old.listing, ticket, quantity)
    _inherit(new, old)
    _fund_instead(floor, new, old)
    _schedule(floor, new, now)
    if old.status in {OrderStatus.HELD, OrderStatus.PARTIALLY_FILLED}:
        new.status = old.status
    new.create_time_ns = now
    _name(floor, new)
    old.replaced_by = new.order_id
    floor.finish(old, OrderStatus.REPLACED)
    _take_place(new, old)
    _enter(floor, new, now)
    for relative in (new.parent, *new.legs):
        if relative is not None:
            floor.emit(EventKind.AMENDED, relative, now)
    if new.status is not OrderStatus.HELD:
        matcher.arrive(new)
    return new


def _make(account: Account, listing: Listing, ticket: Ticket, quantity: Decimal) -> WorkingOrder:
    order = WorkingOrder(account, listing, ticket)
    order.quantity = quantity
    return order


def _name(floor: Floor, order: WorkingOrder) -> None:
    """Give an order its ids, once nothing can refuse it any more: a refused ticket uses up none."""
    order.order_id = floor.next_order_id()
    order.sequence = floor.order_count
    if not order.client_order_id:
        order.client_order_id = floor.client_order_id_for(order.sequence)


def _schedule(floor: Floor, order: WorkingOrder, now: int) -> None:
    ticket, listing, sessions = order.ticket, order.listing, floor.sessions
    order.ready_at_ns = now + floor.rules.settle_delay_ns
    match ticket.time_in_force:
        case TimeInForce.DAY:
            order.expires_at_ns = sessions.day_end(listing, now, extended=ticket.extended_hours)
        case TimeInForce.GTD:
            order.expires_at_ns = ticket.expire_time_ns
        case TimeInForce.AT_OPEN:
            order.auction_ns = sessions.opening_after(listing, now)
        case TimeInForce.AT_CLOSE:
            order.auction_ns = sessions.closing_after(listing, now)
    waits = order.auction_ns is not None or order.ready_at_ns > now
    if waits or not sessions.trades(listing, now, extended=ticket.extended_hours):
        order.status = OrderStatus.ACCEPTED


def _enter(floor: Floor, order: WorkingOrder, now: int) -> None:
    order.accept()
    floor.emit(_OPEN_KINDS.get(order.status, EventKind.NEW), order, now)


def _leg_tickets(ticket: Ticket) -> tuple[Ticket, ...]:
    if ticket.order_class is OrderClass.SIMPLE:
        return ()
    is_oco = ticket.order_class is OrderClass.OCO
    exit_ticket = Ticket(
        symbol=ticket.symbol,
        side=ticket.side if is_oco else ticket.side.opposite,
        type=OrderType.LIMIT,
        time_in_force=ticket.time_in_force,
        quantity=ticket.quantity,
        expire_time_ns=ticket.expire_time_ns,
    )
    legs = []
    if ticket.take_profit_limit_price is not None and not is_oco:
        legs.append(replace(exit_ticket, limit_price=ticket.take_profit_limit_price))
    if ticket.stop_loss_stop_price is not None:
        kind = OrderType.STOP if ticket.stop_loss_limit_price is None else OrderType.STOP_LIMIT
        stop, limit = ticket.stop_loss_stop_price, ticket.stop_loss_limit_price
        legs.append(replace(exit_ticket, type=kind, stop_price=stop, limit_price=limit))
    return tuple(legs)


def _make_leg(entry: WorkingOrder, ticket: Ticket) -> WorkingOrder:
    leg = _make(entry.account, entry.listing, ticket, entry.quantity)
    leg.parent = entry
    leg.closing = True
    leg.create_time_ns = entry.create_time_ns
    leg.expires_at_ns = entry.expires_at_ns
    leg.ready_at_ns = entry.ready_at_ns
    if entry.ticket.order_class is OrderClass.OCO:
        leg.status = entry.status
    else:
        leg.status = OrderStatus.HELD
    return leg


def _refuse_known_client_id(account: Account, client_order_id: str) -> None:
    known = account.by_client_id.get(client_order_id)
    if known is not None:
        raise Refused(
            RefusalCode.DUPLICATE_CLIENT_ORDER_ID,
            "the client order id is taken",
            client_order_id=client_order_id,
            existing_order_id=known.order_id,
        )


def _refuse_unreplaceable(old: WorkingOrder, ticket: Ticket) -> None:
    if not old.is_open or old.ticket.notional is not None:
        raise Refused(
            RefusalCode.NOT_REPLACEABLE,
            f"an order that is {old.status.value} or was placed by money cannot be replaced",
            order_id=old.order_id,
            status=old.status.value,
        )
    exits = old.parent is not None or old.ticket.order_class is OrderClass.OCO
    if exits and ticket.quantity != old.quantity:
        raise Refused(RefusalCode.INVALID_TERMS, "the quantity of an exit follows its group", field="quantity")


def _alone(ticket: Ticket) -> Ticket:
    """Give the ticket without its group, whose legs are orders of their own by now."""
    if ticket.order_class is OrderClass.SIMPLE:
        return ticket
    return replace(
        ticket,
        order_class=OrderClass.SIMPLE,
        take_profit_limit_price=None,
        stop_loss_stop_price=None,
        stop_loss_limit_price=None,
    )


def _inherit(new: WorkingOrder, old: WorkingOrder) -> None:
    new.replaces = old.order_id
    new.filled, new.filled_value, new.average_price = old.filled, old.filled_value, old.average_price
    new.fill_time_ns = old.fill_time_ns
    new.triggered = old.triggered
    new.closing, new.reserve_price = old.closing, old.reserve_price
    new.parent, new.legs = old.parent, old.legs
    if old.high_water_mark is not None:
        new.high_water_mark = old.high_water_mark
        new.stop_price = old.stop_price if old.triggered else trail_stop(new, old.high_water_mark)


def _fund_instead(floor: Floor, new: WorkingOrder, old: WorkingOrder) -> None:
    """Check the new generation against the account as it were without the old one."""
    if old.status is OrderStatus.HELD or not old.holder:
        return
    status = old.status
    old.status = OrderStatus.REPLACED
    old.commit()
    try:
        admission.fund(floor, new, floor.market.quote(old.listing.symbol))
    finally:
        old.status = status
        old.commit()


def _take_place(new: WorkingOrder, old: WorkingOrder) -> None:
    if new.parent is not None:
        new.parent.legs = tuple(new if leg is old else leg for leg in new.parent.legs)
    for leg in new.legs:
        leg.parent = new
        if leg.status is OrderStatus.HELD:
            leg.quantity = new.quantity
