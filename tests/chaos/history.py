"""What is left of a chain of trials: the record, the broker's own truth, and what clients were told."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum, unique
from typing import Any

from brokergw.model.capability import ResolutionClass
from brokergw.model.events import AuditRow, EventKind, LogEvent
from brokergw.model.order import Fill, Order
from brokergw.ports.journal import KeyRecord
from tests.chaos.haste import Haste


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a call ended, where the gateway itself ended it.

    `state` is the wire's name of the order's state; `reason`, `effect` and `retry` are empty for OK.
    """

    ok: bool
    order_id: str = ""
    state: str = ""
    version: int = 0
    broker_order_ids: tuple[str, ...] = ()
    replayed: bool = False
    code: str = ""
    reason: str = ""
    effect: str = ""
    retry: str = ""

    @property
    def final(self) -> bool:
        """Whether the key needs no further asking."""
        return self.ok or self.retry in {"NEW_KEY", "NEVER"} or self.reason == "ORDER_NOT_PLACED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a client; `answer` is None when the gateway died, or the client left, before there was one."""

    trial: int
    method: str
    key: str
    begin_ns: int
    end_ns: int
    answer: Answer | None


@unique
class Verb(StrEnum):
    """What a command at the broker's door asks for."""

    SUBMIT = "SUBMIT"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A command that reached the broker's door.

    `client_order_id` is that of the order it submits, `target` the broker order id it is about. `witnessed` is the
    state in which the order stood on record when the broker acted: empty when it was not there, None when nobody could
    look.
    """

    sequence: int
    time_ns: int
    verb: Verb
    client_order_id: str = ""
    target: str = ""
    handled: bool = True
    status: int | None = 200
    witnessed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSide:
    """An order as the broker has it in the end; `open` while it may still trade.

    `replaces` is the generation before it, where the broker gives each an id of its own. `outside` is one that a person
    has entered at the broker itself.
    """

    broker_order_id: str
    client_order_id: str
    open: bool
    filled: Decimal
    replaces: str = ""
    outside: bool = False
    entered_ns: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as the broker has it."""

    broker_order_id: str
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Stream:
    """The sequences that one subscriber saw over all its resumptions, in the order of arrival.

    `kind` is the kind of events that it was to get, `after` the sequence behind which it began, `breaks` what it found
    wrong with the chain of previous sequences.
    """

    kind: EventKind
    after: int
    sequences: tuple[int, ...]
    breaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The gateway's record of the account under test."""

    orders: tuple[Order, ...] = ()
    events: tuple[LogEvent, ...] = ()
    fills: tuple[Fill, ...] = ()
    keys: tuple[KeyRecord, ...] = ()
    audit: tuple[AuditRow, ...] = ()
    broker_order_ids: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[Any, ...], ...] = ()

    def order(self, order_id: str) -> Order | None:
        """Find an order."""
        return next((order for order in self.orders if order.order_id == order_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that the checks compare.

    `resolution` is the way in which the broker's orders are found again. `ambiguous` are the client order ids of orders
    whose twin was entered outside while nobody knew of them. `haste` is how fast time ran in the end.
    """

    record: Record = field(default_factory=Record)
    arrivals: tuple[Arrival, ...] = ()
    broker_orders: tuple[BrokerSide, ...] = ()
    executions: tuple[Execution, ...] = ()
    calls: tuple[Call, ...] = ()
    streams: tuple[Stream, ...] = ()
    resolution: ResolutionClass = ResolutionClass.BY_CLIENT_ID
    ambiguous: frozenset[str] = frozenset()
    haste: Haste = field(default_factory=Haste)
