"""Admission: what a ticket must satisfy before it becomes an order."""

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Final

from brokergw.exchange.book import WorkingOrder
from brokergw.exchange.floor import Floor
from brokergw.exchange.listings import Listing
from brokergw.exchange.refusals import RefusalCode, Refused
from brokergw.exchange.values import ZERO, Depth, Ticket
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce

_LIMITED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPPED: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_PLAIN: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_RESTING: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD})
_HUNDRED: Final = Decimal(100)


def unit_cost(listing: Listing, price: Decimal, fee_rate: Decimal) -> Decimal:
    """Give what one unit costs at a price, fee included."""
    cost = price * listing.contract_size
    return cost + cost * fee_rate if fee_rate else cost


def check_ticket(ticket: Ticket, listing: Listing, now_ns: int, *, whole: Decimal) -> None:
    """Check what can be told without the account's money; raises Refused.

    `whole` is the account's whole position, which may be closed however small it is.
    """
    if not listing.tradable:
        raise Refused(RefusalCode.NOT_TRADABLE, f"{listing.symbol} cannot be traded", symbol=listing.symbol)
    _check_size(ticket, listing, abs(whole))
    _check_prices(ticket, listing)
    if ticket.time_in_force not in _RESTING and (ticket.type not in _PLAIN):
        raise _invalid("time_in_force", f"{ticket.time_in_force.value} takes market and limit orders only")
    if ticket.time_in_force is TimeInForce.GTD:
        if ticket.expire_time_ns is None:
            raise _invalid("expire_time_ns", "GTD needs an expiry time")
        if ticket.expire_time_ns <= now_ns:
            raise _invalid("expire_time_ns", "the expiry time has passed")
    if ticket.extended_hours and (ticket.type is not OrderType.LIMIT or ticket.time_in_force not in _RESTING):
        raise _invalid("extended_hours", "only resting limit orders trade in extended hours")
    if ticket.order_class is not OrderClass.SIMPLE:
        _check_group(ticket)


def quantity_of(ticket: Ticket, listing: Listing, depth: Depth) -> Decimal:
    """Give how many units a ticket asks for; money is turned into units at the limit or the present price."""
    if ticket.quantity is not None:
        return ticket.quantity
    price = ticket.limit_price or (depth.ask if ticket.side is Side.BUY else depth.bid)
    step = listing.quantity_step
    quantity = ((ticket.notional or ZERO) / (price * listing.contract_size) / step).to_integral_value(ROUND_DOWN) * step
    if quantity < listing.quantity_min:
        raise Refused(
            RefusalCode.BELOW_MINIMUM,
            f"{ticket.notional} buys less than {listing.quantity_min} {listing.symbol}",
            minimum=listing.quantity_min,
            observed=quantity,
        )
    return quantity


def fund(floor: Floor, order: WorkingOrder, depth: Depth) -> None:
    """Decide whether an order closes or opens, and check that the account has what it needs; raises Refused."""
    position = order.position
    leaves = order.quantity - order.filled
    if order.listing.netted:
        _fund_netted(floor, order, depth, leaves)
        return
    if position.quantity and (position.quantity < 0) == order.buys:
        order.closing = True
        available = position.available
        if leaves > available:
            raise _insufficient_quantity(order, leaves)
        return
    order.closing = False
    if order.ticket.order_class is OrderClass.OCO:
        raise _insufficient_quantity(order, leaves)
    if order.buys:
        _refuse_beside(floor, order, position.opening_sells)
    else:
        _check_short(order, leaves)
        _refuse_beside(floor, order, position.opening_buys)
    _reserve(floor, order, depth, leaves, opening=leaves)


def _reserve(
    floor: Floor, order: WorkingOrder, depth: Depth, leaves: Decimal, *, opening: Decimal, freed: Decimal = ZERO
) -> None:
    """Settle what an order reserves for the part of it that opens; raises INSUFFICIENT_BUYING_POWER.

    `freed` is the worth of the position that the rest of it closes, whose margin backs what opens.
    """
    order.reserve_price = unit_cost(order.listing, _worst_price(order, depth), floor.rules.fee_rate)
    if opening != leaves:
        order.reserve_price *= opening / leaves
    cost = leaves * order.reserve_price
    buying_power = order.account.buying_power(floor.market, order.listing) + freed
    if cost > buying_power:
        raise _too_expensive(cost, buying_power)


def _fund_netted(floor: Floor, order: WorkingOrder, depth: Depth, leaves: Decimal) -> None:
    """Settle what an order needs for what it adds to its position; what only makes that smaller needs nothing."""
    held = order.position.quantity
    against = abs(held) if held and (held < 0) == order.buys else ZERO
    opening = max(ZERO, leaves - against)
    if opening and not order.buys and not (order.account.shorting and order.listing.shortable):
        raise _no_short(f"{order.listing.symbol} cannot be sold short", order.listing)
    order.closing = False
    freed = min(leaves, against) * unit_cost(order.listing, depth.last, ZERO)
    _reserve(floor, order, depth, leaves, opening=opening, freed=freed)


