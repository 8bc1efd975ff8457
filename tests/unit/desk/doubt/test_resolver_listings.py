"""Orders in doubt at brokers that are searched by listing: by our tag, or by content alone."""

from dataclasses import replace

import pytest

from brokergw.desk.breaker import Contact
from brokergw.model.capability import ResolutionClass
from brokergw.model.lifecycle import State
from brokergw.model.terms import Side, TimeInForce
from tests.fixtures.scripted_broker import Bench, D, filled, report
from tests.unit.desk.in_doubt import SECOND, actions, doubtful, seen, stands, unreachable


async def test_a_tag_is_found_in_history_when_the_order_has_filled_already(bench: Bench) -> None:
    """D2, class B: an order that no longer is open is found among those entered since the permit, with its fills."""
    order = await doubtful(bench, ResolutionClass.BY_TAG)
    done, fill = filled(order.broker_client_order_id, order.terms)
    done = replace(done, submit_time_ns=seen(bench, order).submit_time_ns)
    bench.broker.entered = lambda: [done, seen(bench, order, "b-other")]
    bench.broker.fills = [report(done, fill)]
    await bench.clock.pass_time(1)
    assert stands(bench, order).state is State.FILLED
    assert len(bench.journal.by_fill_id) == 1


async def test_a_tag_that_two_orders_carry_is_for_an_operator(bench: Bench) -> None:
    """Class B: a broker that does not check tags may have the same one twice; both are named as evidence."""
    order = await doubtful(bench, ResolutionClass.BY_TAG)
    twins = [seen(bench, order, name, client_order_id=order.broker_client_order_id) for name in ("b-1", "b-2")]
    bench.broker.open_now = lambda: twins
    await bench.clock.pass_time(1)
    manual = stands(bench, order)
    assert manual.state is State.MANUAL
    assert manual.broker_message.startswith("2 orders at the broker may be this one: b-1 (BUY 10 ACME LIMIT 50")


async def test_a_replaced_generation_is_not_a_second_candidate(bench: Bench) -> None:
    """Class B: an order and the one that replaced it are one order."""
    order = await doubtful(bench, ResolutionClass.BY_TAG)
    tag = order.broker_client_order_id
    first = seen(bench, order, "b-1", client_order_id=tag, replaced_by="b-2")
    bench.broker.entered = lambda: [first, seen(bench, order, "b-2", client_order_id=tag, replaces="b-1")]
    await bench.clock.pass_time(1)
    assert stands(bench, order).state is State.WORKING
    assert stands(bench, order).broker_order_id == "b-2"


@pytest.mark.parametrize(
    ("way", "too_early_s", "enough_s"), [(ResolutionClass.BY_TAG, 55, 100), (ResolutionClass.BY_CONTENT, 175, 230)]
)
async def test_absence_in_listings_takes_longer(
    bench: Bench, way: ResolutionClass, too_early_s: float, enough_s: float
) -> None:
    """Classes B and C: complete listings without the order over a minute, or three, prove its absence."""
    order = await doubtful(bench, way)
    await bench.clock.pass_time(too_early_s)
    assert stands(bench, order).state is State.IN_DOUBT
    await bench.clock.pass_time(enough_s - too_early_s)
    assert stands(bench, order).state is State.RESOLVED_ABSENT


@pytest.mark.parametrize("way", [ResolutionClass.BY_TAG, ResolutionClass.BY_CONTENT])
async def test_a_listing_that_fails_half_way_never_counts(bench: Bench, way: ResolutionClass) -> None:
    """R5: open orders without the history, or a history cut short, say nothing about absence."""
    order = await doubtful(bench, way)
    bench.broker.entered = lambda: [unreachable()]  # type: ignore[list-item]
    await bench.clock.pass_time(3600)
    assert stands(bench, order).state is State.IN_DOUBT


async def test_content_is_adopted_once_nothing_else_can_match(bench: Bench) -> None:
    """Class C: one order with our terms and time, that nobody claims, is ours when no second one can be entered."""
    order = await doubtful(bench, ResolutionClass.BY_CONTENT)
    bench.broker.open_now = lambda: [seen(bench, order)]
    await bench.clock.pass_time(100)
    assert stands(bench, order).state is State.IN_DOUBT
    await bench.clock.pass_time(60)
    assert stands(bench, order).state is State.WORKING
    assert stands(bench, order).broker_order_id == "b-1"
    assert actions(bench, order)[-1] == "order.found"


