"""What each verb came to, and where the record stood after it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, Generic, Self, TypeAlias, TypeVar

from brokergw.model.account import AccountState, Connection, ConnectionHealth, Position
from brokergw.model.commands import KeyedCommand
from brokergw.model.instrument import Instrument
from brokergw.model.oauth import EndAhead
from brokergw.model.order import ONE, ZERO, Order
from brokergw.model.quick import quick
from brokergw.model.terms import OrderTerms, PositionSide, hedged_side
from brokergw.ports.journal import Admission

C_co = TypeVar("C_co", bound=KeyedCommand, covariant=True)


@quick
@dataclass(frozen=True, slots=True)
class Hold:
    """What an order is reserved for: units, and the worst that one may cost in the base currency.

    `unit_worth` is what a unit is worth in the base currency at a price of one: its multiplier times the rate.
    `position_side` is the position that it counts for, in hedge mode.
    """

    quantity: Decimal = ZERO
    price: Decimal = ZERO
    unit_worth: Decimal = ONE
    position_side: PositionSide = PositionSide.NET


NO_HOLD: Final = Hold()
NO_ADMISSION: Final = Admission()

Positions: TypeAlias = dict[str, int]
"""How far each account's record has been covered: sequence by account id."""


@dataclass(frozen=True, slots=True)
class Cleared(Generic[C_co]):
    """A command that every gate has let through, with what the gates learned on the way.

    `order` is the present order for a change, None for a submit. `hold`, `admission` and `trading_day` belong to the
    commit that permits its send; `limits_version` is that of the limits it was judged by.
    """

    command: C_co
    connection: Connection
    instrument: Instrument | None
    order: Order | None = None
    hold: Hold = NO_HOLD
    admission: Admission = NO_ADMISSION
    trading_day: str = ""
    limits_version: int = 0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResult:
    """The answer to submit, modify and cancel.

    `original` is the order as the first call under the key answered it, set for replays only. A `provisional` answer
    was given without the record: the order is as this process remembers it.
    """

    order: Order
    replayed: bool = False
    original: Order | None = None
    decision_time_ns: int | None = None
    positions: Positions = field(default_factory=dict)
    provisional: bool = False

    def as_replay(self) -> Self:
        """Give the answer for another call under the same key."""
        return replace(self, replayed=True, original=self.original or self.order)


@dataclass(frozen=True, slots=True)
class CancelItem:
    """One order's part of a larger cancel; `reason` is empty when it was accepted."""

    order: Order
    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ResidualItem:
    """Something that could not be cancelled or closed."""

    account_id: str
    symbol: str
    reason: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """The answer to cancel-all, flatten and close-all; `orders` are the closing orders.

    A `provisional` one was given without the record, and tells of the orders that this process remembers.
    """

    cancels: tuple[CancelItem, ...] = ()
    orders: tuple[Order, ...] = ()
    residuals: tuple[ResidualItem, ...] = ()
    replayed: bool = False
    positions: Positions = field(default_factory=dict)
    provisional: bool = False

    def as_replay(self) -> Self:
        """Give the answer for another call under the same key."""
        return replace(self, replayed=True)


Result: TypeAlias = OrderResult | SweepResult


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """A connection and how it fares; `last_message_ns` is None until the broker has told anything.

    `last_sync_ns` is when the broker was last asked for what the record must agree with, `next_sync_ns` when it is to
    be asked next; None where it never was, or nobody is to ask. `end_ahead` is the end of its authorization that its
    user should know of.
    """

    connection: Connection
    health: ConnectionHealth
    detail: str
    stream_up: bool
    last_message_ns: int | None
    last_sync_ns: int | None = None
    next_sync_ns: int | None = None
    end_ahead: EndAhead | None = None


@dataclass(frozen=True, slots=True)
class BrokerState:
    """An account and its positions, asked from the broker for the order at hand."""

    account: AccountState
    positions: Sequence[Position]

    def position(self, symbol: str) -> Position | None:
        """Find the position in a symbol."""
        for position in self.positions:
            if position.symbol == symbol:
                return position
        return None

    def side_of(self, terms: OrderTerms) -> PositionSide:
        """Tell which of its symbol's positions an order is about."""
        return hedged_side(terms) if self.account.hedged else PositionSide.NET

    def held_by(self, terms: OrderTerms) -> Position | None:
        """Find the position that an order is about: in hedge mode the long or the short one by itself."""
        held, side = self.position(terms.symbol), self.side_of(terms)
        if held is None or side is PositionSide.NET:
            return held
        return next((held.alone(part) for part in held.parts if part.part_id == side), None)

    def beside(self, terms: OrderTerms) -> Decimal:
        """Give how many units the other side of an order's symbol has, in hedge mode."""
        held, side = self.position(terms.symbol), self.side_of(terms)
        if held is None or side is PositionSide.NET:
            return ZERO
        return sum((abs(part.quantity) for part in held.parts if part.part_id != side), ZERO)
