"""An order at work: the mutable record behind the snapshots that leave the exchange."""

from decimal import Decimal
from typing import Final

from brokergw.exchange.ledger import Account, Position
from brokergw.exchange.listings import Listing
from brokergw.exchange.values import OPEN_STATUSES, ZERO, Backing, ExchangeOrder, Execution, OrderStatus, Ticket
from brokergw.model.terms import OrderClass, OrderType, Side

PLACES: Final = Decimal("0.000000001")
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


class WorkingOrder:
    """One order and what it commits of its account.

    `closing` orders hold quantity of their position (`hold`); others reserve money (`reserve`, at `reserve_price` a
    unit). Of a pair of exits only one is the `holder`, since only one of them can trade.
    """

    __slots__ = (
        "account",
        "auction_ns",
        "average_price",
        "backing",
        "buys",
        "cancel_time_ns",
        "client_order_id",
        "closing",
        "create_time_ns",
        "executions",
        "expire_time_ns",
        "expires_at_ns",
        "fill_time_ns",
        "filled",
        "filled_value",
        "high_water_mark",
        "hold",
        "legs",
        "listing",
        "order_id",
        "parent",
        "position",
        "quantity",
        "ready_at_ns",
        "reject_reason",
        "replace_time_ns",
        "replaced_by",
        "replaces",
        "reserve",
        "reserve_price",
        "sequence",
        "shot",
        "status",
        "stop_price",
        "ticket",
        "triggered",
        "update_time_ns",
    )

    def __init__(self, account: Account, listing: Listing, ticket: Ticket) -> None:
        self.order_id = ""
        self.sequence = 0
        self.account = account
        self.position: Position = account.position(listing)
        self.listing = listing
        self.ticket = ticket
        self.client_order_id = ticket.client_order_id
        self.buys = ticket.side is Side.BUY
        self.status = OrderStatus.NEW
        self.quantity = ZERO
        self.filled = ZERO
        self.filled_value = ZERO
        self.average_price: Decimal | None = None
        self.stop_price = ticket.stop_price
        self.high_water_mark: Decimal | None = None
        self.triggered = ticket.type not in _STOPS
        self.create_time_ns = 0
        self.update_time_ns = 0
        self.ready_at_ns = 0
        self.auction_ns: int | None = None
        self.expires_at_ns: int | None = None
        self.fill_time_ns: int | None = None
        self.cancel_time_ns: int | None = None
        self.expire_time_ns: int | None = None
        self.replace_time_ns: int | None = None
        self.replaces = ""
        self.replaced_by = ""
        self.parent: WorkingOrder | None = None
        self.legs: tuple[WorkingOrder, ...] = ()
        self.reject_reason = ""
        self.closing = False
        self.hold = ZERO
        self.reserve = ZERO
        self.reserve_price = ZERO
        self.backing: Backing | None = None
        self.executions: list[Execution] = []
        self.shot: ExchangeOrder | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in OPEN_STATUSES

    @property
    def leaves(self) -> Decimal:
        """What may still trade."""
        return self.quantity - self.filled if self.status in OPEN_STATUSES else ZERO

    @property
    def holder(self) -> bool:
        """Whether it is the one that holds quantity: alone, the head of an exit pair, an entry's first exit, or
        what is left of either.
        """
        parent = self.parent
        if parent is None:
            return True
        if parent.ticket.order_class is OrderClass.OCO:
            return not parent.is_open
        return next((leg for leg in parent.legs if leg.is_open), parent.legs[0]) is self

    def take(self, quantity: Decimal, price: Decimal) -> None:
        """Count a trade."""
        self.filled_value = quantity * price if not self.filled else self.filled_value + quantity * price
        self.filled += quantity
        if self.filled == quantity or price == self.average_price:
            self.average_price = price
        else:
            self.average_price = (self.filled_value / self.filled).quantize(PLACES).normalize()
        self.status = OrderStatus.FILLED if self.filled >= self.quantity else OrderStatus.PARTIALLY_FILLED

    def commit(self) -> None:
        """Bring what it holds and reserves in line with what may still trade."""
        leaves = ZERO if self.status is OrderStatus.HELD else self.leaves
        if self.closing:
            hold = leaves if self.holder else ZERO
            self.position.held += hold - self.hold
            self.hold = hold
            return
        reserve = leaves * self.reserve_price
        if reserve != self.reserve:
            self.account.reserve(self.listing, reserve - self.reserve)
        if bool(reserve) != bool(self.reserve):
            self.position.count_opening(self.buys, 1 if reserve else -1)
        self.reserve = reserve

    def release(self) -> None:
        """Give up what it holds, when its partner has traded it away."""
        self.position.held -= self.hold
        self.hold = ZERO

    def accept(self) -> None:
        """Settle what stays as it is from now on, and count it among its account's orders."""
        self.backing = Backing(
            sequence=self.sequence,
            closing=self.closing,
            reserve_price=self.reserve_price,
            ready_at_ns=self.ready_at_ns,
            auction_ns=self.auction_ns,
        )
        account = self.account
        account.orders[self.order_id] = self
        account.by_client_id[self.client_order_id] = self
        if self.status in OPEN_STATUSES:
            account.open_orders[self.order_id] = self
        self.commit()

    def changed(self, time_ns: int) -> None:
        """Note a change, so that the next snapshot is a new one."""
        self.update_time_ns = time_ns
        self.shot = None

    def snapshot(self) -> ExchangeOrder:
        """Give it as it stands."""
        if self.shot is None:
            assert self.backing is not None, "an order leaves the exchange only after it was accepted"
            self.shot = ExchangeOrder(
                order_id=self.order_id,
                account_id=self.account.account_id,
                client_order_id=self.client_order_id,
                ticket=self.ticket,
                backing=self.backing,
                status=self.status,
                quantity=self.quantity,
                filled_quantity=self.filled,
                average_price=self.average_price,
                stop_price=self.stop_price,
                high_water_mark=self.high_water_mark,
                triggered=self.triggered,
                create_time_ns=self.create_time_ns,
                update_time_ns=self.update_time_ns,
                expires_at_ns=self.expires_at_ns,
                fill_time_ns=self.fill_time_ns,
                cancel_time_ns=self.cancel_time_ns,
                expire_time_ns=self.expire_time_ns,
                replace_time_ns=self.replace_time_ns,
                replaces=self.replaces,
                replaced_by=self.replaced_by,
                parent_id=self.parent.order_id if self.parent is not None else "",
                leg_ids=tuple(leg.order_id for leg in self.legs),
                reject_reason=self.reject_reason,
            )
        return self.shot
