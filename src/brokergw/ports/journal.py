"""The durable record of orders: one kind of write, and the reads that streams and queries need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from typing import Protocol, TypeAlias

from brokergw.model.events import AuditRow, EventDraft, EventKind, LogEvent
from brokergw.model.lifecycle import State
from brokergw.model.likeness import Likeness
from brokergw.model.limits import LimitSource
from brokergw.model.order import ZERO, Fill, Order
from brokergw.model.quick import quick
from brokergw.model.trading import Halt
from brokergw.model.whose import Whose
from brokergw.ports.leases import Lease
from brokergw.ports.ledger import Ledger
from brokergw.ports.snapshots import OrderHead, Snapshot


@quick
@dataclass(frozen=True, slots=True)
class KeyScope:
    """Whose idempotency key, for which method. Unique together."""

    user_id: str
    method: str
    key: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyClaim:
    """A first call's claim on its key; whoever commits it first owns the key.

    `subject` is the id of what the call is about: an order id, an account id.
    """

    scope: KeyScope
    fingerprint: str
    subject: str
    time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A claimed key as it stands. `decision` is empty while the first call is undecided (JSON otherwise).

    A `retired` key is past its retention: that it was used is known still, what it came to no longer.
    """

    scope: KeyScope
    fingerprint: str
    subject: str
    claim_time_ns: int
    decision: str = ""
    decision_time_ns: int | None = None
    retired: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """What the first call under a key came to; replays carry it. `text` is JSON made by the desk."""

    scope: KeyScope
    text: str
    time_ns: int


@unique
class Measure(StrEnum):
    """What the record counts of a subject, in the commit that changes it.

    EXPOSURE sums the worst cases of a subject's symbols, POSITION is the worst case of the order's own symbol in its
    account, OPEN_ORDERS counts orders that have not ended. DAY_ORDERS, MINUTE_ORDERS and DAY_VOLUME run over the
    order's trading day or the last sixty seconds. UNACKNOWLEDGED is the cost of an account's orders that its broker has
    not acknowledged, and so cannot have taken off the buying power it tells.
    """

    EXPOSURE = "EXPOSURE"
    POSITION = "POSITION"
    OPEN_ORDERS = "OPEN_ORDERS"
    DAY_ORDERS = "DAY_ORDERS"
    MINUTE_ORDERS = "MINUTE_ORDERS"
    DAY_VOLUME = "DAY_VOLUME"
    UNACKNOWLEDGED = "UNACKNOWLEDGED"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A most that an admission may bring a measure to. `subject` is USER, STRATEGY or ACCOUNT of the order itself.

    `source` is who set it, for the denial's words; None where the broker did.
    """

    measure: Measure
    subject: "Subject"
    limit: Decimal
    source: LimitSource | None = None


@unique
class Subject(StrEnum):
    """Whose measure a cap is about."""

    USER = "USER"
    STRATEGY = "STRATEGY"
    ACCOUNT = "ACCOUNT"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What an order must pass in the very commit that permits its send.

    `reduces` says that it only makes a position smaller; the ledger decides whether that holds, and what does passes
    REDUCE_ONLY and every cap. With `must_reduce` it is refused where it does not. With `broker_decides` the broker's
    position alone is what can be reduced: a ledger behind the broker is to keep nobody in a position. `closing` marks
    the kill switch's own closing orders, which pass a halt. `position` is the symbol's signed position as the broker
    told it for this order, in hedge mode that of the order's own side, with `beside` units on the other; `mark` is what
    a unit of it is worth now in the base currency, multiplier included: the larger worst case of the broker's position
    and the ledger's counts. With a `likeness` a new order is refused that repeats another one.
    """

    caps: tuple[Cap, ...] = ()
    reduces: bool = False
    must_reduce: bool = False
    broker_decides: bool = False
    closing: bool = False
    position: Decimal | None = None
    beside: Decimal = ZERO
    mark: Decimal | None = None
    likeness: Likeness | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One unit of work: all of it becomes durable together, or none of it.

    Checked in this order: the lease `guard`, where there is one, must still be held; `claim` must win its key;
    `insert`s must have fresh order ids and client order ids; each `updates` order replaces exactly the version before
    it (`order.version - 1`); every fill must be new; where there is an `admission`, nothing that the unit's one order
    belongs to is halted, and every cap holds with it. `user_id` is whose account the events are about, where nothing
    else of the unit says so: the unit can touch no other users' rows than those that it names.
    Any check that fails refuses the whole unit, and its neighbours in the batch are unharmed.
    With `late` a commit is refused that takes long; `late` is called where the unit is, or may be, durable after that.
    """

    guard: Lease | None = None
    claim: KeyClaim | None = None
    inserts: tuple[Order, ...] = ()
    updates: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    events: tuple[EventDraft, ...] = ()
    audit: tuple[AuditRow, ...] = ()
    decision: Decision | None = None
    admission: Admission | None = None
    user_id: str = ""
    late: Callable[[], None] | None = None

    @property
    def admitted(self) -> Order:
        """The one order that the unit's admission is about."""
        return (self.inserts or self.updates)[0]


