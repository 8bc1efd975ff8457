"""A check that cannot fail checks nothing: each is fed a history that is broken in its own way."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest

from brokergw.desk.emergency.replay import ACTION
from brokergw.model.events import AuditRow, EventKind
from brokergw.model.lifecycle import State
from tests.chaos.check_wire import every_change_had_its_intent
from tests.chaos.checks import CHECKS, violations
from tests.chaos.haste import Haste
from tests.chaos.history import Answer, BrokerSide, Execution, History, Stream, Verb
from tests.chaos.sound import (
    BOUGHT,
    CANCELED,
    CHANGED,
    DENIAL,
    DENIED,
    FILL,
    FILLED,
    WORKING,
    acknowledged,
    arrival,
    at,
    call,
    event_of,
    sound,
)

Break = Callable[[History], History]


def on_record(**changes: Any) -> Break:
    return lambda history: replace(history, record=replace(history.record, **changes))


def arrived(*more: Any) -> Break:
    return lambda history: replace(history, arrivals=(*history.arrivals, *more))


def was_told(*more: Any) -> Break:
    return lambda history: replace(history, calls=(*history.calls, *more))


def broker_has(*more: BrokerSide) -> Break:
    return lambda history: replace(history, broker_orders=(*history.broker_orders, *more))


def asked_without_record(second: float) -> Break:
    """Let the audit log tell of a cancel that was asked for while the record was away."""
    row = AuditRow(
        time_ns=at(second),
        request_id="",
        user_id="usr_1",
        key_id="",
        action=ACTION,
        outcome="ASKED",
        detail="entry=emg_1 broker_order=b-1",
    )
    return lambda history: on_record(audit=(*history.record.audit, row))(history)


def without_event(place: int) -> Break:
    def broken(history: History) -> History:
        events = history.record.events
        return replace(history, record=replace(history.record, events=events[:place] + events[place + 1 :]))

    return broken


def a_broker_order(broker_order_id: str, client_order_id: str, *, lives: bool = False) -> BrokerSide:
    return BrokerSide(broker_order_id=broker_order_id, client_order_id=client_order_id, open=lives, filled=Decimal(0))


def seen(*sequences: int, breaks: tuple[str, ...] = ()) -> Break:
    return lambda history: replace(history, streams=(Stream(EventKind.FILL, 0, sequences, breaks),))


NONE: Final = Answer(ok=False, code="UNAVAILABLE", reason="BROKER_UNREACHABLE", effect="NONE", retry="SAME_KEY")
EXTERNAL: Final = replace(CANCELED, external=True)
DOUBTFUL: Final = replace(FILLED, state=State.IN_DOUBT)
LEAPING: Final = (
    event_of(replace(BOUGHT, state=State.FILLED), 1, 0),
    event_of(replace(FILLED, state=State.ACKED), 2, 0),
)

BROKEN: Final[list[tuple[str, str, Break]]] = [
    ("every_submit_had_its_intent", "nothing on record", arrived(arrival(9, 1, Verb.SUBMIT, client_order_id="?"))),
    (
        "every_submit_had_its_intent",
        "recorded too late",
        lambda h: replace(h, arrivals=(replace(h.arrivals[0], witnessed=""), *h.arrivals[1:])),
    ),
    (
        "every_submit_had_its_intent",
        "proved not sent",
        lambda h: replace(h, arrivals=(replace(h.arrivals[0], witnessed="NOT_SENT"), *h.arrivals[1:])),
    ),
    ("every_change_had_its_intent", "a cancel", arrived(arrival(9, 1, Verb.CANCEL, target="b-1", witnessed=""))),
    (
        "every_change_had_its_intent",
        "a cancel that was kept after it was sent",
        lambda h: asked_without_record(3)(arrived(arrival(9, 1, Verb.CANCEL, target="b-1", witnessed=""))(h)),
    ),
    (
        "every_change_had_its_intent",
        "two cancels for one that was kept",
        lambda h: asked_without_record(1)(arrived(*[arrival(9, 2, Verb.CANCEL, target="b-1", witnessed="")] * 2)(h)),
    ),
    ("no_attempt_was_sent_twice", "two of them", lambda h: replace(h, arrivals=(*h.arrivals, h.arrivals[0]))),
    ("no_change_was_sent_twice", "two of them", lambda h: replace(h, arrivals=(*h.arrivals, h.arrivals[2]))),
    (
        "no_permit_was_used_late",
        "a sender that woke up",
        lambda h: replace(h, arrivals=(replace(h.arrivals[0], time_ns=h.arrivals[0].time_ns + 4_000_000_000),)),
    ),
    (
        "one_broker_order_per_key",
        "two orders on record, both at the broker",
        lambda h: broker_has(a_broker_order("b-twin", "sent-twin"))(
            on_record(orders=(*h.record.orders, replace(FILLED, order_id="twin", broker_client_order_id="sent-twin")))(
                h
            )
        ),
    ),
    ("the_broker_has_no_strangers", "a lost order", broker_has(a_broker_order("b-lost", "sent-lost"))),
    ("the_broker_has_no_strangers", "taken for another's", on_record(orders=(FILLED, DENIED, EXTERNAL))),
    (
        "the_broker_has_no_strangers",
        "one of two alike was taken",
        lambda h: replace(h, ambiguous=frozenset({"sent-bought"})),
    ),
    (
        "what_is_bound_is_the_order_that_was_sent",
        "another one's",
        lambda h: replace(h, broker_orders=(replace(h.broker_orders[0], client_order_id="?"), *h.broker_orders[1:])),
    ),
    (
        "what_is_bound_is_the_order_that_was_sent",
        "a later generation of another one",
        lambda h: replace(h, broker_orders=(*h.broker_orders[:2], replace(h.broker_orders[2], replaces="b-bought"))),
    ),
    (
        "what_is_bound_is_the_order_that_was_sent",
        "of nothing at the broker",
        lambda h: replace(h, broker_orders=h.broker_orders[1:]),
    ),
    (
        "broker_order_ids_have_one_owner",
        "bound twice",
        lambda h: on_record(broker_order_ids=(*h.record.broker_order_ids, ("b-1", "bought")))(h),
    ),
    (
        "what_is_absent_is_absent",
        "it lives",
        broker_has(a_broker_order("b-denied", "sent-denied", lives=True)),
    ),
    (
        "what_lives_is_open",
        "a forgotten end",
        on_record(orders=(FILLED, DENIED, replace(CANCELED, state=State.WORKING))),
    ),
    ("what_lives_is_open", "an invented end", broker_has(replace(sound().broker_orders[2], open=True))),
    ("fills_are_the_brokers_executions", "a lost one", on_record(fills=())),
    ("fills_are_the_brokers_executions", "an invented one", lambda h: replace(h, executions=())),
    (
        "fills_are_the_brokers_executions",
        "told twice",
        lambda h: on_record(events=(*h.record.events, h.record.events[2]))(h),
    ),
    (
        "fills_are_the_brokers_executions",
        "a wrong total",
        on_record(orders=(replace(FILLED, cum_quantity=Decimal(9)),)),
    ),
    (
        "fills_are_the_brokers_executions",
        "another price",
        lambda h: replace(h, executions=(Execution("b-bought", FILL.quantity, Decimal(1)),)),
    ),
    ("sequences_have_no_gap", "a hole in the log", without_event(2)),
    ("every_version_has_its_event", "a version untold", without_event(1)),
    ("every_version_has_its_event", "another state", on_record(orders=(replace(FILLED, state=State.CANCELED),))),
    ("every_version_has_its_event", "an edge that is none", on_record(orders=(FILLED,), events=LEAPING)),
    ("every_version_has_its_event", "of nothing", on_record(orders=())),
    ("every_admission_has_its_audit_row", "not audited", on_record(audit=())),
    ("every_transition_has_its_audit_row", "one untold", lambda h: on_record(audit=h.record.audit[:-1])(h)),
    (
        "every_audit_row_hangs_on_the_one_before",
        "a row gone",
        lambda h: on_record(links=(h.record.links[0], h.record.links[2]))(h),
    ),
    (
        "every_audit_row_hangs_on_the_one_before",
        "a row changed",
        lambda h: on_record(links=((*h.record.links[0][:-1], 7), *h.record.links[1:]))(h),
    ),
    ("nothing_stays_undecided", "in doubt", on_record(orders=(DOUBTFUL,))),
    (
        "doubt_ends_as_the_brokers_class_lets_it",
        "given up",
        on_record(orders=(replace(FILLED, state=State.MANUAL), DENIED, CANCELED)),
    ),
    (
        "doubt_ends_as_the_brokers_class_lets_it",
        "guessed",
        lambda h: replace(h, ambiguous=frozenset({"sent-bought"})),
    ),
    ("subscribers_missed_nothing", "missed", seen()),
    ("subscribers_missed_nothing", "doubled", seen(3, 3)),
    ("subscribers_missed_nothing", "a broken chain", seen(3, breaks=("covered 1, yet 3 follows 2",))),
    (
        "what_was_acknowledged_is_on_record",
        "another order",
        was_told(call(BOUGHT, 5, acknowledged(replace(FILLED, order_id="?"), "FILLED"))),
    ),
    (
        "what_was_acknowledged_is_on_record",
        "another state",
        was_told(call(BOUGHT, 5, acknowledged(FILLED, "CANCELED"))),
    ),
    ("one_key_means_one_order", "two answers", was_told(call(BOUGHT, 5, acknowledged(WORKING, "WORKING")))),
    ("nothing_means_nothing", "it was filled", was_told(call(BOUGHT, 5, replace(NONE, order_id="bought")))),
    ("a_denied_key_has_no_order", "it works", was_told(call(CHANGED, 5, DENIAL))),
    ("a_denied_key_has_no_order", "it left", arrived(arrival(9, 2, Verb.SUBMIT, client_order_id="sent-denied"))),
    ("a_denied_key_has_no_order", "placed after all", was_told(call(DENIED, 5, acknowledged(DENIED, "DENIED")))),
]


def test_a_sound_history_breaks_nothing() -> None:
    """What is as it must be is left in peace."""
    assert violations(sound()) == []


@pytest.mark.parametrize(("check", "how", "broken"), BROKEN, ids=[f"{check}-{how}" for check, how, _ in BROKEN])
def test_a_broken_history_is_found_out(check: str, how: str, broken: Break) -> None:
    """The check that is there for this kind of breach reports it."""
    found = violations(broken(sound()))
    assert any(words.startswith(f"{check}: ") for words in found), (how, found)


def test_a_twin_that_a_person_entered_leaves_both_to_an_operator() -> None:
    """Neither of two that are alike is bound, their executions are nobody's, and the order is an operator's."""
    history = sound()
    mine, first, second = history.broker_orders
    twin = replace(mine, broker_order_id="b-twin", outside=True)
    given_up = BOUGHT.next(at(1), state=State.IN_DOUBT).next(at(1.5), state=State.MANUAL)
    bound = history.record.broker_order_ids[1:]
    undecided = replace(
        on_record(orders=(given_up, DENIED, CANCELED), fills=(), broker_order_ids=bound)(history),
        broker_orders=(mine, twin, first, second),
        ambiguous=frozenset({"sent-bought"}),
    )
    concerned = (
        "the_broker_has_no_strangers",
        "what_is_bound_is_the_order_that_was_sent",
        "one_broker_order_per_key",
        "doubt_ends_as_the_brokers_class_lets_it",
        "fills_are_the_brokers_executions: execution",
    )
    assert [words for words in violations(undecided) if words.startswith(concerned)] == []


@pytest.mark.parametrize(
    ("seconds", "factor", "late"), [(3.4, 1, False), (3.6, 1, True), (13, 8, False), (15, 8, True)]
)
def test_a_permit_is_late_by_the_pace_of_the_machine(seconds: float, factor: float, late: bool) -> None:  # noqa: FBT001 - a column
    """Where time runs eight times as fast, the way from the permit to the broker seems to take eight times as long."""
    history = replace(sound(), haste=Haste(factor, 0, at(0)))
    submit = replace(history.arrivals[0], time_ns=at(seconds))
    found = violations(replace(history, arrivals=(submit, *history.arrivals[1:])))
    assert any(words.startswith("no_permit_was_used_late") for words in found) is late


def test_before_time_was_hurried_a_permit_is_as_late_as_ever() -> None:
    """What happened in real time is judged by it."""
    history = replace(sound(), haste=Haste(8, 0, at(100)))
    submit = replace(history.arrivals[0], time_ns=at(3.6))
    found = violations(replace(history, arrivals=(submit, *history.arrivals[1:])))
    assert any(words.startswith("no_permit_was_used_late") for words in found)


def test_every_check_is_seen_to_fail() -> None:
    """No check is without a history that it fails on."""
    assert {check for check, _, _ in BROKEN} == {check.__name__ for check in CHECKS}


def test_a_cancel_without_the_record_has_its_intent_in_the_emergency_journal() -> None:
    """A cancel that the emergency journal kept before it was sent breaks no check, at the very moment too."""
    for second in (0.5, 1):
        history = arrived(arrival(9, 1, Verb.CANCEL, target="b-1", witnessed=""))(asked_without_record(second)(sound()))
        assert list(every_change_had_its_intent(history)) == []
