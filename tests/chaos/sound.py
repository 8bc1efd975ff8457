"""A small history in which everything is as it must be, for tests to break."""

from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

from brokergw.model.events import EventKind, LogEvent
from brokergw.model.lifecycle import State
from brokergw.model.order import Fill, Order, Origin
from brokergw.store.audit.canonical import GENESIS, link
from brokergw.store.encoding.rows import audit_row
from tests.chaos.history import Answer, Arrival, BrokerSide, Call, Execution, History, Record, Stream, Verb
from tests.conformance.store.making import START_NS, a_fill, an_order, audit

SECOND_NS = 1_000_000_000
ACCOUNT = "acc_1"


def at(second: float) -> int:
    """Give a moment of the history."""
    return START_NS + round(second * SECOND_NS)


def event_of(payload: Order | Fill, sequence: int, second: float) -> LogEvent:
    """Put an order's version or a fill on the log."""
    return LogEvent(
        kind=EventKind.ORDER if isinstance(payload, Order) else EventKind.FILL,
        account_id=ACCOUNT,
        sequence=sequence,
        origin=Origin.LIVE,
        event_time_ns=at(second),
        receive_time_ns=at(second),
        publish_time_ns=at(second),
        payload=payload,
    )


def call(order: Order, second: float, answer: Answer | None, method: str = "SubmitOrder") -> Call:
    """Let a client ask under an order's key for half a second."""
    return Call(
        trial=0,
        method=method,
        key=order.idempotency_key,
        begin_ns=at(second) - 1,
        end_ns=at(second + 0.5),
        answer=answer,
    )


def acknowledged(order: Order, wire_state: str) -> Answer:
    """Tell a client how an order stands."""
    return Answer(ok=True, order_id=order.order_id, state=wire_state, version=order.version, code="OK")


def arrival(sequence: int, second: float, verb: Verb, **facts: str) -> Arrival:
    """Let a command arrive at the broker."""
    return Arrival(sequence=sequence, time_ns=at(second), verb=verb, **facts)  # type: ignore[arg-type]


DENIAL = Answer(ok=False, code="FAILED_PRECONDITION", reason="SANITY", effect="NONE", retry="NEW_KEY")
"""A gate's final refusal."""

BOUGHT = an_order(ACCOUNT, order_id="bought", broker_client_order_id="sent-bought", idempotency_key="key-bought")
FILLED = BOUGHT.next(
    at(1), state=State.FILLED, cum_quantity=Decimal(10), broker_order_ids=("b-bought",), complete_time_ns=at(1)
)
FILL = a_fill(FILLED, "e-1", quantity=Decimal(10), price=Decimal("190.2"))
DENIED = an_order(
    ACCOUNT, order_id="denied", broker_client_order_id="sent-denied", idempotency_key="key-denied", state=State.DENIED
)
CHANGED = an_order(ACCOUNT, order_id="changed", broker_client_order_id="sent-changed", idempotency_key="key-changed")
WORKING = CHANGED.next(at(3), state=State.WORKING, broker_order_ids=("b-1",))
CHANGING = WORKING.next(at(3.1), state=State.PENDING_MODIFY)
WORKING_NEW = CHANGING.next(at(3.2), state=State.WORKING, broker_order_ids=("b-1", "b-2"))
CANCELING = WORKING_NEW.next(at(3.3), state=State.PENDING_CANCEL)
CANCELED = CANCELING.next(at(3.4), state=State.CANCELED)


def chained(count: int) -> tuple[tuple[Any, ...], ...]:
    """Make so many audit rows of one chain."""
    rows: list[tuple[Any, ...]] = []
    previous = GENESIS
    for number in range(1, count + 1):
        content = audit_row(audit("order.admitted", order_id=f"order {number}"))
        rows.append(link("chn_1", number, previous, content))
        previous = rows[-1][3]
    return tuple(rows)


def sound() -> History:
    """Give a history of one order that filled, one that was denied, and one that was changed and cancelled."""
    numbers = count(1)
    told: list[tuple[Order | Fill, float]] = [
        (BOUGHT, 0.0),
        (FILLED, 1.0),
        (FILL, 1.0),
        (DENIED, 2.0),
        *zip((CHANGED, WORKING, CHANGING, WORKING_NEW, CANCELING, CANCELED), (2.9, 3, 3.1, 3.2, 3.3, 3.4), strict=True),
    ]
    events = tuple(event_of(payload, next(numbers), second) for payload, second in told)
    record = Record(
        orders=(FILLED, DENIED, CANCELED),
        events=events,
        fills=(FILL,),
        audit=(
            audit("order.admitted", order_id="bought"),
            audit("order.accepted", order_id="bought"),
            audit("order.denied", order_id="denied"),
            audit("order.admitted", order_id="changed"),
            audit("order.accepted", order_id="changed"),
            audit("order.modify.admitted", order_id="changed"),
            audit("order.modify.accepted", order_id="changed"),
            audit("order.cancel.admitted", order_id="changed"),
            audit("order.reported", order_id="changed"),
        ),
        links=chained(3),
        broker_order_ids=(("b-bought", "bought"), ("b-1", "changed"), ("b-2", "changed")),
    )
    return History(
        record=record,
        arrivals=(
            arrival(1, 0.1, Verb.SUBMIT, client_order_id="sent-bought", witnessed="SENDING"),
            arrival(2, 2.95, Verb.SUBMIT, client_order_id="sent-changed", witnessed="SENDING"),
            arrival(3, 3.15, Verb.MODIFY, target="b-1", witnessed="PENDING_MODIFY"),
            arrival(4, 3.35, Verb.CANCEL, target="b-2", witnessed="PENDING_CANCEL"),
        ),
        broker_orders=(
            BrokerSide(broker_order_id="b-bought", client_order_id="sent-bought", open=False, filled=Decimal(10)),
            BrokerSide(broker_order_id="b-1", client_order_id="sent-changed", open=False, filled=Decimal(0)),
            BrokerSide(broker_order_id="b-2", client_order_id="g-2", open=False, filled=Decimal(0), replaces="b-1"),
        ),
        executions=(Execution("b-bought", Decimal(10), Decimal("190.2")),),
        calls=(
            call(BOUGHT, 0, None),
            call(BOUGHT, 1, replace(acknowledged(FILLED, "FILLED"), replayed=True)),
            call(DENIED, 2, replace(DENIAL, order_id="denied")),
            call(CHANGED, 2.9, acknowledged(WORKING, "WORKING")),
        ),
        streams=(
            Stream(EventKind.ORDER, 0, tuple(e.sequence for e in events if e.kind is EventKind.ORDER)),
            Stream(EventKind.FILL, 0, (3,)),
        ),
    )
