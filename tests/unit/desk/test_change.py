"""Modify and cancel."""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from brokergw.model.commands import CancelOrder, ModifyOrder
from brokergw.model.errors import GatewayError, InvalidRequest, NotFound, Reason
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, Found, NotSent, Outcome, Rejected, Unknown
from brokergw.ports.broker import Change
from tests.fixtures.scripted_broker import Bench, broker_order, filled, report

D = Decimal


async def working(bench: Bench) -> Order:
    """Place an order that rests."""
    order: Order = (await bench.submit(bench.order())).order
    return order


def cancel(order: Order, **more: Any) -> CancelOrder:
    return CancelOrder(idempotency_key=str(uuid.uuid4()), order_id=order.order_id, **more)


async def modify(bench: Bench, order: Order, **change: Any) -> Order:
    command = ModifyOrder(idempotency_key=str(uuid.uuid4()), order_id=order.order_id, **change)
    cleared = await bench.desk.clear(bench.caller, command)
    result = await bench.desk.modify(bench.caller, cleared)  # type: ignore[arg-type]
    return result.order


async def test_a_cancel_is_pending_until_the_broker_tells_its_end(bench: Bench) -> None:
    """OK means that the broker took the request; the stream's report ends the order."""
    order = await working(bench)
    result = await bench.desk.cancel(bench.caller, cancel(order))
    assert result.order.state is State.PENDING_CANCEL
    await bench.tell(report(broker_order(*bench.broker.sent[0], state=State.CANCELED)))
    stored = bench.journal.by_id[order.order_id]
    assert (stored.state, stored.canceled_quantity, stored.leaves_quantity) == (State.CANCELED, D(10), D(0))


async def test_a_late_working_report_does_not_undo_a_pending_cancel(bench: Bench) -> None:
    """A report from before the cancel changes nothing."""
    order = await working(bench)
    await bench.desk.cancel(bench.caller, cancel(order))
    await bench.tell(report(broker_order(*bench.broker.sent[0])))
    assert bench.journal.by_id[order.order_id].state is State.PENDING_CANCEL


async def test_a_cancel_that_lost_against_the_fill_is_refused_and_the_fill_stands(bench: Bench) -> None:
    """The refusal is the caller's answer; what became of the order is asked from the broker."""
    order = await working(bench)
    seen, fill = filled(*bench.broker.sent[0])

    async def too_late(_: str) -> Outcome:
        return Rejected("ORDER_NOT_OPEN", "422", "already filled")

    bench.broker.cancel = too_late
    bench.broker.get = lambda _: Found(seen)
    bench.broker.fills = (report(seen, fill),)
    with pytest.raises(GatewayError) as caught:
        await bench.desk.cancel(bench.caller, cancel(order))
    assert caught.value.reason is Reason.CANCEL_REFUSED
    await bench.clock.pass_time(2.5)
    assert bench.journal.by_id[order.order_id].state is State.FILLED
    await bench.tell(report(seen, fill))
    assert len(bench.journal.by_fill_id) == 1


async def test_a_cancel_whose_answer_was_lost_is_looked_up(bench: Bench) -> None:
    """The order stays pending until the broker shows how it ended."""
    order = await working(bench)

    async def silent(_: str) -> Outcome:
        return Unknown("no reply")

    bench.broker.cancel = silent
    bench.broker.get = lambda _: Found(broker_order(*bench.broker.sent[0], state=State.CANCELED))
    result = await bench.desk.cancel(bench.caller, cancel(order))
    assert result.order.state is State.PENDING_CANCEL
    await bench.clock.pass_time(1.5)
    assert bench.journal.by_id[order.order_id].state is State.CANCELED


async def test_a_cancel_that_was_not_sent_leaves_the_order_and_the_key_usable(bench: Bench) -> None:
    """The same key may ask again, and then does."""
    order = await working(bench)
    outcomes: list[Outcome] = [NotSent("refused"), Accepted()]

    async def flaky(_: str) -> Outcome:
        return outcomes.pop(0)

    bench.broker.cancel = flaky
    command = cancel(order)
    with pytest.raises(GatewayError) as caught:
        await bench.desk.cancel(bench.caller, command)
    assert caught.value.reason is Reason.BROKER_UNREACHABLE
    assert bench.journal.by_id[order.order_id].state is State.WORKING
    assert await bench.desk.recall(bench.caller, command) is None
    assert (await bench.desk.cancel(bench.caller, command)).order.state is State.PENDING_CANCEL


