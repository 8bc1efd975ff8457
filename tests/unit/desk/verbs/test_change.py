"""Modify and cancel."""

import asyncio
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.model.commands import CancelOrder, ModifyOrder
from brokergw.model.errors import GatewayError, InvalidRequest, NotFound, Reason
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, BrokerFill, Found, Inconclusive, NotSent, Outcome, Rejected, Unknown
from brokergw.ports.broker import Change
from brokergw.ports.journal import Commit, CommitResult
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


async def test_a_cancel_may_be_asked_for_again_once_it_stays_unconfirmed(bench: Bench) -> None:
    """For five seconds the pending cancel stands in the way of another; then a new call asks the broker again."""
    order = await working(bench)
    asked: list[str] = []

    async def taken(broker_order_id: str) -> Outcome:
        asked.append(broker_order_id)
        return Accepted()

    bench.broker.cancel = taken
    await bench.desk.cancel(bench.caller, cancel(order))
    with pytest.raises(GatewayError) as caught:
        await bench.desk.cancel(bench.caller, cancel(order))
    assert caught.value.reason is Reason.ORDER_PENDING
    bench.clock.advance(5)
    assert (await bench.desk.cancel(bench.caller, cancel(order))).order.state is State.PENDING_CANCEL
    assert len(asked) == 2
    await bench.tell(report(broker_order(*bench.broker.sent[0], state=State.CANCELED)))
    assert bench.journal.by_id[order.order_id].state is State.CANCELED


async def test_a_repeated_cancel_that_is_refused_leaves_the_first_one_pending(bench: Bench) -> None:
    """The broker's no to the second request says nothing about the first."""
    order = await working(bench)
    outcomes: list[Outcome] = [Rejected("ORDER_NOT_OPEN", "422", "pending cancel"), Accepted()]

    async def cancel_at_broker(_: str) -> Outcome:
        return outcomes.pop()

    bench.broker.cancel = cancel_at_broker
    await bench.desk.cancel(bench.caller, cancel(order))
    bench.clock.advance(5)
    with pytest.raises(GatewayError) as caught:
        await bench.desk.cancel(bench.caller, cancel(order))
    assert caught.value.reason is Reason.CANCEL_REFUSED
    assert bench.journal.by_id[order.order_id].state is State.PENDING_CANCEL


async def test_no_modify_overtakes_a_change_that_is_on_its_way(bench: Bench) -> None:
    """However long it takes, a second PATCH waits for what became of the first."""
    order = await working(bench)

    async def silent(_: str, __: Change) -> Outcome:
        return Unknown("no reply")

    bench.broker.modify = silent
    bench.broker.get = lambda _: Inconclusive("down")
    await modify(bench, order, limit_price=D("49.50"))
    await bench.clock.pass_time(600)
    with pytest.raises(GatewayError) as caught:
        await modify(bench, order, limit_price=D("49.00"))
    assert caught.value.reason is Reason.ORDER_PENDING


async def test_a_modify_of_unknown_outcome_is_never_sent_again_under_its_key(bench: Bench) -> None:
    """Not sent, then unknown: the key allowed a second PATCH and allows no third, before or after the look-up."""
    order = await working(bench)
    outcomes: list[Outcome] = [Unknown("no reply"), NotSent("refused")]
    patches: list[Change] = []

    async def flaky(_: str, change: Change) -> Outcome:
        patches.append(change)
        return outcomes.pop()

    bench.broker.modify = flaky
    bench.broker.get = lambda _: Found(broker_order(*bench.broker.sent[0]))
    command = ModifyOrder(idempotency_key=str(uuid.uuid4()), order_id=order.order_id, limit_price=D("49.50"))
    with pytest.raises(GatewayError) as caught:
        await bench.desk.modify(bench.caller, await bench.desk.clear(bench.caller, command))  # type: ignore[arg-type]
    assert caught.value.reason is Reason.BROKER_UNREACHABLE
    assert await bench.desk.recall(bench.caller, command) is None
    await bench.desk.modify(bench.caller, await bench.desk.clear(bench.caller, command))  # type: ignore[arg-type]
    for _ in range(3):
        again = await bench.desk.recall(bench.caller, command)
        assert again is not None
        assert again.replayed
        await bench.clock.pass_time(60)
    assert bench.journal.by_id[order.order_id].state is State.WORKING
    assert len(patches) == 2


