"""What goes on the record: events that streams serve, and audit rows."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique

from brokergw.model.order import Fill, Order, Origin
from brokergw.model.quick import quick


@unique
class EventKind(StrEnum):
    """What an event is about; each stream serves one kind, and gaps besides."""

    ORDER = "ORDER"
    FILL = "FILL"
    POSITION = "POSITION"
    GAP = "GAP"


@quick
@dataclass(frozen=True, slots=True)
class PositionChange:
    """A position after a fill; quantity is signed, zero means closed."""

    account_id: str
    broker: str
    symbol: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class FeedGap:
    """The broker's stream of an account was lost at one time and, once `to_ns` is set, back-filled up to another."""

    account_id: str
    broker: str
    from_ns: int
    to_ns: int | None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """An event before the log gives it its sequence.

    An ORDER event carries the order as it stood after the change; a FILL event the fill. Times are Unix nanoseconds:
    `event_time_ns` the broker's (or ours where the change is ours), `receive_time_ns` when the gateway learned of it.
    """

    kind: EventKind
    account_id: str
    origin: Origin
    event_time_ns: int
    receive_time_ns: int
    payload: Order | Fill | PositionChange | FeedGap


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """An event on the record: `sequence` rises by one per event of its account, from 1."""

    kind: EventKind
    account_id: str
    sequence: int
    origin: Origin
    event_time_ns: int
    receive_time_ns: int
    publish_time_ns: int
    payload: Order | Fill | PositionChange | FeedGap


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """Who did what, and how it ended. Never holds a secret or a raw broker payload.

    `key_id` and `principal_kind` name the credential that was shown, `address` where the call came from, `method_class`
    the scope that its method asks for; `payload` is the request as JSON, with what may not be shown left out.
    """

    time_ns: int
    request_id: str
    user_id: str
    key_id: str
    action: str
    outcome: str
    reason: str = ""
    account_id: str = ""
    order_id: str = ""
    detail: str = ""
    duration_ns: int | None = None
    principal_kind: str = ""
    address: str = ""
    method_class: str = ""
    payload: str = ""
