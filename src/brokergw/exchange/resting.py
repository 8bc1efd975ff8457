"""The orders of one symbol that wait for the market, and how to tell at a glance that none of them has to be looked at.

A tick of the market concerns few of them: a limit far away trades only once the price comes to it. So the book keeps,
beside its orders, the nearest prices and the nearest moment at which one of them would do anything. Within these bounds
a tick costs the same for ten thousand orders as for one. Bounds are widened when an order comes and taken anew after
every tick that did look at the orders, so they may be too wide for a while, never too narrow.
"""

from decimal import Decimal
from typing import Final

from brokergw.exchange.book import WorkingOrder
from brokergw.exchange.sessions import Sessions
from brokergw.exchange.values import Depth, OrderStatus
from brokergw.model.terms import OrderType, TimeInForce

_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class RestingBook:
    """The orders of one symbol, by id, in the order in which they came."""

    __slots__ = (
        "_buy_limit",
        "_buy_stop",
        "_restless",
        "_sell_limit",
        "_sell_stop",
        "_sessions",
        "_wakes_ns",
        "orders",
    )

    def __init__(self, sessions: Sessions) -> None:
        self.orders: dict[str, WorkingOrder] = {}
        self._sessions = sessions
        self._forget_bounds()

    def add(self, order: WorkingOrder, now_ns: int) -> None:
        """Let an order wait."""
        self.orders[order.order_id] = order
        self._widen(order, now_ns)

    def take_bounds(self, now_ns: int) -> None:
        """Take the bounds anew, after a tick that may have changed any of the orders."""
        self._forget_bounds()
        for order in self.orders.values():
            self._widen(order, now_ns)

    def is_calm(self, depth: Depth, now_ns: int) -> bool:
        """Tell whether no order would do anything now, at the top of the book as given."""
        return not (
            self._restless
            or (self._wakes_ns is not None and now_ns >= self._wakes_ns)
            or (self._buy_limit is not None and depth.ask <= self._buy_limit)
            or (self._sell_limit is not None and depth.bid >= self._sell_limit)
            or (self._buy_stop is not None and depth.last >= self._buy_stop)
            or (self._sell_stop is not None and depth.last <= self._sell_stop)
        )

    def _forget_bounds(self) -> None:
        self._restless = False
        self._wakes_ns: int | None = None
        self._buy_limit: Decimal | None = None
        self._sell_limit: Decimal | None = None
        self._buy_stop: Decimal | None = None
        self._sell_stop: Decimal | None = None

    def _widen(self, order: WorkingOrder, now_ns: int) -> None:
        ready_ns = order.ready_at_ns if order.ready_at_ns > now_ns else None
        for moment in (order.expires_at_ns, order.auction_ns, ready_ns):
            if moment is not None:
                self._wakes_ns = moment if self._wakes_ns is None else min(self._wakes_ns, moment)
        if order.auction_ns is None:
            self._widen_prices(order, now_ns)

    def _widen_prices(self, order: WorkingOrder, now_ns: int) -> None:
        ticket = order.ticket
        waits = order.ready_at_ns > now_ns
        stop, limit = order.stop_price, ticket.limit_price
        if not order.triggered and ticket.type is not OrderType.TRAILING_STOP and stop is not None:
            if order.buys:
                self._buy_stop = stop if self._buy_stop is None else min(self._buy_stop, stop)
            else:
                self._sell_stop = stop if self._sell_stop is None else max(self._sell_stop, stop)
        elif order.triggered and limit is not None:
            if order.buys:
                self._buy_limit = limit if self._buy_limit is None else max(self._buy_limit, limit)
            else:
                self._sell_limit = limit if self._sell_limit is None else min(self._sell_limit, limit)
        elif not waits:
            # A trail moves with the price, and what has no price of its own trades whenever there is something to have.
            self._restless = True
        if not waits and self._may_change_by_itself(order):
            self._restless = True

    def _may_change_by_itself(self, order: WorkingOrder) -> bool:
        """Tell of orders that the hours of trading, or the next look alone, may wake or end."""
        around_the_clock = self._sessions.always_open or order.listing.always_trades
        pending = order.status is OrderStatus.ACCEPTED or order.ticket.time_in_force in _AT_ONCE
        return pending or not around_the_clock