def refuse_wash_trade(floor: Floor, order: WorkingOrder) -> None:
    """Refuse an order that could trade with another open order of its account; raises WASH_TRADE."""
    ours = order.ticket.limit_price

    def meets(other: WorkingOrder) -> bool:
        theirs = other.ticket.limit_price
        return ours is None or theirs is None or (ours >= theirs if order.buys else ours <= theirs)

    # The oldest is not always the book's first: exits come to rest later than they get their ids, except in a recovery.
    meeting = filter(meets, _own_opposite_orders(floor, order))
    existing = min(meeting, key=lambda other: other.sequence, default=None)
    if existing is not None:
        raise Refused(
            RefusalCode.WASH_TRADE,
            "the order could trade with another order of this account",
            existing_order_id=existing.order_id,
        )


def _own_opposite_orders(floor: Floor, order: WorkingOrder) -> Iterator[WorkingOrder]:
    book = floor.resting.get(order.listing.symbol)
    for other in book.orders.values() if book is not None else ():
        if other.account is order.account and other.buys != order.buys and other.order_id != order.replaces:
            yield other


def _refuse_beside(floor: Floor, order: WorkingOrder, opposite: int) -> None:
    if not opposite:
        return
    # Orders that open both ways would let a fill of one turn the other's meaning, so only one way may be open.
    for other in _own_opposite_orders(floor, order):
        if not other.closing:
            raise Refused(
                RefusalCode.OPPOSITE_ORDER_OPEN,
                f"another order of this account opens {order.listing.symbol} the other way",
                existing_order_id=other.order_id,
            )


def _check_short(order: WorkingOrder, leaves: Decimal) -> None:
    listing, account = order.listing, order.account
    if listing.asset_class in {AssetClass.CRYPTO, AssetClass.OPTION}:
        raise _insufficient_quantity(order, leaves)
    if not account.shorting or account.multiplier <= 1:
        raise _no_short("the account may not sell short", listing)
    if not listing.shortable:
        raise _no_short(f"{listing.symbol} cannot be sold short", listing)
    if order.ticket.notional is not None or order.quantity % 1:
        raise _no_short("only whole units can be sold short", listing)


def _too_expensive(cost: Decimal, buying_power: Decimal) -> Refused:
    return Refused(
        RefusalCode.INSUFFICIENT_BUYING_POWER,
        f"the order may cost {cost:f}, buying power is {buying_power:f}",
        buying_power=buying_power,
        cost_basis=cost,
    )


def _no_short(message: str, listing: Listing) -> Refused:
    return Refused(RefusalCode.SHORT_NOT_ALLOWED, message, symbol=listing.symbol)


def _insufficient_quantity(order: WorkingOrder, requested: Decimal) -> Refused:
    position = order.position
    return Refused(
        RefusalCode.INSUFFICIENT_QUANTITY,
        f"the order needs {requested:f} {position.listing.symbol}, {position.available:f} are available",
        requested=requested,
        available=position.available,
        existing=position.quantity,
        held_for_orders=position.held,
    )


def _worst_price(order: WorkingOrder, depth: Depth) -> Decimal:
    limit = order.ticket.limit_price
    if limit is not None:
        return limit if order.buys else max(limit, depth.bid)
    now = depth.ask if order.buys else depth.bid
    return now if order.stop_price is None else max(now, order.stop_price) if order.buys else now


def _check_size(ticket: Ticket, listing: Listing, whole: Decimal) -> None:
    if (ticket.quantity is None) == (ticket.notional is None):
        raise _invalid("quantity", "exactly one of quantity and notional must be given")
    if ticket.notional is not None:
        _check_notional(ticket, ticket.notional, listing)
        return
    quantity = ticket.quantity or ZERO
    if not quantity.is_finite() or quantity <= 0:
        raise _invalid("quantity", "quantity must be above zero")
    if quantity % listing.quantity_step:
        if not listing.fractionable:
            raise _not_fractionable(listing)
        raise Refused(
            RefusalCode.OFF_STEP,
            f"quantity must be a multiple of {listing.quantity_step:f}",
            quantity=quantity,
            step=listing.quantity_step,
        )
    if quantity < listing.quantity_min and quantity != whole:
        raise Refused(
            RefusalCode.BELOW_MINIMUM,
            f"quantity must be at least {listing.quantity_min:f}",
            minimum=listing.quantity_min,
            observed=quantity,
        )


