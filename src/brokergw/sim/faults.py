"""Faults that can be switched on while the simulator runs: what goes wrong, for which traffic, how often."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from enum import StrEnum, unique
from fnmatch import fnmatchcase
from itertools import count
from random import Random
from typing import Any, Final

from brokergw.sim.wire import WireRequest


@unique
class FaultName(StrEnum):
    """What can go wrong."""

    # Before the request is acted on
    LATENCY = "latency"
    CONNECTION_RESET = "connection_reset"
    ERROR_BEFORE = "error_before"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    # After the request was acted on
    LOST_REPLY = "lost_reply"
    ERROR_AFTER = "error_after"
    HANGING_REPLY = "hanging_reply"
    GARBLED_REPLY = "garbled_reply"
    FILL_BEFORE_REPLY = "fill_before_reply"
    # What the broker shows
    LATE_BIRTH = "late_birth"
    WRONG_POSITION = "wrong_position"
    SLOW_CANCEL = "slow_cancel"
    SHOWN_AS = "shown_as"
    OTHER_ORDER = "other_order"
    UNKNOWN_ORDER = "unknown_order"
    TRUNCATED_LIST = "truncated_list"
    SHUFFLED_LIST = "shuffled_list"
    SKEWED_DATE = "skewed_date"
    # On the stream
    DUPLICATE_EVENTS = "duplicate_events"
    REORDERED_EVENTS = "reordered_events"
    DROPPED_EVENTS = "dropped_events"
    DROPPED_STREAM = "dropped_stream"


BEFORE: Final = (
    FaultName.LATENCY,
    FaultName.CONNECTION_RESET,
    FaultName.ERROR_BEFORE,
    FaultName.RATE_LIMITED,
    FaultName.UNAUTHORIZED,
)
AFTER: Final = (
    FaultName.FILL_BEFORE_REPLY,
    FaultName.LOST_REPLY,
    FaultName.ERROR_AFTER,
    FaultName.HANGING_REPLY,
    FaultName.GARBLED_REPLY,
)

_SECONDS: Final = {
    FaultName.LATENCY: 1.0,
    FaultName.HANGING_REPLY: 3600.0,
    FaultName.FILL_BEFORE_REPLY: 0.1,
    FaultName.LATE_BIRTH: 1.0,
    FaultName.SLOW_CANCEL: 1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and the traffic it meets.

    `method`, `contains` (text in the body) and `event` (a stream event's name) match when empty or equal; `path` is a
    glob such as `/v2/orders*`. The first `skip` matches pass unharmed, then it fires `count` times (None: for ever),
    each time with `probability` drawn from `seed`. `seconds` is a duration for faults that have one (for RATE_LIMITED
    and ERROR_BEFORE what Retry-After says), `status` the HTTP status of the error faults, `answer` what
    GARBLED_REPLY says instead of half an order, and ERROR_BEFORE instead of the broker's own words. `symbol` and
    `quantity` are what WRONG_POSITION shows. SHOWN_AS gives the order that a request places the broker's word in
    `status_word` for as long as it is open, TRUNCATED_LIST keeps the first `keep` rows of a list. OTHER_ORDER answers a
    submit with an order that nobody placed, UNKNOWN_ORDER a look-up as if there were no such order. SKEWED_DATE lets
    the Date of an answer be so many `seconds` ahead of the simulator's clock, or behind it where they are negative.
    """

    name: FaultName
    method: str = ""
    path: str = ""
    contains: str = ""
    event: str = ""
    count: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seed: int = 0
    seconds: float | None = None
    status: int = 503
    symbol: str = ""
    quantity: str = ""
    status_word: str = ""
    keep: int = 0
    answer: str | None = None

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError("count must be at least 1, or null for ever")
        if self.skip < 0:
            raise ValueError("skip must not be negative")
        if not 0 <= self.probability <= 1:
            raise ValueError("probability must be between 0 and 1")
        if not (400 if self.answer is None else 200) <= self.status <= 599:
            raise ValueError("status must be between 400 and 599, or from 200 with an answer of its own")
        if self.seconds is not None and self.seconds < 0 and self.name is not FaultName.SKEWED_DATE:
            raise ValueError("seconds must not be negative")
        if self.name is FaultName.WRONG_POSITION and not (self.symbol and self.quantity):
            raise ValueError("wrong_position needs symbol and quantity")
        if self.name is FaultName.SHOWN_AS and not self.status_word:
            raise ValueError("shown_as needs status_word")
        if self.keep < 0:
            raise ValueError("keep must not be negative")

    @property
    def duration_s(self) -> float:
        """How long it lasts, where it lasts."""
        return self.seconds if self.seconds is not None else _SECONDS.get(self.name, 0.0)

    def matches(self, method: str, path: str, text: str) -> bool:
        """Tell whether a request is the kind it meets."""
        return (
            self.method in {"", method}
            and (not self.path or fnmatchcase(path, self.path))
            and (not self.contains or self.contains in text)
        )


