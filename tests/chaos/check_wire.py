"""The record against the broker's door and the broker's books."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from brokergw.desk.emergency.replay import ACTION
from brokergw.model.events import EventKind
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import ZERO, Order
from tests.chaos.history import Arrival, History, Verb
from tests.chaos.undecidable import nobodys, origin_of

_PERMIT_NS: Final = 2_000_000_000
_SLACK_NS: Final = 1_500_000_000
_NOT_THERE: Final = frozenset(
    {State.DENIED, State.NOT_SENT, State.RESOLVED_ABSENT, State.ABSENT, State.REJECTED_BY_BROKER}
)
_MAY_ARRIVE: Final = frozenset({None, State.SENDING, State.IN_DOUBT, State.MANUAL, State.RESOLVED_ABSENT})
"""A request that was slow on its way may be acted on when its sender has died and its order is in doubt already."""

_CHANGES: Final = frozenset({Verb.MODIFY, Verb.CANCEL})


def every_submit_had_its_intent(history: History) -> Iterator[str]:
    """I1: an order reaches the broker only when the record has it as SENDING already."""
    sent = {order.broker_client_order_id for order in versions(history) if order.state is State.SENDING}
    for arrival in _submits(history):
        if arrival.client_order_id not in sent:
            yield f"SUBMIT {arrival.sequence} of {arrival.client_order_id} has no SENDING on record"
        elif arrival.witnessed not in _MAY_ARRIVE:
            stood = arrival.witnessed or "not on record"
            yield f"SUBMIT {arrival.sequence} of {arrival.client_order_id} was acted on when the order was {stood}"


def every_change_had_its_intent(history: History) -> Iterator[str]:
    """I1 for changes: a change or cancel reaches the broker only when the record has the order as pending.

    A cancel may come while the record is away: once for each time that the audit log says it was asked for before.
    """
    asked = _asked_without_record(history)
    for arrival in history.arrivals:
        if arrival.verb in _CHANGES and arrival.handled and arrival.witnessed == "":
            before = [time_ns for time_ns in asked.get(arrival.target, ()) if time_ns <= arrival.time_ns]
            if arrival.verb is Verb.CANCEL and before:
                asked[arrival.target].remove(before[0])
                continue
            yield f"{arrival.verb} {arrival.sequence} of {arrival.target} came before it was on record"


def _asked_without_record(history: History) -> dict[str, list[int]]:
    """Give, by the broker's order id, when the emergency journal says that a cancel was asked for."""
    asked: dict[str, list[int]] = {}
    for row in history.record.audit:
        if (row.action, row.outcome) == (ACTION, "ASKED"):
            asked.setdefault(row.detail.rpartition("broker_order=")[2], []).append(row.time_ns)
    return asked


def no_attempt_was_sent_twice(history: History) -> Iterator[str]:
    """I2: an order arrives at most once for each attempt on record."""
    attempts = {order.broker_client_order_id: order.attempt for order in history.record.orders}
    arrived = Counter(arrival.client_order_id for arrival in _submits(history))
    for client_order_id, times in arrived.items():
        if times > attempts.get(client_order_id, 0):
            yield f"{client_order_id} arrived {times} times in {attempts.get(client_order_id, 0)} attempts"


def no_change_was_sent_twice(history: History) -> Iterator[str]:
    """A modify arrives at most once for each that was admitted."""
    admitted = Counter(row.order_id for row in history.record.audit if row.action == "order.modify.admitted")
    owner = dict(history.record.broker_order_ids)
    arrived = Counter(owner.get(arrival.target, "") for arrival in history.arrivals if arrival.verb is Verb.MODIFY)
    for order_id, times in arrived.items():
        if times > admitted[order_id]:
            yield f"{order_id or 'an unknown order'}: {times} sent for {admitted[order_id]} admitted changes"


def no_permit_was_used_late(history: History) -> Iterator[str]:
    """C6: no order arrives later than its permit lives."""
    granted: dict[str, list[int]] = {}
    for event in history.record.events:
        if isinstance(event.payload, Order) and event.payload.state is State.SENDING:
            granted.setdefault(event.payload.broker_client_order_id, []).append(event.receive_time_ns)
    for arrival in _submits(history):
        ages = [arrival.time_ns - then for then in granted.get(arrival.client_order_id, ()) if then <= arrival.time_ns]
        if ages and min(ages) > _PERMIT_NS + _SLACK_NS * history.haste.at(arrival.time_ns):
            late = f"came {min(ages) / 1e9:.2f} s after its permit"
            yield f"SUBMIT {arrival.sequence} of {arrival.client_order_id} {late}"


def one_broker_order_per_key(history: History) -> Iterator[str]:
    """At most one broker order per key; generations of a replaced one count as one."""
    keys = {order.broker_client_order_id: order.idempotency_key for order in history.record.orders}
    made: dict[str, list[str]] = {}
    for order in history.broker_orders:
        key = keys.get(order.client_order_id, "")
        if key and not order.replaces and not order.outside:
            made.setdefault(key, []).append(order.broker_order_id)
    for key, broker_order_ids in made.items():
        if len(broker_order_ids) > 1:
            yield f"key {key} has the broker orders {broker_order_ids}"


