"""What goes into the exchange and what comes out: tickets, orders, executions, events, holdings, ledgers."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique

from brokergw.model.quick import quick
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce

ZERO = Decimal(0)


@unique
class OrderStatus(StrEnum):
    """Where an order stands."""

    ACCEPTED = "ACCEPTED"
    NEW = "NEW"
    HELD = "HELD"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    REPLACED = "REPLACED"

    @property
    def is_open(self) -> bool:
        """Whether an order in this status may still trade."""
        return self in OPEN_STATUSES


OPEN_STATUSES = frozenset(
    {OrderStatus.ACCEPTED, OrderStatus.NEW, OrderStatus.HELD, OrderStatus.PARTIALLY_FILLED},
)


@unique
class EventKind(StrEnum):
    """What happened to an order; the kinds in `QUIET_KINDS` reach only listeners that ask for every change."""

    ACCEPTED = "ACCEPTED"
    NEW = "NEW"
    HELD = "HELD"
    PARTIAL_FILL = "PARTIAL_FILL"
    FILL = "FILL"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REPLACED = "REPLACED"
    REJECTED = "REJECTED"
    TRIGGERED = "TRIGGERED"
    TRAILED = "TRAILED"
    AMENDED = "AMENDED"


QUIET_KINDS = frozenset({EventKind.TRIGGERED, EventKind.TRAILED, EventKind.AMENDED})


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What somebody wants traded; exactly one of `quantity` and `notional` is set.

    `expire_time_ns` ends a GTD order. An OCO ticket is the exit pair itself: `side` is the exit's side, the
    take-profit is a limit order at `take_profit_limit_price` (or `limit_price`), the stop-loss its leg.
    An empty `client_order_id` asks the exchange to make one.
    """

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    expire_time_ns: int | None = None
    extended_hours: bool = False
    client_order_id: str = ""
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit_limit_price: Decimal | None = None
    stop_loss_stop_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What was settled when an order was accepted.

    `sequence` counts all orders of an exchange. A `closing` order holds quantity of its position, any other reserves
    `reserve_price` for each unit. It cannot trade before `ready_at_ns`; an auction order trades at `auction_ns`.
    """

    sequence: int
    closing: bool
    reserve_price: Decimal
    ready_at_ns: int
    auction_ns: int | None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOrder:
    """An order as it stood at `update_time_ns`.

    `quantity` is the present total in units, also for a notional order (its ticket keeps None). `stop_price` is the
    stop in force, which moves with a trail; `high_water_mark` the best price the trail has seen (the lowest for a
    buy). A replacing order takes over what its predecessor had filled, so that `quantity` and `filled_quantity` are
    totals over all generations. `expires_at_ns` is when its time in force ends it; `expire_time_ns` when it did.
    """

    order_id: str
    account_id: str
    client_order_id: str
    ticket: Ticket
    backing: Backing
    status: OrderStatus
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None
    stop_price: Decimal | None
    high_water_mark: Decimal | None
    triggered: bool
    create_time_ns: int
    update_time_ns: int
    expires_at_ns: int | None
    fill_time_ns: int | None
    cancel_time_ns: int | None
    expire_time_ns: int | None
    replace_time_ns: int | None
    replaces: str
    replaced_by: str
    parent_id: str
    leg_ids: tuple[str, ...]
    reject_reason: str

    @property
    def symbol(self) -> str:
        """The symbol of its listing."""
        return self.ticket.symbol

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.ticket.side

    @property
    def type(self) -> OrderType:
        """How its price is found."""
        return self.ticket.type

    @property
    def time_in_force(self) -> TimeInForce:
        """How long it lives."""
        return self.ticket.time_in_force

    @property
    def order_class(self) -> OrderClass:
        """Whether it stands alone or leads a group."""
        return self.ticket.order_class

    @property
    def notional(self) -> Decimal | None:
        """The money to be traded, for an order placed by money."""
        return self.ticket.notional

    @property
    def limit_price(self) -> Decimal | None:
        """The worst price it takes."""
        return self.ticket.limit_price

    @property
    def trail_amount(self) -> Decimal | None:
        """The distance of the trail in money."""
        return self.ticket.trail_amount

    @property
    def trail_percent(self) -> Decimal | None:
        """The distance of the trail in percent of the high-water mark."""
        return self.ticket.trail_percent

    @property
    def extended_hours(self) -> bool:
        """Whether it trades before the opening and after the close."""
        return self.ticket.extended_hours

    @property
    def leaves_quantity(self) -> Decimal:
        """What may still trade: zero once the order has ended."""
        return self.quantity - self.filled_quantity if self.status in OPEN_STATUSES else ZERO

    @property
    def canceled_quantity(self) -> Decimal:
        """What will never trade under this order: its unfilled part once it has ended."""
        return ZERO if self.status in OPEN_STATUSES else self.quantity - self.filled_quantity

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in OPEN_STATUSES


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One trade of one order; `position_quantity` is the account's signed position after it."""

    execution_id: str
    order_id: str
    account_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    time_ns: int
    position_quantity: Decimal


@quick
@dataclass(frozen=True, slots=True)
class ExchangeEvent:
    """What happened: `order` as it stood after it, and the execution if it was one."""

    kind: EventKind
    order: ExchangeOrder
    time_ns: int
    execution: Execution | None = None


@dataclass(frozen=True, slots=True)
class Depth:
    """The top of a book at a moment; sizes in units, `last` the price of the last trade."""

    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    last: Decimal
    time_ns: int


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position: signed quantity, and `available`, unsigned, which no open order holds."""

    symbol: str
    quantity: Decimal
    available: Decimal
    average_price: Decimal
    cost_basis: Decimal
    market_price: Decimal
    market_value: Decimal
    unrealized_profit: Decimal


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """An account's money at a moment.

    `short_market_value` is negative. `reserved` is what open orders that would open positions may cost.
    `initial_margin` and `maintenance_margin` are what the positions need. `non_marginable_buying_power` is what may
    be spent where nothing may be borrowed (crypto, options).
    """

    account_id: str
    cash: Decimal
    equity: Decimal
    long_market_value: Decimal
    short_market_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    reserved: Decimal
    buying_power: Decimal
    non_marginable_buying_power: Decimal
    multiplier: Decimal
    shorting: bool
    create_time_ns: int
    time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpening:
    """How an account began."""

    account_id: str
    cash: Decimal
    multiplier: Decimal
    shorting: bool
    create_time_ns: int


@dataclass(frozen=True, slots=True)
class ExchangeState:
    """Everything an exchange must remember: orders by sequence, executions in the order they happened."""

    accounts: tuple[AccountOpening, ...]
    orders: tuple[ExchangeOrder, ...]
    executions: tuple[Execution, ...]
