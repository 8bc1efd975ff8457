"""Which process does a connection's background work, told by processes that share a journal and a table of leases."""

from dataclasses import replace

import pytest

from brokergw.desk.streams.watch import Ending, EndReason, WatchRequest
from brokergw.model.account import ConnectionHealth
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventKind
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import FeedDown, Found
from tests.fixtures.replicas import Replicas
from tests.fixtures.scripted_broker import (
    Bench,
    broker_order,
    filled,
    report,
)


def holds(bench: Bench) -> bool:
    """Tell whether a process holds the connection."""
    (session,) = bench.desk.sessions()
    return session.lease is not None


async def test_one_process_follows_the_stream_and_the_other_shows_what_it_says(replicas: Replicas) -> None:
    """Only the holder's link to the broker is followed; the other one's status is the holder's."""
    first, second = await replicas.start("a"), await replicas.start("b")
    assert (holds(first), holds(second)) == (True, False)
    await replicas.clock.pass_time(2.5)
    shown = (await second.desk.list_connections(second.caller))[0].status
    assert (shown.health, shown.stream_up) == (ConnectionHealth.HEALTHY, True)
    assert (first.broker.followed, second.broker.followed) == (1, 0)

    await first.tell(FeedDown("the line broke"))
    await replicas.clock.pass_time(2.5)
    shown = (await second.desk.list_connections(second.caller))[0].status
    assert (shown.health, shown.stream_up) == (ConnectionHealth.DEGRADED, False)
    assert "(the line broke)" in shown.detail


async def test_a_process_that_is_silent_for_three_seconds_is_replaced(replicas: Replicas) -> None:
    """Cut off from the database, the holder stops its work by its own clock, and the other takes over within 5 s."""
    first, second = await replicas.start("a"), await replicas.start("b")
    first.leases.away = True
    await replicas.clock.pass_time(3.1)
    assert not holds(first)
    await replicas.clock.pass_time(1.9)
    assert holds(second)
    assert second.broker.followed == 1

    first.leases.away = False
    await replicas.clock.pass_time(3.0)
    assert (holds(first), holds(second)) == (False, True)


async def test_a_drained_process_is_replaced_at_the_next_renewal(replicas: Replicas) -> None:
    """It gives its leases up, so nobody waits for them to run out."""
    first, second = await replicas.start("a"), await replicas.start("b")
    await first.desk.stop()
    await replicas.clock.pass_time(1.1)
    assert holds(second)


async def test_what_a_former_holder_still_writes_changes_nothing(replicas: Replicas) -> None:
    """A report that reaches the former holder is refused by the journal, and its feed ends."""
    first, second = await replicas.start("a"), await replicas.start("b")
    await first.submit(first.order())
    client_id, terms = first.broker.sent[0]
    (before,) = replicas.journal.by_id.values()
    (session,) = first.desk.sessions()
    assert session.lease is not None
    # It was frozen: another process took over, and it does not know yet.
    taken = replace(session.lease, epoch=session.lease.epoch + 1)
    replicas.table.holders["con_1"] = ("b", taken)
    await first.tell(report(*filled(client_id, terms)))
    assert replicas.journal.by_id[before.order_id] == before
    assert not replicas.journal.by_fill_id
    await replicas.clock.pass_time(1.1)
    assert (holds(first), holds(second)) == (False, True)


async def test_an_order_of_a_dead_sender_is_put_in_doubt_and_that_of_a_living_one_is_left(replicas: Replicas) -> None:
    """The holder takes up what a process that died was sending, and trusts one that lives for thirty seconds."""
    first = await replicas.start("a")
    await replicas.start("b")
    dead, alive = [left_behind(await placed(first), sender) for sender in ("gone", "b")]
    replicas.journal.by_id |= {dead.order_id: dead, alive.order_id: alive}
    first.broker.find = lambda client_id: Found(broker_order(client_id, dead.terms))
    await replicas.clock.pass_time(1.5)
    assert replicas.journal.by_id[dead.order_id].state is State.WORKING
    assert replicas.journal.by_id[alive.order_id].state is State.SENDING
    await replicas.clock.pass_time(30.0)
    assert replicas.journal.by_id[alive.order_id].state is State.WORKING
    assert len(first.broker.sent) == 2


async def placed(bench: Bench) -> Order:
    """Place an order and give it as the record has it."""
    order: Order = (await bench.submit(bench.order())).order
    return order


def left_behind(order: Order, sender: str) -> Order:
    """Give an order as a sender leaves it that has not heard from the broker."""
    return replace(order, state=State.SENDING, broker_order_ids=(), sender=sender)


async def test_a_change_goes_by_what_the_record_says_and_not_by_an_old_memory(replicas: Replicas) -> None:
    """What another process has made of an order decides, in both directions."""
    first, second = await replicas.start("a"), await replicas.start("b")
    order = await placed(first)
    await second.cancel(order.order_id)
    with pytest.raises(GatewayError) as refused:
        await first.cancel(order.order_id)
    assert refused.value.reason is Reason.ORDER_PENDING

    client_id, terms = first.broker.sent[0]
    await first.tell(report(broker_order(client_id, terms, State.CANCELED)))
    with pytest.raises(GatewayError) as refused:
        await second.cancel(order.order_id)
    assert refused.value.reason is Reason.ORDER_TERMINAL


async def test_a_replay_shows_the_order_as_it_stands_on_the_record(replicas: Replicas) -> None:
    """The process that placed it has not heard of the fill that another one wrote; its replay shows it all the same."""
    first, second = await replicas.start("a"), await replicas.start("b")
    command = second.order()
    order = (await second.submit(command)).order
    client_id, terms = second.broker.sent[0]
    await first.tell(report(*filled(client_id, terms)))
    again = await second.submit(command)
    assert again.replayed
    assert (again.order.order_id, again.order.state) == (order.order_id, State.FILLED)


async def test_what_another_process_is_sending_is_not_taken_for_a_strangers(replicas: Replicas) -> None:
    """A leg that the stream tells before its parent's answer is on record waits for it, and is bound to its order."""
    first, second = await replicas.start("a"), await replicas.start("b")
    parent = left_behind(await placed(second), "b")
    settled = replicas.journal.by_id[parent.order_id]
    replicas.journal.by_id[parent.order_id] = parent
    leg = broker_order("a-leg", parent.terms, broker_order_id="b-leg")
    await first.tell(report(leg))
    assert list(replicas.journal.by_id) == [parent.order_id]

    replicas.journal.by_id[parent.order_id] = settled
    ours = replace(settled, order_id="ord_leg", broker_order_ids=("b-leg",), broker_client_order_id="a-leg")
    replicas.journal.by_id[ours.order_id] = ours
    await replicas.clock.pass_time(0.3)
    assert set(replicas.journal.by_id) == {parent.order_id, "ord_leg"}


async def test_a_revoked_connection_is_noticed_by_every_process_within_a_second(replicas: Replicas) -> None:
    """Whoever revoked it, the others stop using it, and their streams of it end."""
    first, second = await replicas.start("a"), await replicas.start("b")
    stream = first.desk.watch(first.caller, WatchRequest(kind=EventKind.ORDER))
    await anext(stream)
    await second.desk.revoke_connection(second.caller, "con_1")
    await replicas.clock.pass_time(1.0)
    with pytest.raises(GatewayError) as refused:
        await first.submit(first.order())
    assert refused.value.reason is Reason.CONNECTION_NOT_USABLE
    assert [item async for item in stream][-1] == Ending(EndReason.CONNECTION_REVOKED, {"acc_1": 0})
    assert not holds(first)
