"""What everybody saw in one run: the clients' answers, the subscriber's events, the record, the broker's wire."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final

from brokergw.model.errors import OrderEffect
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.lifecycle import State, may_move
from brokergw.model.order import Fill, Order
from brokergw.model.terms import Side
from brokergw.ports.journal import KeyRecord
from brokergw.ports.ledger import LedgerDifference
from brokergw.sim.journal import WireEntry

UNTOUCHED: Final = frozenset({State.DENIED, State.NOT_SENT, State.REJECTED_BY_BROKER})
SETTLED_LATE: Final = frozenset({State.RESOLVED_ABSENT, State.MANUAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client was told at the end of one call. `reason` is empty for OK, `order` is set for OK."""

    time_ns: int
    key: str
    method: str
    reason: str = ""
    effect: OrderEffect | None = None
    order: Order | None = None
    replayed: bool = False


@dataclass(slots=True)
class History:
    """One run, whole. `sends` has when new orders came over the wire, by the marks that `mark_of` gives ours."""

    answers: list[Answer] = field(default_factory=list)
    told: dict[str, list[LogEvent]] = field(default_factory=lambda: defaultdict(list))
    orders: list[Order] = field(default_factory=list)
    events: dict[str, list[LogEvent]] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    keys: list[KeyRecord] = field(default_factory=list)
    audit: Counter[str] = field(default_factory=Counter)
    wire: list[WireEntry] = field(default_factory=list)
    sends: dict[str, list[int]] = field(default_factory=dict)
    mark_of: Callable[[Order], str] = attrgetter("broker_client_order_id")
    broker_orders: list[dict[str, Any]] = field(default_factory=list)
    executions: dict[str, Decimal] = field(default_factory=dict)
    differences: list[LedgerDifference] = field(default_factory=list)
    held: dict[str, Decimal] = field(default_factory=dict)
    findings: Counter[str] = field(default_factory=Counter)
    halts: list[str] = field(default_factory=list)

    def faults(self) -> Iterator[str]:
        """Tell everything that must not be, one sentence each; nothing is the proof."""
        yield from self._one_order_per_key()
        yield from self._sent_only_what_was_permitted()
        yield from self._nothing_lost()
        yield from self._answers_hold()
        yield from self._the_record_is_whole()
        yield from self._fills_agree()
        yield from self._subscribers_saw_everything()
        yield from self._the_ledger_is_true()
        yield from self._nobody_was_halted()
        yield from self._no_stranger_is_here()

    def _no_stranger_is_here(self) -> Iterator[str]:
        """Nobody but the gateway trades in these worlds."""
        yield from (f"{order.order_id} is taken for a stranger's" for order in self.orders if order.external)

    def _nobody_was_halted(self) -> Iterator[str]:
        """The broker is honest here, so that no comparison may end in a mismatch, and calm weather in an agreement."""
        yield from (f"halted without a reason: {reason}" for reason in self.halts)
        if not self.findings["AGREED"] and not self.findings["WARNED"]:
            yield f"the account never agreed with its broker: {dict(self.findings)}"

    def _one_order_per_key(self) -> Iterator[str]:
        per_key = Counter(
            order.idempotency_key for order in self.orders if order.idempotency_key and not order.parent_order_id
        )
        yield from (f"key {key} has {count} orders" for key, count in per_key.items() if count > 1)
        at_broker: dict[str, list[str]] = defaultdict(list)
        for broker_order in self.broker_orders:
            if not broker_order["replaces"]:
                at_broker[broker_order["client_order_id"]].append(broker_order["id"])
        for order in self.orders:
            ids = at_broker.get(order.broker_client_order_id, [])
            if len(ids) > 1:
                yield f"{order.order_id} was placed {len(ids)} times"

    def _sent_only_what_was_permitted(self) -> Iterator[str]:
        """I1, I2: each POST follows a durable SENDING of its order, and no permit sends twice."""
        permits: dict[str, list[int]] = defaultdict(list)
        for event in self._all_events():
            if isinstance(event.payload, Order) and event.payload.state is State.SENDING:
                permits[self.mark_of(event.payload)].append(event.publish_time_ns)
        for mark, times in self.sends.items():
            granted = permits.get(mark, [])
            if len(times) > len(granted):
                yield f"{mark} was sent {len(times)} times on {len(granted)} permits"
            elif any(time < grant for time, grant in zip(sorted(times), sorted(granted), strict=False)):
                yield f"{mark} was sent before it was permitted"

    def _nothing_lost(self) -> Iterator[str]:
        """Every broker order is on the record, and nothing is left open that the broker knows the end of.

        Where orders are known by their content, one may wait for a person who was asked about its symbol.
        """
        asked = {order.terms.symbol for order in self.orders if order.state is State.MANUAL}
        known = {broker_id: order for order in self.orders for broker_id in order.broker_order_ids}
        for broker_order in self.broker_orders:
            order = known.get(broker_order["id"])
            if order is None and broker_order.get("symbol") in asked:
                continue
            if order is None:
                yield f"broker order {broker_order['id']} ({broker_order['status']}) is not on the record"
            elif broker_order["id"] == order.broker_order_id and not _agree(order, broker_order):
                yield f"{order.order_id} is {order.state}, at the broker it is {broker_order['status']}"
        at_broker = {broker_order["id"] for broker_order in self.broker_orders}
        for order in self.orders:
            if missing := [each for each in order.broker_order_ids if each not in at_broker]:
                yield f"{order.order_id} names broker orders that do not exist: {missing}"
            if order.state in {State.SENDING, State.IN_DOUBT, State.PENDING_CANCEL, State.PENDING_MODIFY}:
                yield f"{order.order_id} was left {order.state}"

    def _answers_hold(self) -> Iterator[str]:
        orders = {order.order_id: order for order in self.orders}
        by_key = {order.idempotency_key: order for order in self.orders if not order.parent_order_id}
        denied: dict[str, Answer] = {}
        for answer in self.answers:
            if answer.order is not None and answer.order.order_id not in orders:
                yield f"a client was told of {answer.order.order_id}, which is not on the record"
            if answer.method != "SubmitOrder":
                continue
            order = by_key.get(answer.key)
            if answer.order is not None and order is not None and answer.order.order_id != order.order_id:
                yield f"key {answer.key} was answered with two orders"
            yield from self._effect_holds(answer, order)
            if order is not None and order.state is State.DENIED:
                denied[answer.key] = answer
        for key in denied:
            if any(answer.key == key and answer.order is not None for answer in self.answers):
                yield f"key {key} was denied and placed"

    def _effect_holds(self, answer: Answer, order: Order | None) -> Iterator[str]:
        """I4: who is told that there is no effect finds none at that moment, nor later without another call."""
        if answer.effect is not OrderEffect.NONE or order is None:
            return
        later = any(a.key == answer.key and a.time_ns > answer.time_ns for a in self.answers)
        if order.state not in UNTOUCHED | {State.RESOLVED_ABSENT} and not later:
            yield f"{order.order_id} is {order.state}, but its last caller was told {answer.reason}: no effect"

    def _the_record_is_whole(self) -> Iterator[str]:
        """I7: sequences without gaps, every version of every order told once, every step a legal one."""
        latest = {order.order_id: order for order in self.orders}
        for account, events in self.events.items():
            if [event.sequence for event in events] != list(range(1, len(events) + 1)):
                yield f"the log of {account} has gaps"
        versions: dict[str, list[Order]] = defaultdict(list)
        for event in self._all_events():
            if isinstance(event.payload, Order):
                versions[event.payload.order_id].append(event.payload)
        for order_id, told in versions.items():
            if [order.version for order in told] != list(range(1, len(told) + 1)):
                yield f"{order_id} has versions {[order.version for order in told]} in the log"
            for before, after in pairwise(told):
                if before.state is not after.state and not may_move(before.state, after.state):
                    yield f"{order_id} went from {before.state} to {after.state}"
            if latest[order_id] != told[-1]:
                yield f"{order_id} is not what its last event says"
        yield from (f"{order_id} has no event" for order_id in latest.keys() - versions.keys())
        owners = Counter(broker_id for order in self.orders for broker_id in order.broker_order_ids)
        yield from (f"broker order {each} belongs to {count} orders" for each, count in owners.items() if count > 1)

    def _fills_agree(self) -> Iterator[str]:
        recorded: Counter[str] = Counter(fill.execution_id for fill in self.fills)
        yield from (f"execution {each} is recorded {count} times" for each, count in recorded.items() if count > 1)
        totals: dict[str, Decimal] = defaultdict(Decimal)
        for fill in self.fills:
            totals[fill.order_id] += fill.quantity
        for order in self.orders:
            if totals[order.order_id] != order.cum_quantity:
                yield f"{order.order_id} has filled {order.cum_quantity}, its fills say {totals[order.order_id]}"
        by_order: dict[str, Decimal] = defaultdict(Decimal)
        owner = {broker_id: order.order_id for order in self.orders for broker_id in order.broker_order_ids}
        for broker_order_id, quantity in self.executions.items():
            by_order[owner.get(broker_order_id, "nobody")] += quantity
        for order_id, quantity in by_order.items():
            if totals[order_id] != quantity:
                yield f"{order_id} traded {quantity} at the broker, the record says {totals[order_id]}"

    def _subscribers_saw_everything(self) -> Iterator[str]:
        for name, told in self.told.items():
            account = told[0].account_id if told else ""
            expected = [event.sequence for event in self.events.get(account, ()) if event.kind is EventKind.ORDER]
            seen = [event.sequence for event in told]
            if seen != expected[: len(seen)]:
                yield f"{name} saw {seen[:50]}… instead of {expected[:50]}…"
            elif len(seen) < len(expected):
                yield f"{name} missed the last {len(expected) - len(seen)} events"

    def _the_ledger_is_true(self) -> Iterator[str]:
        """I6: what counts as open is what the open orders hold, and positions are what all orders traded."""
        for each in self.differences:
            yield f"the ledger has {each.measure} {each.recorded} for {each.subject}, its orders {each.counted}"
        traded: dict[str, Decimal] = defaultdict(Decimal)
        for order in self.orders:
            traded[order.terms.symbol] += order.cum_quantity * (1 if order.terms.side is Side.BUY else -1)
        for symbol in traded.keys() | self.held.keys():
            held = self.held.get(symbol, Decimal(0))
            if held != traded.get(symbol, Decimal(0)):
                yield f"the ledger holds {held} {symbol}, its orders traded {traded.get(symbol)}"

    def _all_events(self) -> Iterator[LogEvent]:
        for events in self.events.values():
            yield from events


_STATUS: Final = {
    "filled": {State.FILLED},
    "canceled": {State.CANCELED},
    "expired": {State.EXPIRED},
    "rejected": {State.REJECTED_BY_BROKER},
    "partially_filled": {State.PARTIAL},
    "new": {State.WORKING, State.ACKED},
    "accepted": {State.ACKED, State.WORKING},
}


def _agree(order: Order, broker_order: dict[str, Any]) -> bool:
    if Decimal(broker_order["filled_qty"]) != order.cum_quantity:
        return False
    return order.state in _STATUS.get(broker_order["status"], {order.state})
