"""When an order may be left to a person: each rule just inside and just outside."""

from dataclasses import replace
from typing import Final

import pytest

from brokergw.model.capability import ResolutionClass
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.terms import Side
from tests.chaos.checks import violations
from tests.chaos.history import History
from tests.chaos.sound import BOUGHT, CANCELED, DENIED, FILLED, at, event_of, sound
from tests.chaos.undecidable import may_be_an_operators, nobodys

APART_NS: Final = 3_000_000_000
BOTH: Final = frozenset({"sent-bought", "sent-changed"})
LOST: Final = replace(CANCELED, state=State.MANUAL, broker_order_ids=("b-1",))
"""The order whose change the broker has done, and told nobody of."""


def history_of(apart_ns: int = 0, rival: Order = FILLED) -> History:
    """Give a history of class C in which a change's answer was lost while another order was entered."""
    history = sound()
    other, first, second = history.broker_orders
    sides = (replace(other, entered_ns=at(3) + apart_ns), first, replace(second, entered_ns=at(3)))
    bound = tuple(pair for pair in history.record.broker_order_ids if pair[0] != "b-2")
    record = replace(history.record, orders=(rival, DENIED, LOST), broker_order_ids=bound)
    return replace(history, record=record, broker_orders=sides, resolution=ResolutionClass.BY_CONTENT)


@pytest.mark.parametrize("apart_ns", [0, APART_NS - 1, APART_NS, -APART_NS])
def test_a_change_whose_order_may_be_another_one_is_for_a_person(apart_ns: int) -> None:
    """Both orders may end there, and the one that the change has made need not be on record."""
    history = history_of(apart_ns)
    assert may_be_an_operators(history) == BOTH
    assert nobodys(history) == {"b-2"}
    found = violations(history)
    assert [words for words in found if words.startswith(("doubt_ends", "the_broker_has_no", "what_lives"))] == []


@pytest.mark.parametrize("apart_ns", [APART_NS + 1, -APART_NS - 1])
def test_a_change_that_nothing_else_can_have_been_is_told_apart(apart_ns: int) -> None:
    """With no other order entered then there is nothing to ask a person."""
    history = history_of(apart_ns)
    assert may_be_an_operators(history) == frozenset()
    found = violations(history)
    assert any(words.startswith("doubt_ends_as_the_brokers_class_lets_it: ") for words in found)
    assert any(words.startswith("the_broker_has_no_strangers: ") for words in found)


@pytest.mark.parametrize("other", [{"symbol": "MSFT"}, {"side": Side.SELL}], ids=["symbol", "side"])
def test_an_order_for_something_else_cannot_be_taken_for_it(other: dict[str, object]) -> None:
    """Only the same symbol and side can be what the change has made."""
    rival = replace(FILLED, terms=replace(FILLED.terms, **other))  # type: ignore[arg-type]
    assert may_be_an_operators(history_of(rival=rival)) == frozenset()


def test_an_order_that_nobody_knew_of_may_be_it_whenever_it_was_entered() -> None:
    """What was in doubt has no entry that the record could go by."""
    history = history_of(2 * APART_NS)
    doubted = event_of(BOUGHT.next(at(1), state=State.IN_DOUBT), 99, 1)
    record = replace(history.record, events=(*history.record.events, doubted))
    assert may_be_an_operators(replace(history, record=record)) == BOTH


@pytest.mark.parametrize("resolution", [ResolutionClass.BY_CLIENT_ID, ResolutionClass.BY_TAG])
def test_a_broker_that_repeats_our_ids_leaves_nothing_to_a_person(resolution: ResolutionClass) -> None:
    """In classes A and B everything can be told apart."""
    assert may_be_an_operators(replace(history_of(), resolution=resolution)) == frozenset()


def test_a_change_that_is_on_record_is_told_apart() -> None:
    """Whoever knows what the change has made has nothing to ask."""
    history = history_of()
    record = replace(history.record, broker_order_ids=sound().record.broker_order_ids)
    assert may_be_an_operators(replace(history, record=record)) == frozenset()
