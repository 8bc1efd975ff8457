"""Which process does a connection's background work, told by processes that share a journal and a table of leases."""

from dataclasses import replace

from brokergw.model.account import ConnectionHealth
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
    (shown,) = await second.desk.list_connections(second.caller)
    assert (shown.health, shown.stream_up) == (ConnectionHealth.HEALTHY, True)
    assert (first.broker.followed, second.broker.followed) == (1, 0)

    await first.tell(FeedDown("the line broke"))
    await replicas.clock.pass_time(2.5)
    (shown,) = await second.desk.list_connections(second.caller)
    assert (shown.health, shown.detail, shown.stream_up) == (ConnectionHealth.DEGRADED, "the line broke", False)


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