_TEXTS: Final = ("method", "path", "contains", "event", "symbol", "quantity", "status_word")


def fault_from_json(document: Any) -> Fault:
    """Read a fault from its JSON form; raises ValueError with the broken rule in words."""
    if not isinstance(document, Mapping):
        raise ValueError("a fault is a JSON object")  # noqa: TRY004 - callers handle one kind of bad input
    known = {field.name for field in fields(Fault)}
    if unknown := sorted(set(document) - known):
        raise ValueError(f"unknown field {unknown[0]}; known are {', '.join(sorted(known))}")
    try:
        name = FaultName(document.get("name", ""))
    except ValueError:
        raise ValueError(f"name must be one of {', '.join(FaultName)}") from None
    if not isinstance(document.get("answer"), str | None):
        raise ValueError("answer must be a text")  # noqa: TRY004 - as below
    for field in _TEXTS:
        if not isinstance(document.get(field, ""), str):
            raise ValueError(f"{field} must be a text")  # noqa: TRY004 - as above
    try:
        plain: dict[str, Any] = {
            field: float(value) if isinstance(value, Decimal) else value for field, value in document.items()
        }
        return Fault(**{**plain, "name": name})
    except TypeError:
        raise ValueError("a field of the fault has the wrong type") from None


@dataclass(slots=True)
class ArmedFault:
    """A fault that is switched on, with how often it met traffic and fired."""

    fault_id: str
    fault: Fault
    random: Random
    met: int = 0
    fired: int = 0

    @property
    def spent(self) -> bool:
        """Whether it will never fire again."""
        return self.fault.count is not None and self.fired >= self.fault.count

    def strikes(self) -> bool:
        """Decide on one matching piece of traffic."""
        self.met += 1
        if self.spent or self.met <= self.fault.skip:
            return False
        if self.fault.probability < 1 and self.random.random() >= self.fault.probability:
            return False
        self.fired += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """Give its settings and counters in JSON types."""
        return {**asdict(self.fault), "fault_id": self.fault_id, "met": self.met, "fired": self.fired}


class Faults:
    """The faults that are switched on."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._armed: dict[str, ArmedFault] = {}
        self._names: frozenset[FaultName] = frozenset()

    def __bool__(self) -> bool:
        return bool(self._armed)

    def arm(self, fault: Fault) -> ArmedFault:
        """Switch a fault on."""
        armed = ArmedFault(str(next(self._ids)), fault, Random(fault.seed))  # noqa: S311 - a seed makes runs repeat
        self._armed[armed.fault_id] = armed
        self._names |= {fault.name}
        return armed

    def disarm(self, fault_id: str) -> bool:
        """Switch one off; False when there is none of that id."""
        found = self._armed.pop(fault_id, None) is not None
        self._names = frozenset(armed.fault.name for armed in self._armed.values())
        return found

    def clear(self) -> None:
        """Switch all off."""
        self._armed.clear()
        self._names = frozenset()

    def listing(self) -> list[ArmedFault]:
        """Give every fault that is switched on, oldest first, spent ones included."""
        return list(self._armed.values())

    def strike(self, name: FaultName, method: str, path: str, body: bytes = b"") -> Fault | None:
        """Give the fault of a name that hits a request, if one does; it counts as fired."""
        if name not in self._names:
            return None
        text = body.decode("utf-8", "replace")
        for armed in self._armed.values():
            if armed.fault.name is name and armed.fault.matches(method, path, text) and armed.strikes():
                return armed.fault
        return None

    def touch(self, name: FaultName, request: WireRequest) -> Fault | None:
        """Give the fault of a name that hits a request, if one does, and note it on the journal entry."""
        fault = self.strike(name, request.method, request.path, request.body)
        if fault is not None:
            request.faults.append(name)
        return fault

    def strike_event(self, name: FaultName, event: str) -> Fault | None:
        """Give the fault of a name that hits a stream event, if one does; it counts as fired."""
        if name not in self._names:
            return None
        for armed in self._armed.values():
            if armed.fault.name is name and armed.fault.event in {"", event} and armed.strikes():
                return armed.fault
        return None
