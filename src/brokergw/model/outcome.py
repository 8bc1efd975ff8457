"""How a broker answered: four endings for a command, three for a look-up, never a guess."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self, TypeAlias

from brokergw.model.errors import GatewayError, PreflightDenied, Reason
from brokergw.model.lifecycle import State
from brokergw.model.order import Fee, FillKind, Liquidity
from brokergw.model.quick import quick
from brokergw.model.terms import OrderTerms, PositionSide


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """One order as the broker tells it, in canonical terms.

    `state` is a journal state in which the broker can confirm an order. `replaces` is the broker order id of the
    generation before, where cancel/replace made a new one, `replaced_by` the one after; `successor_unknown` says that
    there is one after, and that the broker does not tell which. `position_side` is the position that it moves, in hedge
    mode. Times are Unix nanoseconds.
    """

    broker_order_id: str
    client_order_id: str
    terms: OrderTerms
    state: State
    cum_quantity: Decimal
    average_price: Decimal | None
    submit_time_ns: int
    update_time_ns: int
    replaces: str = ""
    replaced_by: str = ""
    reject_reason: str = ""
    legs: tuple["BrokerOrder", ...] = ()
    successor_unknown: bool = False
    position_side: PositionSide = PositionSide.NET


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFill:
    """One execution as the broker tells it; `position_quantity` is the signed position after it, if told."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    trade_time_ns: int
    kind: FillKind = FillKind.NEW
    refers_to_execution_id: str = ""
    synthetic_id: bool = False
    liquidity: Liquidity = Liquidity.UNKNOWN
    venue: str = ""
    fees: tuple[Fee, ...] = ()
    position_quantity: Decimal | None = None


@quick
@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker has taken the command; `order` is what it said of the order, when it said anything.

    `fills` are the executions that the same answer told, oldest first; the stream may tell them again.
    """

    order: BrokerOrder | None = None
    fills: tuple[BrokerFill, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """The broker definitively refused: nothing was created or changed.

    `reason` is a canonical word (`INSUFFICIENT_FUNDS`), `broker_code` and `broker_message` the broker's own. `order` is
    what the broker keeps of the refused order, where it numbers an order before it refuses it.
    """

    reason: str
    broker_code: str = ""
    broker_message: str = ""
    order: BrokerOrder | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proved: no byte of the command reached the broker, or the broker proved that it threw it away.

    `reason` says what stood in the way, `denial` all of it where that was a rule of the gateway's own.
    """

    why: str
    retry_after_s: float | None = None
    reason: Reason = Reason.BROKER_UNREACHABLE
    denial: PreflightDenied | None = None

    @classmethod
    def by(cls, error: GatewayError) -> Self:
        """Say that an error has kept a command from being sent."""
        denial = error if isinstance(error, PreflightDenied) else None
        return cls(error.message, error.retry_after_s, error.reason, denial)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The command may or may not have taken effect; only a look-up can tell."""

    why: str


Outcome: TypeAlias = Accepted | Rejected | NotSent | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """The broker knows the order."""

    order: BrokerOrder


@dataclass(frozen=True, slots=True)
class Absent:
    """The broker answered, and definitively does not know the order (now)."""


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """The look-up itself failed; says nothing about the order."""

    why: str


Lookup: TypeAlias = Found | Absent | Inconclusive


@quick
@dataclass(frozen=True, slots=True)
class OrderReport:
    """The broker told of an order: its state now and, if this report is an execution, the fill."""

    order: BrokerOrder
    event_time_ns: int
    fill: BrokerFill | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class FeedUp:
    """The broker's stream is live; everything since the last FeedDown has been back-filled before this."""

    since_ns: int


@dataclass(frozen=True, slots=True)
class FeedDown:
    """The broker's stream is lost; events may be missing until the next FeedUp.

    `cause` is what the broker said of the connection itself, where it said anything.
    """

    why: str
    cause: GatewayError | None = None


BrokerEvent: TypeAlias = OrderReport | FeedUp | FeedDown


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of a broker's request budget, as its own headers say; None where it does not say."""

    limit: int | None
    remaining: int | None
    reset_time_ns: int | None
    extra: Mapping[str, str] = field(default_factory=dict)
