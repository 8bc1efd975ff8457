"""The exchange: one door to accounts, orders and the market.

It is synchronous and does no I/O. Time comes in as a callable and chance as a seed, so the same commands at the same
times give the same ids, trades and events. Nothing moves by itself: whoever owns an exchange calls `tick`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from brokergw.exchange import amending, by_hand, groups, placing, recovery
from brokergw.exchange.book import WorkingOrder
from brokergw.exchange.floor import Floor, Rules
from brokergw.exchange.ledger import Account
from brokergw.exchange.listings import LISTINGS, Listing
from brokergw.exchange.matching import Matcher
from brokergw.exchange.refusals import RefusalCode, Refused
from brokergw.exchange.sessions import Sessions
from brokergw.exchange.values import (
    ZERO,
    AccountOpening,
    Depth,
    ExchangeEvent,
    ExchangeOrder,
    ExchangeState,
    Execution,
    Holding,
    Ledger,
    OrderStatus,
    Ticket,
)
from brokergw.model.terms import TimeInForce


class Exchange:
    """A small deterministic exchange.

    With `always_open` it trades around the clock; otherwise in New York's hours (crypto always), or in those of the
    `sessions` it is given. `fee_rate` is the share of a trade's money taken as a fee. `settle_delay_ns` keeps a new
    order from trading for a while. With `pairs_part` one exit ends its partner early (see `Rules`).
    Ids follow from the seed and `id_salt`: give each life of an exchange that forgets another salt, so that no id of an
    earlier life returns.
    """

    def __init__(
        self,
        *,
        seed: int,
        now_ns: Callable[[], int],
        listings: Sequence[Listing] = LISTINGS,
        always_open: bool = True,
        sessions: Sessions | None = None,
        fee_rate: Decimal = ZERO,
        settle_delay_ns: int = 0,
        refuse_wash_trades: bool = False,
        pairs_part: bool = False,
        id_salt: str = "",
    ) -> None:
        rules = Rules(
            fee_rate=fee_rate,
            settle_delay_ns=settle_delay_ns,
            refuse_wash_trades=refuse_wash_trades,
            pairs_part=pairs_part,
        )
        hours = sessions or Sessions(always_open=always_open)
        self._floor = Floor(seed=seed, salt=id_salt, now_ns=now_ns, listings=listings, sessions=hours, rules=rules)
        self._matcher = Matcher(self._floor)

    @property
    def sessions(self) -> Sessions:
        """The hours it keeps."""
        return self._floor.sessions

    @property
    def has_resting_orders(self) -> bool:
        """Whether a tick could do anything."""
        return bool(self._floor.resting)

    def open_account(
        self, account_id: str, *, cash: Decimal, multiplier: Decimal = Decimal(4), shorting: bool = True
    ) -> None:
        """Open an account with some cash; one that is open already stays as it is."""
        if account_id not in self._floor.accounts:
            self._floor.accounts[account_id] = Account(
                account_id,
                cash=cash,
                multiplier=multiplier,
                shorting=shorting,
                create_time_ns=self._floor.now_ns(),
            )

    def account(self, account_id: str) -> Ledger:
        """Give an account's money now; raises UNKNOWN_ACCOUNT."""
        return self._floor.account(account_id).ledger(self._floor.market, self._floor.now_ns)

    def opening(self, account_id: str) -> AccountOpening:
        """Tell how an account began; raises UNKNOWN_ACCOUNT."""
        return self._floor.account(account_id).opening()

    def positions(self, account_id: str) -> tuple[Holding, ...]:
        """Give an account's positions at present prices; raises UNKNOWN_ACCOUNT."""
        return self._floor.account(account_id).holdings(self._floor.market)

    def submit(self, account_id: str, ticket: Ticket) -> ExchangeOrder:
        """Place an order and give it as it stands after its first try at the market; raises Refused."""
        return placing.submit(self._floor, self._matcher, self._floor.account(account_id), ticket).snapshot()

    def replace(
        self,
        account_id: str,
        order_id: str,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail: Decimal | None = None,
        time_in_force: TimeInForce | None = None,
        client_order_id: str | None = None,
    ) -> ExchangeOrder:
        """Put a new order in an open one's place and give the new one; None keeps what was.

        `quantity` is the new total, `trail` an amount or percent as the order has it. Raises Refused, and then the
        old order is as it was.
        """
        old = self._working(account_id, order_id)
        by_amount = old.ticket.trail_amount is not None
        by_percent = old.ticket.trail_percent is not None
        if trail is not None and not (by_amount or by_percent):
            raise Refused(RefusalCode.INVALID_TERMS, "the order has no trail", field="trail")
        ticket = replace(
            old.ticket,
            quantity=old.quantity if quantity is None else quantity,
            limit_price=old.ticket.limit_price if limit_price is None else limit_price,
            stop_price=old.ticket.stop_price if stop_price is None else stop_price,
            trail_amount=trail if by_amount and trail is not None else old.ticket.trail_amount,
            trail_percent=trail if by_percent and trail is not None else old.ticket.trail_percent,
            time_in_force=time_in_force or old.ticket.time_in_force,
            client_order_id=client_order_id or "",
        )
        return placing.change(self._floor, self._matcher, old, ticket).snapshot()

    def cancel(self, account_id: str, order_id: str, *, keep_entry: bool = False) -> None:
        """Cancel an open order, and its group with it; raises NOT_FOUND or NOT_OPEN.

        With `keep_entry` the cancel of an exit leaves the entry that it belongs to as it is.
        """
        order = self._working(account_id, order_id)
        if not order.is_open:
            raise Refused(
                RefusalCode.NOT_OPEN,
                f"the order is {order.status.value}",
                order_id=order_id,
                status=order.status.value,
            )
        groups.end(self._floor, order, OrderStatus.CANCELED, by_owner=True, keep_entry=keep_entry)

    def amend(
        self, account_id: str, order_id: str, execution_id: str, *, quantity: Decimal, price: Decimal
    ) -> Execution:
        """Change an execution, or bust it with quantity 0; nobody is told. Raises NOT_FOUND."""
        return amending.amend(self._floor, self._working(account_id, order_id), execution_id, quantity, price)

    def execute(self, account_id: str, order_id: str, *, quantity: Decimal | None, price: Decimal | None) -> None:
        """Trade an open order now, whatever the market says; raises Refused.

        `quantity` is at most what is left of it (None: all), `price` the market's when None.
        """
        by_hand.execute(self._floor, self._matcher, self._working(account_id, order_id), quantity, price)

    def adjust(self, account_id: str, symbol: str, change: Decimal) -> Decimal:
        """Change a position at no cost, as a split does, and give the quantity after it."""
        return by_hand.adjust(self._floor, account_id, symbol, change)

    def book(self, account_id: str, symbol: str, quantity: Decimal, price: Decimal) -> Decimal:
        """Book a trade made outside the exchange's own orders, signed, and give the position after it."""
        return by_hand.book(self._floor, account_id, symbol, quantity, price)

    def pay(self, account_id: str, money: Decimal) -> Decimal:
        """Move an account's cash, and give what it is after that."""
        return by_hand.pay(self._floor, account_id, money)

    def take_coins(self, account_id: str, symbol: str, quantity: Decimal) -> None:
        """Take a fee from a position of coins, whose average price it leaves alone."""
        by_hand.take_coins(self._floor, account_id, symbol, quantity)

    def order(self, account_id: str, order_id: str) -> ExchangeOrder | None:
        """Give an order as it stands, or None; raises UNKNOWN_ACCOUNT."""
        order = self._floor.account(account_id).orders.get(order_id)
        return None if order is None else order.snapshot()

    def order_by_client_id(self, account_id: str, client_order_id: str) -> ExchangeOrder | None:
        """Give the order with a client order id, or None; raises UNKNOWN_ACCOUNT."""
        order = self._floor.account(account_id).by_client_id.get(client_order_id)
        return None if order is None else order.snapshot()

    def orders(self, account_id: str) -> tuple[ExchangeOrder, ...]:
        """Give every order of an account in any state, oldest first; legs are orders of their own."""
        return tuple(order.snapshot() for order in self._floor.account(account_id).orders.values())

    def open_orders(self, account_id: str) -> tuple[ExchangeOrder, ...]:
        """Give the orders of an account that may still trade, oldest first."""
        return tuple(order.snapshot() for order in self._floor.account(account_id).open_orders.values())

    def executions(self, account_id: str) -> tuple[Execution, ...]:
        """Give every execution of an account, oldest first."""
        return tuple(self._floor.account(account_id).executions)

    def executions_of(self, account_id: str, order_id: str) -> tuple[Execution, ...]:
        """Give the executions of one order, oldest first; none for an unknown order."""
        order = self._floor.account(account_id).orders.get(order_id)
        return () if order is None else tuple(order.executions)

    def listing(self, symbol: str) -> Listing | None:
        """Give a listing, or None."""
        return self._floor.market.listing(symbol)

    def listings(self) -> tuple[Listing, ...]:
        """Give everything that is listed."""
        return self._floor.market.listings

    def quote(self, symbol: str) -> Depth:
        """Give the top of a symbol's book now; raises UNKNOWN_SYMBOL."""
        return self._floor.market.quote(symbol)

    def price_at(self, symbol: str, time_ns: int) -> Decimal:
        """Give a symbol's last price at a moment; a pinned price holds for all time. Raises UNKNOWN_SYMBOL."""
        return self._floor.market.path(symbol).at(time_ns).last

    def leverage_of(self, account_id: str, symbol: str) -> Decimal:
        """Give the leverage of an account for a netted symbol; raises UNKNOWN_SYMBOL or UNKNOWN_ACCOUNT."""
        return self._floor.account(account_id).leverage_of(self._floor.market.path(symbol).listing)

    def set_leverage(self, account_id: str, symbol: str, leverage: Decimal) -> None:
        """Let an account trade a netted symbol at a leverage; raises UNKNOWN_SYMBOL or INVALID_TERMS, or as `order`."""
        listing = self._floor.market.path(symbol).listing
        if not listing.netted or leverage < 1:
            raise Refused(RefusalCode.INVALID_TERMS, "leverage is for what is netted, and at least 1", field="leverage")
        self._floor.account(account_id).leverage[symbol] = leverage

    def tick(self) -> None:
        """Work resting orders once against prices now: fire stops, move trails, trade, expire."""
        self._matcher.tick()

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Pin a symbol's price until `clear_price`; raises UNKNOWN_SYMBOL or INVALID_TERMS."""
        self._floor.market.pin(symbol, price)

    def clear_price(self, symbol: str) -> None:
        """Let a pinned price run again; raises UNKNOWN_SYMBOL."""
        self._floor.market.pin(symbol, None)

    def listen(self, listener: Callable[[ExchangeEvent], None], *, every_change: bool = False) -> Callable[[], None]:
        """Call a function with every event, at once and in order; the answer stops that.

        It must not call back into the exchange. With `every_change` it also hears the kinds in `QUIET_KINDS`, which a
        keeper of a complete record needs.
        """
        return self._floor.listen(listener, every_change=every_change)

    def state(self) -> ExchangeState:
        """Give everything that `recover` needs to make this exchange again (pinned prices apart)."""
        return recovery.state_of(self._floor)

    def recover(self, state: ExchangeState) -> None:
        """Take over the state of an exchange; this one must be untouched. No event is told."""
        recovery.recover(self._floor, state)

    def _working(self, account_id: str, order_id: str) -> WorkingOrder:
        order = self._floor.account(account_id).orders.get(order_id)
        if order is None:
            raise Refused(RefusalCode.NOT_FOUND, "there is no such order", order_id=order_id)
        return order