async def test_two_orders_with_our_content_are_for_an_operator(bench: Bench) -> None:
    """Class C: which of two is ours nobody can tell from here."""
    order = await doubtful(bench, ResolutionClass.BY_CONTENT)
    bench.broker.open_now = lambda: [seen(bench, order), seen(bench, order, "b-2")]
    await bench.clock.pass_time(1)
    assert stands(bench, order).state is State.MANUAL


async def test_what_is_on_record_as_another_order_is_no_candidate(bench: Bench) -> None:
    """D7, class C: an order is never matched to one that the record knows as somebody else's."""
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=ResolutionClass.BY_CONTENT)
    first = (await bench.submit(bench.order())).order
    order = await doubtful(bench, ResolutionClass.BY_CONTENT)
    bench.broker.open_now = lambda: [seen(bench, order, first.broker_order_id)]
    await bench.clock.pass_time(240)
    assert stands(bench, order).state is State.RESOLVED_ABSENT


@pytest.mark.parametrize(
    "change",
    [
        {"terms": {"side": Side.SELL}},
        {"terms": {"limit_price": D("50.01")}},
        {"terms": {"quantity": D(9)}},
        {"terms": {"symbol": "OTHER"}},
        {"terms": {"time_in_force": TimeInForce.GTC}},
        {"early_s": 4},
        {"late_s": 121},
    ],
    ids=str,
)
async def test_content_that_differs_is_no_candidate(bench: Bench, change: dict[str, object]) -> None:
    """Class C: another side, price, size, symbol, time in force or time of entry is another order."""
    order = await doubtful(bench, ResolutionClass.BY_CONTENT)
    told = seen(bench, order)
    told = replace(told, terms=replace(told.terms, **change.get("terms", {})))  # type: ignore[arg-type]
    shift = int(str(change.get("late_s", 0))) - int(str(change.get("early_s", 0)))
    told = replace(told, submit_time_ns=told.submit_time_ns + shift * SECOND)
    bench.broker.open_now = lambda: [told]
    await bench.clock.pass_time(240)
    assert stands(bench, order).state is State.RESOLVED_ABSENT


async def test_orders_in_doubt_share_their_listings(bench: Bench) -> None:
    """R14: twenty orders in doubt at one connection do not ask twenty times as often as one."""
    session = await bench.desk._sessions.usable("alice", "acc_1")
    orders = []
    for _ in range(20):
        orders.append(await doubtful(bench))
        # Other orders are answered in between, so that the breaker stays closed.
        session.ready.breaker.succeeded(Contact.ORDER)
    bench.broker.capabilities = replace(bench.broker.capabilities, resolution=ResolutionClass.BY_TAG)
    await bench.clock.pass_time(120)
    assert all(stands(bench, order).state is State.RESOLVED_ABSENT for order in orders)
    assert bench.broker.listings < 60


async def test_what_may_be_the_order_in_doubt_is_not_taken_for_a_stranger(bench: Bench) -> None:
    """L3, class C: a report that overtakes the search is held back: one order at the broker is one on record."""
    order = await doubtful(bench, ResolutionClass.BY_CONTENT)
    bench.broker.open_now = lambda: [seen(bench, order)]
    await bench.tell(report(seen(bench, order)))
    assert set(bench.journal.by_id) == {order.order_id}
    await bench.clock.pass_time(160)
    assert set(bench.journal.by_id) == {order.order_id}
    assert stands(bench, order).broker_order_id == "b-1"


@pytest.mark.parametrize(("early_s", "state"), [(4, State.WORKING), (5, State.WORKING), (6, State.RESOLVED_ABSENT)])
async def test_a_broker_may_tell_entries_too_early(bench: Bench, early_s: int, state: State) -> None:
    """Class C: an entry up to `entry_early_s` before all other tolerance is ours, one before that is not."""
    bench.broker.capabilities = replace(bench.broker.capabilities, entry_early_s=2)
    order = await doubtful(bench, ResolutionClass.BY_CONTENT)
    told = seen(bench, order)
    told = replace(told, submit_time_ns=told.submit_time_ns - early_s * SECOND)
    bench.broker.open_now = lambda: [told]
    await bench.clock.pass_time(240)
    assert stands(bench, order).state is state
