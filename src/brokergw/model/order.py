"""An order as the journal knows it, and its fills."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from typing import Any, Final

from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.quick import copier_of, quick
from brokergw.model.terms import OrderTerms, PositionSide, Side

ZERO = Decimal(0)
ONE = Decimal(1)


@unique
class Origin(StrEnum):
    """How the gateway learned of something."""

    LIVE = "LIVE"
    REPLAYED = "REPLAYED"
    RECONCILED = "RECONCILED"
    INFERRED = "INFERRED"


@unique
class FillKind(StrEnum):
    """A new execution, or what the broker later made of one."""

    NEW = "NEW"
    CORRECTION = "CORRECTION"
    BUST = "BUST"


@unique
class Liquidity(StrEnum):
    """Whether a fill gave or took liquidity."""

    UNKNOWN = "UNKNOWN"
    MAKER = "MAKER"
    TAKER = "TAKER"
    AUCTION = "AUCTION"


@quick
@dataclass(frozen=True, slots=True)
class Fee:
    """What an execution cost, in units of `asset`."""

    amount: Decimal
    asset: str
    kind: str
    estimated: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order, whole; immutable, each change is a new version.

    Times are Unix nanoseconds. `terms.quantity` is the present total. `broker_client_order_id` is what the
    gateway sent as the broker-level id; `broker_order_ids` lists one id per generation, the newest last. `sender` names
    the process (its instance id) that was permitted to send it last.

    `hold_quantity` is how much of it counts as open until it has traded or ended (while a change is on its way, the
    larger of both totals), `hold_price` what a unit may cost at worst in the base currency, multiplier and fees
    included. `unit_worth` is what a unit is worth in the base currency at a price of one: the contract's multiplier
    times the currency's rate. `trading_day` (an ISO date) is the day that its volume counts for.
    `position_side` is which of its symbol's positions it moves, where the account was in hedge mode when it was placed.
    """

    order_id: str
    user_id: str
    account_id: str
    broker: str
    terms: OrderTerms
    idempotency_key: str
    state: State
    version: int
    create_time_ns: int
    update_time_ns: int
    client_order_id: str = ""
    broker_client_order_id: str = ""
    broker_order_ids: tuple[str, ...] = ()
    parent_order_id: str = ""
    strategy_id: str = ""
    run_id: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    attempt: int = 1
    cum_quantity: Decimal = ZERO
    average_price: Decimal | None = None
    canceled_quantity: Decimal = ZERO
    submit_time_ns: int | None = None
    complete_time_ns: int | None = None
    reject_reason: str = ""
    rejected_by: str = ""
    broker_message: str = ""
    late_fill: bool = False
    external: bool = False
    sender: str = ""
    hold_quantity: Decimal = ZERO
    hold_price: Decimal = ZERO
    unit_worth: Decimal = ONE
    trading_day: str = ""
    position_side: PositionSide = PositionSide.NET

    @property
    def held_quantity(self) -> Decimal:
        """How much of the order is reserved for: what may still trade, whatever nobody knows included."""
        return ZERO if is_terminal(self.state) else max(ZERO, self.hold_quantity - self.cum_quantity)

    @property
    def broker_order_id(self) -> str:
        """The id of the newest generation at the broker, or empty."""
        return self.broker_order_ids[-1] if self.broker_order_ids else ""

    @property
    def leaves_quantity(self) -> Decimal:
        """What may still trade; zero once the order has ended, or while a notional order has no quantity."""
        if is_terminal(self.state) or self.terms.quantity is None:
            return ZERO
        return max(ZERO, self.terms.quantity - self.cum_quantity - self.canceled_quantity)

    @property
    def etag(self) -> str:
        """The tag that a caller sends back to change only what it has seen."""
        return f'"{self.version}"'

    def next(self, now_ns: int, **changes: Any) -> "Order":
        """Give the next version of the order."""
        return self.changed(version=self.version + 1, update_time_ns=now_ns, **changes)

    def changed(self, **changes: Any) -> "Order":
        """Give a copy with other fields, in a quarter of the time that `dataclasses.replace` takes for so many."""
        return _copy(self, changes)


_copy: Final = copier_of(Order)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution, with the order's running totals after it.

    `fill_id` is derived from the broker's execution id, so the same execution told twice is one fill.
    """

    fill_id: str
    order_id: str
    user_id: str
    account_id: str
    broker: str
    client_order_id: str
    idempotency_key: str
    broker_order_id: str
    execution_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    cum_quantity: Decimal
    leaves_quantity: Decimal
    average_price: Decimal
    trade_time_ns: int
    receive_time_ns: int
    kind: FillKind = FillKind.NEW
    refers_to_fill_id: str = ""
    fill_id_synthetic: bool = False
    liquidity: Liquidity = Liquidity.UNKNOWN
    venue: str = ""
    fees: tuple[Fee, ...] = ()
