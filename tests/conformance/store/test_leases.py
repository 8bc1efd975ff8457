import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, update

from brokergw.model.account import ConnectionHealth
from brokergw.model.lifecycle import State
from brokergw.model.whose import Whose
from brokergw.ports.journal import Commit, Committed, KeyTaken, LeaseLost
from brokergw.ports.leases import FeedStatus, Lease
from brokergw.store import Store, StoreServed
from brokergw.store.connections.leases import RENEWED_ALONE_S
from brokergw.store.database.work import Work
from brokergw.store.tables import INSTANCES
from tests.conformance.store.making import (
    ACCOUNT,
    ALL,
    MINE,
    START_NS,
    about,
    add_accounts,
    admit,
    an_order,
    committed,
    in_one_batch,
    log_of,
)
from tests.fixtures.clock import FakeClock
from tests.fixtures.stores import open_for_test

CONNECTION = f"con_{ACCOUNT}"
FOUR = ("con_1", "con_2", "con_3", "con_4")


@asynccontextmanager
async def replicas(url: str, count: int, clock: FakeClock | None = None) -> AsyncIterator[list[Store]]:
    """Open several stores on one database, as so many processes would."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_for_test(url, clock)) for _ in range(count)]


async def let_die(store: Store) -> None:
    """Let a process be as one that has not renewed for as long as a lease lives."""

    def work(database: Connection) -> None:
        mine = INSTANCES.c.instance_id == store.leases.instance_id
        died = INSTANCES.c.renew_time_ns - store.leases.life_ns
        database.execute(update(INSTANCES).where(mine).values(renew_time_ns=died))

    await store.journal._writer.run(ALL, work)


async def held(store: Store, connection_ids: Collection[str] = FOUR) -> set[str]:
    """Renew, and give what is held."""
    return set(await store.leases.renew(connection_ids))


def moved(order_id_of: Iterable[Store]) -> set[str]:
    """Give the instance ids of stores."""
    return {each.leases.instance_id for each in order_id_of}


async def test_first_takes_all_and_keeps_them(store: Store) -> None:
    """A process alone takes every connection, and renewing changes no epoch."""
    first = await store.leases.renew(FOUR)
    assert set(first) == set(FOUR)
    assert all(lease == Lease(connection_id, 1) for connection_id, lease in first.items())
    assert await store.leases.renew(FOUR) == first


async def test_held_leases_are_nobody_elses(store_url: str) -> None:
    """What a living process holds is given to no other."""
    async with replicas(store_url, 2) as (one, other):
        assert await held(one) == set(FOUR)
        assert await held(other) == set()


async def test_dead_holders_leases_are_taken(store_url: str) -> None:
    """When a holder has not renewed for as long as a lease lives, the next renewal of another takes all it held."""
    async with replicas(store_url, 2) as (one, other):
        before = await one.leases.renew(FOUR)
        await held(other)
        await let_die(one)
        after = await other.leases.renew(FOUR)
        assert set(after) == set(FOUR)
        assert all(after[each].epoch > before[each].epoch for each in FOUR)


async def test_late_holder_begins_with_nothing(store_url: str) -> None:
    """A process that comes back too late holds nothing of what it held, also where nobody has taken it."""
    async with replicas(store_url, 2) as (one, other):
        before = await one.leases.renew(FOUR)
        await let_die(one)
        assert await held(other, ("con_1",)) == {"con_1"}
        after = await one.leases.renew(FOUR)
        assert "con_1" not in after
        assert all(after[each].epoch > before[each].epoch for each in after)


async def test_released_leases_are_free_at_once(store_url: str) -> None:
    """After a release the process is gone and another takes all it held, without waiting."""
    async with replicas(store_url, 2) as (one, other):
        await held(one)
        await held(other)
        await one.leases.release()
        assert await other.leases.living() == moved([other])
        assert await held(other) == set(FOUR)


async def test_unnamed_leases_are_given_up(store_url: str) -> None:
    """What is held and no longer named is free for others."""
    async with replicas(store_url, 2) as (one, other):
        await held(one)
        assert await held(one, ("con_1", "con_2")) == {"con_1", "con_2"}
        assert await held(other) == {"con_3", "con_4"}


async def test_only_the_living_are_named(store_url: str) -> None:
    """The living are those who renewed lately, and always oneself."""
    async with replicas(store_url, 3) as (one, other, third):
        assert await one.leases.living() == moved([one])
        for each in (one, other, third):
            await held(each)
        assert await one.leases.living() == moved([one, other, third])
        await let_die(other)
        assert await one.leases.living() == moved([one, third])


async def test_free_leases_are_shared(store_url: str) -> None:
    """Of free connections a process takes its share first, and what stays free a second later all the same."""
    async with replicas(store_url, 3) as (one, other, third):
        for each in (one, other, third):
            await held(each, ())
        assert len(await held(one)) == 2
        assert len(await held(other)) == 2
        assert len(await held(one)) == 2
        await let_die(other)
        assert len(await held(one)) == 2
        assert len(await held(one)) == 4


async def test_newcomer_gets_its_share_in_time(store_url: str) -> None:
    """A holder of too much gives it away little by little, once the same processes have lived for ten seconds."""
    clock = FakeClock(auto=False)
    async with replicas(store_url, 2, clock) as (one, other):
        await held(one)
        counts = []
        for _ in range(14):
            counts.append((len(await held(one)), len(await held(other))))
            clock.advance(1)
        assert counts[0] == (4, 0)
        assert counts[9] == (4, 0)
        assert (3, 1) in counts
        assert counts[-1] == (2, 2)


async def test_what_nobody_else_wants_stays(store_url: str) -> None:
    """A connection that was given away and found free again stays with its process."""
    clock = FakeClock(auto=False)
    async with replicas(store_url, 2, clock) as (one, other):
        await held(one)
        lost = 0
        for _ in range(60):
            lost += len(FOUR) - len(await held(one))
            await held(other, ())
            clock.advance(1)
        assert lost <= 2 * len(FOUR)
        assert await held(one) == set(FOUR)


async def test_racing_renewals_leave_one_holder_each(store_url: str) -> None:
    """However many processes renew at once, with some held dead in between, no connection has two holders."""
    names = [f"con_{n}" for n in range(20)]
    async with replicas(store_url, 4) as stores:
        for _ in range(6):
            views = await asyncio.gather(*(each.leases.renew(names) for each in stores))
            holders = [connection_id for view in views for connection_id in view]
            assert len(holders) == len(set(holders))
            await let_die(stores[_ % 4])
            views = await asyncio.gather(*(each.leases.renew(names) for each in stores))
            leases = [lease for view in views for lease in view.values()]
            assert len(leases) == len(set(leases))


async def test_feeds_are_told_to_everybody(store_url: str) -> None:
    """What a holder reports every process reads, until the holder dies; under a lost lease nothing is told."""
    told = FeedStatus(health=ConnectionHealth.DEGRADED, detail="slow \x00", stream_up=True, last_message_ns=7)
    told = replace(told, last_sync_ns=8, next_sync_ns=9)
    read = replace(told, detail="slow \ufffd")
    async with replicas(store_url, 2) as (one, other):
        leases = await one.leases.renew(FOUR)
        await one.leases.report({leases["con_1"]: told})
        await one.leases.report({Lease("con_2", 99): told})
        await one.leases.report({})
        assert await other.leases.statuses() == {"con_1": read}
        await let_die(one)
        assert await other.leases.statuses() == {}
        await held(other)
        assert await other.leases.statuses() == {"con_1": read}
        await one.leases.report(
            {leases["con_1"]: FeedStatus(health=ConnectionHealth.HEALTHY, detail="", stream_up=True, last_message_ns=8)}
        )
        assert await other.leases.statuses() == {"con_1": read}


async def test_guarded_unit_needs_its_lease(store: Store, store_url: str) -> None:
    """A unit under a lease that another has taken is refused before anything else; its neighbours go through."""
    await add_accounts(store)
    old = (await store.leases.renew([CONNECTION]))[CONNECTION]
    known = an_order()
    await committed(store, Commit(guard=old, claim=admit(known).claim, inserts=(known,), events=(about(known),)))
    async with open_for_test(store_url) as other:
        await let_die(store)
        new = (await other.leases.renew([CONNECTION]))[CONNECTION]
        moved_on = known.next(START_NS, state=State.WORKING)
        results = await in_one_batch(
            store,
            Commit(guard=old, claim=admit(known).claim),
            admit(an_order()),
            Commit(guard=old, updates=(moved_on,), events=(about(moved_on),)),
            admit(known),
            Commit(guard=new, updates=(moved_on,), events=(about(moved_on),)),
            Commit(guard=Lease("con_unknown", 1)),
        )
    assert [type(each) for each in results] == [LeaseLost, Committed, LeaseLost, KeyTaken, Committed, LeaseLost]
    assert results[0] == LeaseLost(CONNECTION)
    assert await store.journal.order(MINE, known.order_id) == moved_on
    assert await log_of(store) == [1, 2, 3]


async def test_given_up_lease_guards_nothing(store: Store) -> None:
    """A unit under a lease that its own process has given up is refused."""
    await add_accounts(store)
    lease = (await store.leases.renew([CONNECTION]))[CONNECTION]
    await store.leases.release()
    assert await store.journal.commit(Commit(guard=lease)) == LeaseLost(CONNECTION)


async def test_guard_holds_until_the_commit(postgresql_url: str) -> None:
    """While a guarded unit is being written its lease cannot be taken; a taker passes by and gets it afterwards."""
    async with replicas(postgresql_url, 2) as (one, other):
        await add_accounts(one)
        lease = (await one.leases.renew([CONNECTION]))[CONNECTION]
        await let_die(one)
        with one._writing.connect() as writing:
            guards = one._connection, writing
            statement = one._writer._committer._writer._statements.find_epochs
            assert statement.fetch(guards[1], [(CONNECTION,)]) == [(CONNECTION, lease.epoch)]
            assert await held(other, [CONNECTION]) == set()
            writing.rollback()
        assert await held(other, [CONNECTION]) == {CONNECTION}


async def test_sqlite_file_has_one_serving_process(sqlite_url: str) -> None:
    """A second server of a SQLite file is refused in words; one that only reads is not; the next may follow."""
    async with open_for_test(sqlite_url) as first:
        await first.claim()
        await first.claim()
        async with open_for_test(sqlite_url) as second:
            await second.ping()
            with pytest.raises(StoreServed, match=r"one process serves a SQLite store"):
                await second.claim()
    async with open_for_test(sqlite_url) as next_one:
        await next_one.claim()


async def test_server_of_a_sqlite_file_knows_the_dead_at_once(sqlite_url: str) -> None:
    """Whoever claims a SQLite file takes an earlier server's leases without waiting, and nobody else lives."""
    async with replicas(sqlite_url, 2) as (crashed, next_one):
        before = await crashed.leases.renew(FOUR)
        await next_one.claim()
        assert await next_one.leases.living() == moved([next_one])
        after = await next_one.leases.renew(FOUR)
        assert all(after[each].epoch > before[each].epoch for each in FOUR)


