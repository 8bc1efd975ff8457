"""What a listing leaves out, and for how long."""

import pytest

from brokergw.desk.clearing.unlisted import TOLD_WITHIN_NS, Unlisted
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from tests.fixtures.clock import FakeClock
from tests.fixtures.edge_samples import an_order
from tests.fixtures.scripted_broker import broker_order


@pytest.fixture
def order() -> Order:
    """Make an order that works at its broker."""
    return an_order(state=State.WORKING)


@pytest.mark.parametrize(("after_ns", "late"), [(-1, False), (0, True), (1, True)])
def test_the_stream_is_given_a_second_to_tell_an_end(
    still_clock: FakeClock, order: Order, after_ns: int, *, late: bool
) -> None:
    """An order is overdue once listings have left it out for a second, not before; the first of them counts."""
    unlisted = Unlisted(still_clock)
    unlisted.take("acc_1", {order.order_id}, [order], [])
    still_clock._go_to(still_clock.now_ns() + TOLD_WITHIN_NS + after_ns)
    unlisted.take("acc_1", {order.order_id}, [order], [])
    assert unlisted.overdue("acc_1") == ([order.order_id] if late else [])
    assert unlisted.of("acc_1") == {order.order_id}


def test_only_what_was_to_be_cancelled_before_a_listing_can_be_left_out_of_it(
    still_clock: FakeClock, order: Order
) -> None:
    """An order that came to rest after it must be cancelled still."""
    unlisted = Unlisted(still_clock)
    unlisted.take("acc_1", frozenset(), [order], [])
    assert unlisted.of("acc_1") == frozenset()


@pytest.mark.parametrize("state", [State.SENDING, State.IN_DOUBT])
def test_what_is_not_at_the_broker_for_all_we_know_is_not_left_out(still_clock: FakeClock, state: State) -> None:
    """An order of unknown outcome may be born late."""
    order, unlisted = an_order(state=state), Unlisted(still_clock)
    unlisted.take("acc_1", {order.order_id}, [order], [])
    assert unlisted.of("acc_1") == frozenset()


def test_what_is_listed_is_not_left_out(still_clock: FakeClock, order: Order) -> None:
    """By its id or by ours; and whoever is listed again begins anew."""
    unlisted = Unlisted(still_clock)
    unlisted.take("acc_1", {order.order_id}, [order], [])
    listed = broker_order(order.broker_client_order_id, order.terms, State.WORKING)
    unlisted.take("acc_1", {order.order_id}, [order], [listed])
    assert unlisted.of("acc_1") == frozenset()


def test_nothing_is_known_of_a_broker_that_does_not_list(still_clock: FakeClock, order: Order) -> None:
    """Neither of others' accounts."""
    unlisted = Unlisted(still_clock)
    unlisted.take("acc_1", {order.order_id}, [order], [])
    assert unlisted.of("acc_2") == frozenset()
    unlisted.forget("acc_1")
    assert (unlisted.of("acc_1"), unlisted.overdue("acc_1")) == (frozenset(), [])