@quick
@dataclass(frozen=True, slots=True)
class Committed:
    """The unit is durable; `events` are its events with their sequences, in the order given."""

    events: tuple[LogEvent, ...]


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """Somebody holds the key already."""

    record: KeyRecord


@dataclass(frozen=True, slots=True)
class ClientOrderIdTaken:
    """The account has used this client order id (its own or the broker-level one) before."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Stale:
    """An order has moved on since it was read; `order` is how it stands."""

    order: Order


@dataclass(frozen=True, slots=True)
class FillKnown:
    """A fill of the unit is on the record already."""

    fill_id: str


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """Another process does the connection's background work by now."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class TradingStopped:
    """A halt stands in the order's way."""

    halt: Halt


@dataclass(frozen=True, slots=True)
class CapReached:
    """One cap that an order would exceed: what stands already, and what the order would add to it."""

    cap: Cap
    used: Decimal
    requested: Decimal


@dataclass(frozen=True, slots=True)
class CapsReached:
    """Every cap that an order would exceed."""

    reached: tuple[CapReached, ...]


@dataclass(frozen=True, slots=True)
class WouldIncrease:
    """The order had to reduce a position and would not: so much of it, by the record's count, is not spoken for yet."""

    reducible: Decimal


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same order was admitted under another key, `ago_ns` before this one and less than `within_ns`."""

    order_id: str
    ago_ns: int
    within_ns: int


AdmissionRefused: TypeAlias = TradingStopped | CapsReached | WouldIncrease | Repeated
"""Why the record does not admit an order."""

CommitResult: TypeAlias = Committed | KeyTaken | ClientOrderIdTaken | Stale | FillKnown | LeaseLost | AdmissionRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """Which orders to list, newest first. `open_only` None means both; `after_order_id` pages (exclusive)."""

    user_id: str
    account_ids: tuple[str, ...] = ()
    symbol: str = ""
    open_only: bool | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    after_order_id: str = ""
    limit: int = 100


class Journal(Ledger, Protocol):
    """The one door to the durable record."""

    async def commit(self, unit: Commit) -> CommitResult:
        """Make a unit durable; raises JOURNAL_ or AUDIT_UNAVAILABLE, or JOURNAL_OUTCOME_UNKNOWN when it may be."""
        ...

    def record(self, row: AuditRow) -> None:
        """Put an audit row into the next commit without waiting for it."""
        ...

    async def judge(self, order: Order, admission: Admission) -> AdmissionRefused | None:
        """Tell what the commit that admits a new order would say now, from the same rows; admits nothing.

        What other orders do meanwhile may change the answer: only the commit holds the rows still.
        """
        ...

    async def key_of(self, scope: KeyScope) -> KeyRecord | None:
        """Look a key up."""
        ...

    async def order(self, whose: Whose, order_id: str) -> Order | None:
        """Read one order as it stands, of one user or of everybody."""
        ...

    async def order_by_client_id(self, user_id: str, account_id: str, client_order_id: str) -> Order | None:
        """Read an order by the client's own id."""
        ...

    async def order_by_broker_id(
        self, user_id: str, account_id: str, broker_order_id: str, broker_client_order_id: str
    ) -> Order | None:
        """Read an order by any of its broker order ids or the broker-level client order id."""
        ...

    async def orders(self, query: OrderQuery) -> Sequence[Order]:
        """List orders."""
        ...

    async def open_orders(
        self, whose: Whose, account_id: str | None = None, states: frozenset[State] | None = None
    ) -> Sequence[Order]:
        """List every order that has not ended, of one account or of all, in some states or in any, oldest first."""
        ...

    async def count_refused(self, user_id: str, strategy_id: str, broker: str, made_after_ns: int) -> int:
        """Count a user's orders of a strategy, or of none, that a broker (any when empty) has refused."""
        ...

    async def open_heads(self, user_id: str, account_id: str) -> Sequence[OrderHead]:
        """Tell where every order of an account stands that has not ended; cheap enough to ask every few seconds."""
        ...

    async def fills(
        self,
        user_id: str,
        account_ids: Sequence[str],
        *,
        order_id: str = "",
        since_ns: int | None = None,
        after_fill_id: str = "",
        limit: int = 100,
    ) -> Sequence[Fill]:
        """List fills, newest first."""
        ...

    async def fill(self, user_id: str, fill_id: str) -> Fill | None:
        """Read one fill."""
        ...

    async def events(
        self, user_id: str, account_id: str, after: int, limit: int, kinds: frozenset[EventKind] | None = None
    ) -> Sequence[LogEvent]:
        """Read the log of an account after a sequence, in order."""
        ...

    async def order_events(self, user_id: str, order_id: str) -> Sequence[LogEvent]:
        """Read every event of one order and its fills, in order."""
        ...

    async def sequences(self, whose: Whose, account_ids: Sequence[str]) -> dict[str, int]:
        """Give each account's last sequence; 0 where nothing has happened yet."""
        ...

    async def earliest(self, whose: Whose, account_ids: Sequence[str]) -> dict[str, int]:
        """Give each account's earliest sequence still on the record, minus one: the oldest cursor that resumes."""
        ...

    async def snapshot(self, user_id: str, account_ids: Sequence[str]) -> Snapshot:
        """Read open orders and sequences in one transaction."""
        ...

    def on_events(self, listener: Callable[[Sequence[LogEvent]], None]) -> None:
        """Call a function in the event loop, after each commit, with the events it made durable, in log order."""
        ...

    def on_wake(self, listener: Callable[[], None]) -> None:
        """Call a function in the event loop when another process may have written; what it wrote must be read."""
        ...

    async def retire_keys(self, claimed_before_ns: int, limit: int) -> int:
        """Retire up to so many keys claimed before a time, but for those whose order is open; gives how many."""
        ...

    async def drop_retired_keys(self, claimed_before_ns: int, limit: int) -> int:
        """Forget up to so many retired keys claimed before a time; gives how many."""
        ...

    async def forget_repeats(self, made_before_ns: int, limit: int) -> int:
        """Forget up to so many notes of which order was the latest of its likeness; gives how many."""
        ...

    async def prune_events(self, user_id: str, account_id: str, published_before_ns: int, limit: int) -> int:
        """Forget up to so many of an account's oldest events, as long as they were published before a time; gives how
        many. What is left has no hole, the newest event stays, and sequences go on.
        """
        ...

    @property
    def shared(self) -> bool:
        """Whether other processes may write to this record too."""
        ...

    @property
    def epoch(self) -> str:
        """The id of this log's life; another one after a restore from backup."""
        ...