def _check_notional(ticket: Ticket, notional: Decimal, listing: Listing) -> None:
    if not notional.is_finite() or notional <= 0:
        raise _invalid("notional", "notional must be above zero")
    if not listing.fractionable:
        raise _not_fractionable(listing)
    if ticket.type not in _PLAIN or ticket.order_class is not OrderClass.SIMPLE:
        raise _invalid("notional", "only simple market and limit orders can be placed by money")
    if listing.notional_min is not None and notional < listing.notional_min:
        raise Refused(
            RefusalCode.BELOW_MINIMUM,
            f"notional must be at least {listing.notional_min:f}",
            minimum=listing.notional_min,
            observed=notional,
        )


def _check_prices(ticket: Ticket, listing: Listing) -> None:
    kind = ticket.type
    limited = ticket.limit_price is not None
    if limited != (kind in _LIMITED):
        raise _invalid("limit_price", f"a {kind.value} order {'has no' if limited else 'needs a'} limit price")
    stopped = ticket.stop_price is not None
    if stopped != (kind in _STOPPED):
        raise _invalid("stop_price", f"a {kind.value} order {'has no' if stopped else 'needs a'} stop price")
    trails = (ticket.trail_amount is not None) + (ticket.trail_percent is not None)
    if trails != (kind is OrderType.TRAILING_STOP):
        raise _invalid("trail", "a trailing stop, and only that, takes one of trail amount and trail percent")
    if trails:
        _check_trail(ticket)
    for field in _PRICES:
        price: Decimal | None = getattr(ticket, field)
        if price is not None:
            _check_price(field, price, listing)


_PRICES: Final = (
    "limit_price",
    "stop_price",
    "take_profit_limit_price",
    "stop_loss_stop_price",
    "stop_loss_limit_price",
)


def _check_price(field: str, price: Decimal, listing: Listing) -> None:
    if not price.is_finite() or price <= 0:
        raise _invalid(field, f"{field} must be above zero")
    tick = listing.tick_at(price)
    if price % tick:
        raise Refused(
            RefusalCode.OFF_TICK, f"{field} must be a multiple of {tick:f}", field=field, price=price, tick=tick
        )


def _check_trail(ticket: Ticket) -> None:
    trail = ticket.trail_amount if ticket.trail_amount is not None else ticket.trail_percent
    if trail is None or not trail.is_finite() or trail <= 0:
        raise _invalid("trail", "a trail must be above zero")
    if ticket.trail_percent is not None and ticket.trail_percent >= _HUNDRED:
        raise _invalid("trail_percent", "a trail must be below 100 percent")


def _check_group(ticket: Ticket) -> None:
    if ticket.order_class is OrderClass.MULTI_LEG:
        raise _invalid("order_class", "multi-leg orders are not traded here")
    if ticket.order_class is OrderClass.OCO and ticket.type is not OrderType.LIMIT:
        raise _invalid("type", "an OCO order is a limit order with a stop-loss")
    if ticket.time_in_force not in _RESTING:
        raise _invalid("time_in_force", f"a {ticket.order_class.value} order must be able to rest")
    take_profit = take_profit_of(ticket)
    stop_loss = ticket.stop_loss_stop_price
    if ticket.order_class is OrderClass.OTO:
        if (take_profit is None) == (stop_loss is None):
            raise _invalid("order_class", "an OTO order takes one of take-profit and stop-loss")
    elif take_profit is None:
        raise _invalid("take_profit_limit_price", f"a {ticket.order_class.value} order needs a take-profit")
    elif stop_loss is None:
        raise _invalid("stop_loss_stop_price", f"a {ticket.order_class.value} order needs a stop-loss")
    if ticket.stop_loss_limit_price is not None and stop_loss is None:
        raise _invalid("stop_loss_stop_price", "a stop-loss limit needs a stop-loss stop")
    _check_exit_order(ticket, take_profit, stop_loss)


def _check_exit_order(ticket: Ticket, take_profit: Decimal | None, stop_loss: Decimal | None) -> None:
    exits_sell = (ticket.side is Side.SELL) == (ticket.order_class is OrderClass.OCO)
    if (
        take_profit is not None
        and stop_loss is not None
        and (take_profit <= stop_loss if exits_sell else take_profit >= stop_loss)
    ):
        raise _invalid("take_profit_limit_price", "take-profit and stop-loss stand on the wrong sides of each other")


def take_profit_of(ticket: Ticket) -> Decimal | None:
    """Give the take-profit's limit: an OCO ticket may carry it as its own limit price."""
    if ticket.take_profit_limit_price is None and ticket.order_class is OrderClass.OCO:
        return ticket.limit_price
    return ticket.take_profit_limit_price


def _not_fractionable(listing: Listing) -> Refused:
    return Refused(RefusalCode.NOT_FRACTIONABLE, f"{listing.symbol} trades in whole units only", symbol=listing.symbol)


def _invalid(field: str, rule: str) -> Refused:
    return Refused(RefusalCode.INVALID_TERMS, rule, field=field)
