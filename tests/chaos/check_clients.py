"""The record against what clients were told."""

from collections.abc import Iterator
from typing import Final

from brokergw.model.lifecycle import STATES, State
from brokergw.model.order import Order
from tests.chaos.check_wire import versions
from tests.chaos.history import Answer, Call, History, Verb

_LEFT_NOTHING: Final = frozenset(
    {State.DENIED, State.NOT_SENT, State.REJECTED_BY_BROKER, State.RESOLVED_ABSENT, State.ABSENT}
)


def what_was_acknowledged_is_on_record(history: History) -> Iterator[str]:
    """Every order that a client was told of is on record, in the version and state that it was told."""
    told = {(version.order_id, version.version): version for version in versions(history)}
    for call, answer in _answers(history):
        if not answer.ok:
            continue
        version = told.get((answer.order_id, answer.version))
        if version is None:
            yield f"{call.method} {call.key} was told version {answer.version} of {answer.order_id}, not on record"
        elif STATES[version.state].wire != answer.state:
            yield f"{call.method} {call.key} was told {answer.state}, on record is {version.state}"


def one_key_means_one_order(history: History) -> Iterator[str]:
    """Every answer to a submit's key names the same order, and the record has no other one under it."""
    named: dict[str, set[str]] = {}
    for order in history.record.orders:
        if order.idempotency_key and not order.parent_order_id:
            named.setdefault(order.idempotency_key, set()).add(order.order_id)
    for call, answer in _answers(history):
        if call.method == "SubmitOrder" and answer.order_id:
            named.setdefault(call.key, set()).add(answer.order_id)
    for key, orders in named.items():
        if len(orders) > 1:
            yield f"key {key} stands for {sorted(orders)}"


def nothing_means_nothing(history: History) -> Iterator[str]:
    """I4: who was told `order_effect` NONE had no order at the broker then."""
    told = _by_key(history)
    published = {
        (e.payload.order_id, e.payload.version): e.publish_time_ns
        for e in history.record.events
        if isinstance(e.payload, Order)
    }
    for call, answer in _answers(history):
        if call.method != "SubmitOrder" or answer.ok or answer.effect != "NONE":
            continue
        own = [(published[o.order_id, o.version], o.state) for o in told.get(call.key, ())]
        before = [state for time_ns, state in own if time_ns < call.begin_ns][-1:]
        during = [state for time_ns, state in own if call.begin_ns <= time_ns <= call.end_ns]
        stood = [*before, *during]
        if stood and not _LEFT_NOTHING & set(stood) and during != stood:
            yield f"{call.key} was told {answer.reason} with effect NONE while the order was {stood}"


def a_denied_key_has_no_order(history: History) -> Iterator[str]:
    """I5: a key that was finally refused never yields an order, and nothing of a denied one ever left."""
    told = _by_key(history)
    arrived = {arrival.client_order_id for arrival in history.arrivals if arrival.verb is Verb.SUBMIT}
    refused = {c.key: a for c, a in _answers(history) if c.method == "SubmitOrder" and _refused(a)}
    for key, answer in refused.items():
        own = told.get(key, [])
        if own and own[-1].state not in _LEFT_NOTHING:
            yield f"key {key} was refused with {answer.reason}, and its order is {own[-1].state}"
    for order in history.record.orders:
        if order.state is State.DENIED and order.broker_client_order_id in arrived:
            yield f"{order.order_id} was denied, and reached the broker"
    for call, answer in _answers(history):
        if answer.ok and call.key in refused and call.method == "SubmitOrder" and not answer.replayed:
            yield f"key {call.key} was refused and then placed"


def _refused(answer: Answer) -> bool:
    return not answer.ok and answer.effect == "NONE" and answer.retry in {"NEW_KEY", "NEVER"}


def _answers(history: History) -> Iterator[tuple[Call, Answer]]:
    for call in history.calls:
        if call.answer is not None:
            yield call, call.answer


def _by_key(history: History) -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = {}
    for version in versions(history):
        if version.idempotency_key and not version.parent_order_id:
            found.setdefault(version.idempotency_key, []).append(version)
    return found
