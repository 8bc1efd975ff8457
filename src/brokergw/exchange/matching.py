"""Matching: orders against the top of the book, on arrival and at every tick.

An order trades at the opposite side's price, up to the size that stands there; within one tick orders of a side share
that size, best price first, then oldest. Stops fire on the last price. Auction orders wait for their auction and trade
whole at the last price there.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from brokergw.exchange import groups
from brokergw.exchange.admission import unit_cost
from brokergw.exchange.book import WorkingOrder
from brokergw.exchange.floor import Floor
from brokergw.exchange.values import ZERO, Depth, EventKind, Execution, OrderStatus
from brokergw.model.terms import OrderType, TimeInForce

_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_HUNDRED: Final = Decimal(100)


class Matcher:
    """Works orders on a floor."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def arrive(self, order: WorkingOrder) -> None:
        """Try an accepted order once, then let what is left of it rest."""
        now = self._floor.now_ns()
        depth = self._floor.market.quote(order.listing.symbol)
        price = self._price_for(order, depth, now)
        if price is not None:
            self._trade(order, price, depth.ask_size if order.buys else depth.bid_size)
        self._end_if_over(order, now)
        if order.is_open:
            self._floor.rest(order)

    def tick(self) -> None:
        """Work every resting order once against prices now; a book in which nothing can happen is passed over."""
        now = self._floor.now_ns()
        # By symbol, since when a book came to be is no part of the state: a recovered exchange would trade in another
        # order, give other ids, and let another order have the last of the money.
        for symbol, book in sorted(self._floor.resting.items()):
            depth = self._floor.market.quote(symbol)
            if book.is_calm(depth, now):
                continue
            ready = self._ready(book.orders, depth, now)
            room = {True: depth.ask_size, False: depth.bid_size}
            for order, price in ready:
                # A trade before it in this tick may have ended it, through its group.
                if order.is_open:
                    room[order.buys] -= self._trade(order, price, room[order.buys])
                    self._end_if_over(order, now)
            book.take_bounds(now)

    def _ready(self, book: dict[str, WorkingOrder], depth: Depth, now: int) -> Iterable[tuple[WorkingOrder, Decimal]]:
        ready = []
        for order in sorted(book.values(), key=_sequence):
            if not order.is_open:
                continue
            if order.expires_at_ns is not None and now >= order.expires_at_ns:
                groups.end(self._floor, order, OrderStatus.EXPIRED)
                continue
            price = self._price_for(order, depth, now)
            if price is None:
                self._end_if_over(order, now)
            else:
                ready.append((order, price))
        if len(ready) > 1:
            ready.sort(key=lambda pair: _priority(pair[0]))
        return ready

    def _price_for(self, order: WorkingOrder, depth: Depth, now: int) -> Decimal | None:
        """Wake an order that may trade now, fire its stop, and give the price it would trade at, if any."""
        if now < order.ready_at_ns:
            return None
        if order.auction_ns is not None:
            if now < order.auction_ns:
                return None
            price = depth.last
        elif self._floor.sessions.trades(order.listing, now, extended=order.ticket.extended_hours):
            price = depth.ask if order.buys else depth.bid
        else:
            return None
        if order.status is OrderStatus.ACCEPTED:
            order.status = OrderStatus.NEW
            self._floor.emit(EventKind.NEW, order, now)
        if not order.triggered and not self._fires(order, depth.last, now):
            return None
        limit = order.ticket.limit_price
        if limit is not None and (price > limit if order.buys else price < limit):
            return None
        return price

    def _fires(self, order: WorkingOrder, last: Decimal, now: int) -> bool:
        if order.ticket.type is OrderType.TRAILING_STOP and follow_price(order, last):
            self._floor.emit(EventKind.TRAILED, order, now)
        stop = order.stop_price
        if stop is None or (last < stop if order.buys else last > stop):
            return False
        order.triggered = True
        self._floor.emit(EventKind.TRIGGERED, order, now)
        if self._floor.rules.pairs_part:
            groups.part(self._floor, order)
        return True

    def _trade(self, order: WorkingOrder, price: Decimal, room: Decimal) -> Decimal:
        leaves = order.quantity - order.filled
        quantity = leaves if order.auction_ns is not None or leaves <= room else room
        if quantity <= 0 or (quantity < leaves and order.ticket.time_in_force is TimeInForce.FOK):
            return ZERO
        if not self._affordable(order, price, quantity):
            groups.end(self._floor, order, OrderStatus.CANCELED, reason="INSUFFICIENT_BUYING_POWER")
            return ZERO
        self.trade(order, price, quantity)
        return quantity

    def _affordable(self, order: WorkingOrder, price: Decimal, quantity: Decimal) -> bool:
        """Tell whether the account can pay what a trade costs above what the order reserved for it."""
        if order.closing or not order.buys or order.listing.netted:
            return True
        above = unit_cost(order.listing, price, self._floor.rules.fee_rate) - order.reserve_price
        if above <= 0:
            return True
        return above * quantity <= order.account.buying_power(self._floor.market, order.listing)

    def trade(self, order: WorkingOrder, price: Decimal, quantity: Decimal) -> None:
        """Trade some of an open order at a price."""
        floor, account, position = self._floor, order.account, order.position
        now = floor.now_ns()
        signed = quantity if order.buys else -quantity
        money = price * quantity * order.listing.contract_size
        fee = money * floor.rules.fee_rate
        position.apply(signed, price)
        account.cash -= (money if order.buys else -money) + fee
        order.take(quantity, price)
        order.fill_time_ns = now
        order.commit()
        if not order.is_open:
            floor.retire(order)
        if order.legs or order.parent is not None:
            groups.follow(floor, order)
        execution = Execution(
            execution_id=floor.next_execution_id(),
            order_id=order.order_id,
            account_id=account.account_id,
            symbol=order.listing.symbol,
            side=order.ticket.side,
            quantity=quantity,
            price=price,
            fee=fee,
            time_ns=now,
            position_quantity=position.quantity,
        )
        floor.executions.append(execution)
        account.executions.append(execution)
        order.executions.append(execution)
        floor.emit(EventKind.PARTIAL_FILL if order.is_open else EventKind.FILL, order, now, execution)
        if order.legs or order.parent is not None:
            groups.settle(floor, order)

    def _end_if_over(self, order: WorkingOrder, now: int) -> None:
        if not order.is_open or now < order.ready_at_ns:
            return
        if order.ticket.time_in_force in _AT_ONCE:
            groups.end(self._floor, order, OrderStatus.CANCELED)
        elif order.auction_ns is not None and now >= order.auction_ns:
            groups.end(self._floor, order, OrderStatus.EXPIRED)


def follow_price(order: WorkingOrder, last: Decimal) -> bool:
    """Move a trail's high-water mark and stop with the price; tell whether they moved."""
    mark = order.high_water_mark
    if mark is not None and (last >= mark if order.buys else last <= mark):
        return False
    order.high_water_mark = last
    order.stop_price = trail_stop(order, last)
    return True


def trail_stop(order: WorkingOrder, mark: Decimal) -> Decimal:
    """Give the stop that belongs to a high-water mark, on the tick and never below one tick."""
    ticket = order.ticket
    distance = (
        ticket.trail_amount if ticket.trail_amount is not None else mark * (ticket.trail_percent or ZERO) / _HUNDRED
    )
    tick = order.listing.tick_at(mark)
    stop = mark + distance if order.buys else mark - distance
    return max(tick, (stop / tick).to_integral_value() * tick)


def _sequence(order: WorkingOrder) -> int:
    return order.sequence


def _priority(order: WorkingOrder) -> tuple[bool, Decimal, int]:
    limit = order.ticket.limit_price
    if limit is None:
        return (False, ZERO, order.sequence)
    return (True, -limit if order.buys else limit, order.sequence)