async def test_a_modify_changes_the_terms_and_keeps_the_order_id(bench: Bench) -> None:
    """The new generation's broker id joins the lineage; the version rises."""
    order = await working(bench)

    async def replaced(broker_order_id: str, change: Change) -> Outcome:
        terms = bench.order(limit_price=change.limit_price).terms
        return Accepted(broker_order("new", terms, replaces=broker_order_id))

    bench.broker.modify = replaced
    changed = await modify(bench, order, limit_price=D("49.50"))
    assert changed.order_id == order.order_id
    assert changed.terms.limit_price == D("49.50")
    assert changed.broker_order_ids == (*order.broker_order_ids, "b-new")
    assert changed.version > order.version


async def test_a_refused_modify_leaves_the_order_as_it_was(bench: Bench) -> None:
    """MODIFY_REFUSED carries the broker's word; the order works on."""
    order = await working(bench)

    async def refused(_: str, __: Change) -> Outcome:
        return Rejected("REPLACE_REJECTED", "422", "too early")

    bench.broker.modify = refused
    with pytest.raises(GatewayError) as caught:
        await modify(bench, order, limit_price=D("49.50"))
    assert caught.value.reason is Reason.MODIFY_REFUSED
    stored = bench.journal.by_id[order.order_id]
    assert (stored.state, stored.terms.limit_price) == (State.WORKING, D("50.00"))


async def test_a_modify_passes_the_same_grid_as_a_new_order(bench: Bench) -> None:
    """An off-tick price is refused with its field before anything is sent."""
    order = await working(bench)
    with pytest.raises(InvalidRequest) as caught:
        await modify(bench, order, limit_price=D("49.505"))
    assert (caught.value.reason, caught.value.violations[0].field) == (Reason.PRICE_OFF_TICK, "limit_price")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.FILLED, Reason.ORDER_TERMINAL),
        (State.PENDING_CANCEL, Reason.ORDER_PENDING),
    ],
)
async def test_an_order_that_cannot_be_changed_says_why(bench: Bench, state: State, reason: Reason) -> None:
    """An ended order and one with a change under way each have their own reason."""
    order = await working(bench)
    if state is State.FILLED:
        await bench.tell(report(*filled(*bench.broker.sent[0])))
    else:
        await bench.desk.cancel(bench.caller, cancel(order))
    with pytest.raises(GatewayError) as caught:
        await bench.desk.cancel(bench.caller, cancel(order))
    assert caught.value.reason is reason


async def test_a_stale_etag_is_refused(bench: Bench) -> None:
    """A caller that names the version it has seen never acts on another one."""
    order = await working(bench)
    with pytest.raises(GatewayError) as caught:
        await bench.desk.cancel(bench.caller, cancel(order, etag='"1"'))
    assert caught.value.reason is Reason.ETAG_MISMATCH


async def test_a_missing_order_is_not_found(bench: Bench) -> None:
    """Nothing is recorded under the key."""
    with pytest.raises(NotFound):
        await bench.desk.cancel(bench.caller, CancelOrder(idempotency_key=str(uuid.uuid4()), order_id="ord_none"))
    assert not bench.journal.keys


async def test_a_fill_after_the_cancel_is_counted_and_marked(bench: Bench) -> None:
    """A late fill raises the totals of a cancelled order and says so."""
    order = await working(bench)
    seen, fill = filled(*bench.broker.sent[0])
    await bench.tell(report(broker_order(*bench.broker.sent[0], state=State.CANCELED)), report(seen, fill))
    stored = bench.journal.by_id[order.order_id]
    assert (stored.cum_quantity, stored.late_fill, stored.state) == (D(10), True, State.FILLED)
    assert stored.canceled_quantity == D(0)
