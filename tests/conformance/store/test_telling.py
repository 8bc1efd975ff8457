import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import select

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import LogEvent
from brokergw.ports.journal import Commit, Committed, KeyTaken
from brokergw.store import Store
from brokergw.store.audit.chain import OPENED
from brokergw.store.tables import AUDIT
from tests.conformance.store.making import (
    ACCOUNT,
    ALL,
    MINE,
    OTHER_ACCOUNT,
    USER,
    add_accounts,
    admit,
    an_order,
    audit,
    committed,
    in_one_batch,
    log_of,
    settle,
    writer_held,
)
from tests.fixtures.stores import open_for_test


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


async def outcomes(store: Store) -> list[str]:
    """Read the outcome of every audit row, in the order written."""
    wanted = select(AUDIT.c.outcome).where(AUDIT.c.action != OPENED).order_by(AUDIT.c.chain, AUDIT.c.sequence)
    return list(await store.journal._reader.query(ALL, lambda database: database.scalars(wanted).all()))


async def test_listeners_hear_before_committers_wake(store: Store) -> None:
    """When a commit returns, its events have been told already, so a stream holds what its reader committed."""
    told: list[LogEvent] = []
    store.journal.on_events(told.extend)

    async def trade() -> None:
        order = an_order()
        for unit in (admit(order), settle(order)):
            result = await committed(store, unit)
            assert all(event in told for event in result.events)

    await asyncio.gather(*(trade() for _ in range(20)))
    assert told == list(await store.journal.events(USER, ACCOUNT, 0, 1_000))


async def test_one_batch_is_told_once_in_log_order(store: Store) -> None:
    """A batch's events arrive in one call, in the order of the log; refused units and empty ones add nothing."""
    calls: list[Sequence[LogEvent]] = []
    store.journal.on_events(calls.append)
    first, second = an_order(), an_order(OTHER_ACCOUNT)
    results = await in_one_batch(store, admit(first), admit(first), admit(second), Commit(audit=(audit(),)))
    assert [type(result) for result in results] == [Committed, KeyTaken, Committed, Committed]
    assert [[(event.account_id, event.sequence) for event in call] for call in calls] == [
        [(ACCOUNT, 1), (OTHER_ACCOUNT, 1)]
    ]


async def test_failing_listener_harms_nobody(store: Store) -> None:
    """A listener that raises is reported to the event loop; other listeners hear and the commit returns."""
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    told: list[LogEvent] = []

    def fail(_events: Sequence[LogEvent]) -> None:
        raise RuntimeError("listener")

    store.journal.on_events(fail)
    store.journal.on_events(told.extend)
    await committed(store, admit(an_order()))
    assert [str(context["exception"]) for context in reported] == ["listener"]
    assert len(told) == 1


async def test_audit_rows_are_written_when_idle(store: Store) -> None:
    """A recorded audit row needs no commit to ride with."""
    store.journal.record(audit(outcome="ALONE"))
    while await outcomes(store) != ["ALONE"]:
        await asyncio.sleep(0.005)


async def test_audit_rows_ride_with_the_next_batch(store: Store) -> None:
    """Rows recorded before a commit are durable when it returns; a unit's own rows go where the unit goes."""
    order = an_order()
    store.journal.record(audit(outcome="RECORDED", detail="\x00 \ud800", order_id="\x00"))
    await committed(store, admit(order))
    refused = await store.journal.commit(Commit(claim=admit(order).claim, audit=(audit(outcome="REFUSED"),)))
    assert isinstance(refused, KeyTaken)
    assert sorted(await outcomes(store)) == ["OK", "RECORDED"]


async def test_close_writes_everything_that_waits(store: Store, store_url: str) -> None:
    """Closing lets waiting commits and audit rows become durable first."""
    orders = [an_order() for _ in range(50)]
    async with writer_held(store):
        waiting = [asyncio.ensure_future(store.journal.commit(admit(order))) for order in orders]
        await asyncio.sleep(0)
        store.journal.record(audit(outcome="LAST"))
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
    await closing
    assert all(isinstance(result, Committed) for result in await asyncio.gather(*waiting))
    async with open_for_test(store_url) as reopened:
        assert await log_of(reopened) == list(range(1, 51))
        assert (await outcomes(reopened))[-1] == "LAST"


async def test_closed_store_refuses(store: Store) -> None:
    """After closing, writing, recording, reading and pinging raise JOURNAL_UNAVAILABLE."""
    await store.close()
    journal = store.journal
    for attempt in (
        journal.commit(admit(an_order())),
        journal.order(MINE, "ord_1"),
        journal.open_orders(ALL),
        store.ping(),
    ):
        with pytest.raises(GatewayError) as refused:
            await attempt
        assert refused.value.reason is Reason.JOURNAL_UNAVAILABLE
    with pytest.raises(GatewayError):
        store.journal.record(audit())


async def test_full_queue_refuses_at_once(store: Store, store_url: str) -> None:
    """When as much waits as may, the next commit and the next audit row raise JOURNAL_UNAVAILABLE."""
    async with open_for_test(store_url, capacity=3) as small:
        async with writer_held(small):
            waiting = [asyncio.ensure_future(small.journal.commit(admit(an_order()))) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(GatewayError) as refused:
                await small.journal.commit(admit(an_order()))
            with pytest.raises(GatewayError):
                small.journal.record(audit())
        assert refused.value.reason is Reason.JOURNAL_UNAVAILABLE
        assert all(isinstance(result, Committed) for result in await asyncio.gather(*waiting))
        await committed(small, admit(an_order()))


async def test_ping_answers(store: Store) -> None:
    """An open store answers."""
    await store.ping()


async def test_epoch_outlives_the_process(store: Store, store_url: str) -> None:
    """The log's life has one id, whoever opens it."""
    async with open_for_test(store_url) as reopened:
        assert reopened.journal.epoch == store.journal.epoch
        assert store.journal.epoch.startswith("epoch_")