@pytest.mark.parametrize(
    ("passed_s", "writes"),
    [(RENEWED_ALONE_S - 0.001, 0), (RENEWED_ALONE_S, 1), (RENEWED_ALONE_S + 0.001, 1)],
    ids=["below", "at", "above"],
)
async def test_server_of_a_sqlite_file_says_now_and_then_that_it_lives(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, passed_s: float, writes: int
) -> None:
    """Who has claimed the file writes every three seconds that it lives, and holds the same leases in between."""
    clock = FakeClock(auto=False)
    async with open_for_test(sqlite_url, clock) as store:
        await store.claim()
        before = await store.leases.renew(FOUR)
        run, written = store.leases._run, 0

        async def counting(whose: Whose, work: Work) -> Any:
            nonlocal written
            written += 1
            return await run(whose, work)

        monkeypatch.setattr(store.leases, "_run", counting)
        clock.advance(passed_s)
        assert await store.leases.renew(FOUR) == before
        assert written == writes
        async with open_for_test(sqlite_url, clock) as looking:
            assert store.leases.instance_id in await looking.leases.living()


async def test_server_of_a_sqlite_file_takes_what_is_new_at_once(sqlite_url: str) -> None:
    """A connection that is named for the first time is held at once, one that is not named any more is given up."""
    async with open_for_test(sqlite_url, FakeClock(auto=False)) as store:
        await store.claim()
        assert await held(store, ("con_1",)) == {"con_1"}
        assert await held(store, ("con_1", "con_2")) == {"con_1", "con_2"}
        assert await held(store, ("con_2",)) == {"con_2"}
        assert await held(store, ()) == set()
        assert await held(store, FOUR) == set(FOUR)
        await store.leases.release()
        assert await held(store, FOUR) == set(FOUR)


@pytest.mark.parametrize(("more_ns", "lives"), [(-1, True), (0, False), (1, False)], ids=["below", "at", "above"])
async def test_a_process_lives_as_long_as_it_is_said_to(sqlite_url: str, more_ns: int, *, lives: bool) -> None:
    """One nanosecond before its life is over a silent process is among the living, and from then on it is not."""
    clock = FakeClock(auto=False)
    async with open_for_test(sqlite_url, clock) as store, open_for_test(sqlite_url, clock) as looking:
        await held(store)
        clock._now_ns += store.leases.life_ns + more_ns
        assert (store.leases.instance_id in await looking.leases.living()) == lives


async def test_replicas_may_all_claim_a_shared_store(postgresql_url: str) -> None:
    """On PostgreSQL every process may serve."""
    async with replicas(postgresql_url, 2) as stores:
        for each in stores:
            await each.claim()
