"""The trading floor: everything the parts of the exchange share, and how they tell the world what happened."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.exchange.book import WorkingOrder
from brokergw.exchange.ledger import Account
from brokergw.exchange.listings import Listing
from brokergw.exchange.prices import Market
from brokergw.exchange.refusals import RefusalCode, Refused
from brokergw.exchange.resting import RestingBook
from brokergw.exchange.sessions import Sessions
from brokergw.exchange.values import QUIET_KINDS, EventKind, ExchangeEvent, Execution, OrderStatus

_END_KINDS: Final = {
    OrderStatus.CANCELED: EventKind.CANCELED,
    OrderStatus.EXPIRED: EventKind.EXPIRED,
    OrderStatus.REJECTED: EventKind.REJECTED,
    OrderStatus.REPLACED: EventKind.REPLACED,
}

Listener = Callable[[ExchangeEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may be chosen of the exchange's ways.

    `fee_rate` is the share of a trade's money that it costs. An order can trade from `settle_delay_ns` after it was
    accepted. `refuse_wash_trades` refuses an order that could trade with an open one of the same account.
    `pairs_part` is how a pair of exits parts at the first move of either (a trade, or a stop that fires) instead of at
    the last, and how exits end with an entry that ended before it was filled whole.
    """

    fee_rate: Decimal
    settle_delay_ns: int
    refuse_wash_trades: bool
    pairs_part: bool = False


class Floor:
    """Shared state: market, accounts, resting orders by symbol, ids and listeners."""

    def __init__(
        self,
        *,
        seed: int,
        salt: str,
        now_ns: Callable[[], int],
        listings: Sequence[Listing],
        sessions: Sessions,
        rules: Rules,
    ) -> None:
        self.now_ns = now_ns
        self.market = Market(seed, now_ns, listings)
        self.sessions = sessions
        self.rules = rules
        self.accounts: dict[str, Account] = {}
        self.resting: dict[str, RestingBook] = {}
        self.order_count = 0
        self.executions: list[Execution] = []
        self._origin = f"{seed}|{salt}"
        self._listeners: tuple[Listener, ...] = ()
        self._quiet_listeners: tuple[Listener, ...] = ()

    def account(self, account_id: str) -> Account:
        """Give an account; raises UNKNOWN_ACCOUNT."""
        try:
            return self.accounts[account_id]
        except KeyError:
            raise Refused(
                RefusalCode.UNKNOWN_ACCOUNT, f"there is no account {account_id}", account_id=account_id
            ) from None

    def next_order_id(self) -> str:
        """Make the next order id: the same in every run with the same seed and commands."""
        self.order_count += 1
        return self._uuid("order", self.order_count)

    def next_execution_id(self) -> str:
        """Make the next execution id, likewise."""
        return self._uuid("execution", len(self.executions) + 1)

    def client_order_id_for(self, sequence: int) -> str:
        """Make the client order id of an order that came without one."""
        return self._uuid("client", sequence)

    def rest(self, order: WorkingOrder) -> None:
        """Put an order where ticks find it."""
        symbol = order.listing.symbol
        book = self.resting.get(symbol)
        if book is None:
            book = self.resting[symbol] = RestingBook(self.sessions)
        book.add(order, self.now_ns())

    def retire(self, order: WorkingOrder) -> None:
        """Take an order that has ended out of the way of ticks and off its account's open orders."""
        order.account.open_orders.pop(order.order_id, None)
        symbol = order.listing.symbol
        book = self.resting.get(symbol)
        if book is not None and book.orders.pop(order.order_id, None) is not None and not book.orders:
            del self.resting[symbol]

    def finish(self, order: WorkingOrder, status: OrderStatus, reason: str = "") -> None:
        """End an order otherwise than by a fill, give back what it committed, and tell."""
        now = self.now_ns()
        order.status = status
        order.reject_reason = reason
        match status:
            case OrderStatus.EXPIRED:
                order.expire_time_ns = now
            case OrderStatus.REPLACED:
                order.replace_time_ns = now
            case _:
                order.cancel_time_ns = now
        order.commit()
        self.retire(order)
        self.emit(_END_KINDS[status], order, now)

    def emit(self, kind: EventKind, order: WorkingOrder, time_ns: int, execution: Execution | None = None) -> None:
        """Tell listeners what happened to an order, at once and in order."""
        order.changed(time_ns)
        listeners = self._quiet_listeners if kind in QUIET_KINDS else self._listeners
        if listeners:
            event = ExchangeEvent(kind, order.snapshot(), time_ns, execution)
            for listener in listeners:
                listener(event)

    def listen(self, listener: Listener, *, every_change: bool) -> Callable[[], None]:
        """Add a listener; call the answer to take it away."""
        self._listeners = (*self._listeners, listener)
        if every_change:
            self._quiet_listeners = (*self._quiet_listeners, listener)

        def stop() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)
            self._quiet_listeners = tuple(each for each in self._quiet_listeners if each is not listener)

        return stop

    def _uuid(self, kind: str, count: int) -> str:
        text = hashlib.blake2b(f"{self._origin}|{kind}|{count}".encode(), digest_size=16).hexdigest()
        # Version 8 of RFC 9562 is for ids made in a way of one's own.
        return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-a{text[17:20]}-{text[20:]}"