def the_broker_has_no_strangers(history: History) -> Iterator[str]:
    """Every order at the broker is bound to an order on record, and none was taken for somebody else's.

    Where only a person can say which is which, none is bound.
    """
    bound = dict(history.record.broker_order_ids)
    excused = nobodys(history)
    for order in history.broker_orders:
        if order.client_order_id in history.ambiguous:
            if order.broker_order_id in bound:
                yield f"broker order {order.broker_order_id} was taken for {order.client_order_id} by a guess"
        elif order.broker_order_id not in bound and order.broker_order_id not in excused:
            yield f"broker order {order.broker_order_id} ({order.client_order_id}) is not on record"
    for recorded in history.record.orders:
        if recorded.external:
            yield f"{recorded.order_id} was adopted as made outside, but nobody else trades here"


def what_is_bound_is_the_order_that_was_sent(history: History) -> Iterator[str]:
    """No order on record is bound to a broker's order that another one has become."""
    sides = {order.broker_order_id: order for order in history.broker_orders}
    names = {order.order_id: order.broker_client_order_id for order in history.record.orders}
    for broker_order_id, order_id in history.record.broker_order_ids:
        side = sides.get(broker_order_id)
        if side is None or origin_of(history, side).client_order_id != names.get(order_id):
            yield f"{order_id} is bound to broker order {broker_order_id}, which is not what it was sent as"


def broker_order_ids_have_one_owner(history: History) -> Iterator[str]:
    """I8: one broker order id belongs to one order."""
    owners: dict[str, set[str]] = {}
    for order in history.record.orders:
        for broker_order_id in order.broker_order_ids:
            owners.setdefault(broker_order_id, set()).add(order.order_id)
    for broker_order_id, order_id in history.record.broker_order_ids:
        owners.setdefault(broker_order_id, set()).add(order_id)
    for broker_order_id, orders in owners.items():
        if len(orders) > 1:
            yield f"broker order {broker_order_id} belongs to {sorted(orders)}"


def what_is_absent_is_absent(history: History) -> Iterator[str]:
    """An order that the record calls not there neither lives nor has traded at the broker."""
    there = {o.client_order_id for o in history.broker_orders if o.open or o.filled > 0}
    for order in history.record.orders:
        if order.state in _NOT_THERE and order.broker_client_order_id in there:
            yield f"{order.order_id} is {order.state} on record, and the broker has it"


def what_lives_is_open(history: History) -> Iterator[str]:
    """An order is open on record if and only if its newest generation is at the broker."""
    lives = {order.broker_order_id for order in history.broker_orders if order.open}
    for order in history.record.orders:
        if order.state is State.MANUAL:
            # Whether it may be is checked elsewhere; what it is now only a person can say.
            continue
        if order.broker_order_id and is_terminal(order.state) is (order.broker_order_id in lives):
            at_broker = "open" if order.broker_order_id in lives else "not open"
            yield f"{order.order_id} is {order.state} on record and {at_broker} at the broker"


def fills_are_the_brokers_executions(history: History) -> Iterator[str]:
    """Every execution is one fill, every fill one execution, and each order's total is the sum of its fills."""
    fills = history.record.fills
    excused = nobodys(history)
    executed = Counter(
        (e.broker_order_id, e.quantity, e.price) for e in history.executions if e.broker_order_id not in excused
    )
    recorded = Counter((fill.broker_order_id, fill.quantity, fill.price) for fill in fills)
    for lost in (executed - recorded).elements():
        yield f"execution of {lost[1]} at {lost[2]} of {lost[0]} is not on record"
    for invented in (recorded - executed).elements():
        yield f"fill of {invented[1]} at {invented[2]} of {invented[0]} never happened"
    told = Counter(event.payload for event in history.record.events if event.kind is EventKind.FILL)
    for fill in fills:
        if sum(times for payload, times in told.items() if getattr(payload, "fill_id", "") == fill.fill_id) != 1:
            yield f"fill {fill.fill_id} does not have one event"
    totals = {order.order_id: ZERO for order in history.record.orders}
    for fill in fills:
        totals[fill.order_id] = totals.get(fill.order_id, ZERO) + fill.quantity
    for order in history.record.orders:
        if totals[order.order_id] != order.cum_quantity:
            yield f"{order.order_id} has traded {order.cum_quantity}, its fills are {totals[order.order_id]}"


def versions(history: History) -> list[Order]:
    """Give every version of every order, in the order of the record."""
    return [event.payload for event in history.record.events if isinstance(event.payload, Order)]


def _submits(history: History) -> list[Arrival]:
    # A connection that was cut before its body was read has no name; the broker has not acted on it either.
    return [a for a in history.arrivals if a.verb is Verb.SUBMIT and (a.handled or a.client_order_id)]