async def test_a_modify_that_lost_against_the_fill_leaves_the_order_filled(bench: Bench) -> None:
    """The fill comes while the PATCH is on its way; its refusal is told, the fill stands, nothing is undone."""
    order = await working(bench)
    seen, fill = filled(*bench.broker.sent[0])

    async def too_late(_: str, __: Change) -> Outcome:
        await bench.tell(report(seen, fill))
        return Rejected("ORDER_NOT_OPEN", "422", "already filled")

    bench.broker.modify = too_late
    bench.broker.get = lambda _: Found(seen)
    with pytest.raises(GatewayError) as caught:
        await modify(bench, order, limit_price=D("49.50"))
    assert caught.value.reason is Reason.MODIFY_REFUSED
    await bench.clock.pass_time(1.5)
    stored = bench.journal.by_id[order.order_id]
    assert (stored.state, stored.cum_quantity) == (State.FILLED, D(10))


async def test_a_partial_fill_during_a_modify_is_counted(bench: Bench) -> None:
    """What traded while the PATCH was on its way stays, and the new terms hold for the rest."""
    order = await working(bench)
    client_id, terms = bench.broker.sent[0]
    part = BrokerFill(execution_id="x1", quantity=D(4), price=D("50.00"), trade_time_ns=2)
    partly = broker_order(client_id, terms, State.PARTIAL, cum_quantity=D(4), average_price=D("50.00"))

    async def replaced(broker_order_id: str, change: Change) -> Outcome:
        await bench.tell(report(partly, part))
        new = replace(terms, limit_price=change.limit_price)
        more = {"cum_quantity": D(4), "average_price": D("50.00"), "replaces": broker_order_id}
        return Accepted(broker_order("new", new, State.PARTIAL, **more))

    bench.broker.modify = replaced
    changed = await modify(bench, order, limit_price=D("49.50"))
    async with asyncio.timeout(5):
        while not bench.journal.by_fill_id:
            await asyncio.sleep(0.01)
    stored = bench.journal.by_id[changed.order_id]
    assert (stored.state, stored.cum_quantity, stored.leaves_quantity) == (State.PARTIAL, D(4), D(6))
    assert stored.terms.limit_price == D("49.50")


async def test_a_change_whose_admission_comes_late_is_taken_back(bench: Bench) -> None:
    """C2: a cancel whose commit was lost is not sent; once it shows up on the record it is undone, the key usable."""
    order = await working(bench)
    commit = bench.journal.commit
    late: list[Commit] = []

    async def lose(unit: Commit) -> CommitResult:
        if unit.claim is None or late:
            return await commit(unit)
        late.append(unit)
        raise GatewayError(Reason.JOURNAL_OUTCOME_UNKNOWN, "the reply was lost")

    bench.journal.commit = lose  # type: ignore[method-assign]
    asked: list[str] = []

    async def taken(broker_order_id: str) -> Outcome:
        asked.append(broker_order_id)
        return Accepted()

    bench.broker.cancel = taken
    command = cancel(order)
    with pytest.raises(GatewayError) as caught:
        await bench.desk.cancel(bench.caller, command)
    assert caught.value.reason is Reason.JOURNAL_OUTCOME_UNKNOWN
    await commit(late[0])
    assert bench.journal.by_id[order.order_id].state is State.PENDING_CANCEL
    await bench.clock.pass_time(1)
    assert bench.journal.by_id[order.order_id].state is State.WORKING
    assert asked == []
    assert await bench.desk.recall(bench.caller, command) is None
    await bench.desk.cancel(bench.caller, command)
    assert len(asked) == 1


async def test_a_change_is_asked_about_at_ever_longer_intervals_until_the_broker_tells(bench: Bench) -> None:
    """R14: a broker that cannot be asked is not stormed, and once it tells, the pending cancel ends, however late."""
    order = await working(bench)
    asked: list[str] = []

    async def silent(_: str) -> Outcome:
        return Unknown("no reply")

    def down(broker_order_id: str) -> Inconclusive:
        asked.append(broker_order_id)
        return Inconclusive("down")

    bench.broker.cancel, bench.broker.get = silent, down
    await bench.desk.cancel(bench.caller, cancel(order))
    await bench.clock.pass_time(300)
    # The sweep of open orders misses it as well, and asks now and then.
    assert 10 <= len(asked) <= 30
    bench.broker.get = lambda _: Found(broker_order(*bench.broker.sent[0], state=State.CANCELED))
    await bench.clock.pass_time(61)
    assert bench.journal.by_id[order.order_id].state is State.CANCELED
