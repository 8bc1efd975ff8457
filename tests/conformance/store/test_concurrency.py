import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from brokergw.model.events import LogEvent
from brokergw.model.lifecycle import State
from brokergw.ports.journal import ClientOrderIdTaken, Commit, Committed, FillKnown, KeyTaken, Stale
from brokergw.store import Store
from tests.conformance.store.making import (
    ACCOUNT,
    MINE,
    OTHER_ACCOUNT,
    START_NS,
    USER,
    a_fill,
    about,
    add_accounts,
    admit,
    an_order,
    change,
    committed,
    executed,
    log_of,
    settle,
)
from tests.fixtures.stores import open_for_test


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


async def test_one_of_a_thousand_claims_wins(store: Store) -> None:
    """Of 1,000 concurrent claims of one key one wins, and all others are told of the winner."""
    orders = [an_order(idempotency_key="the-key") for _ in range(1_000)]
    results = await asyncio.gather(*(store.journal.commit(admit(order)) for order in orders))
    winners = [order for order, result in zip(orders, results, strict=True) if isinstance(result, Committed)]
    records = {result.record for result in results if isinstance(result, KeyTaken)}
    assert len(winners) == 1
    assert Counter(type(result) for result in results) == {Committed: 1, KeyTaken: 999}
    assert {record.subject for record in records} == {winners[0].order_id}
    assert await log_of(store) == [1]


async def test_sequences_have_no_gap_under_concurrency(store: Store) -> None:
    """Orders admitted and settled at once on two accounts leave a log without gaps, in the order told."""
    told: dict[str, list[int]] = {ACCOUNT: [], OTHER_ACCOUNT: []}

    def hear(events: Sequence[LogEvent]) -> None:
        for event in events:
            told[event.account_id].append(event.sequence)

    store.journal.on_events(hear)

    async def trade(account_id: str) -> None:
        order = an_order(account_id)
        await committed(store, admit(order))
        await committed(store, settle(order))

    await asyncio.gather(*(trade(account_id) for account_id in (ACCOUNT, OTHER_ACCOUNT) * 100))
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        assert await log_of(store, account_id) == list(range(1, 401))
        assert told[account_id] == list(range(1, 401))
    assert await store.journal.sequences(MINE, [ACCOUNT, OTHER_ACCOUNT]) == {ACCOUNT: 400, OTHER_ACCOUNT: 400}


async def test_one_of_many_updates_of_a_version_wins(store: Store) -> None:
    """Of many concurrent updates of one version one wins, and the others are told how the order stands."""
    order = an_order()
    await committed(store, admit(order))
    updates = [order.next(START_NS + n, state=State.WORKING) for n in range(100)]
    results = await asyncio.gather(*(store.journal.commit(change(update)) for update in updates))
    winners = [update for update, result in zip(updates, results, strict=True) if isinstance(result, Committed)]
    assert len(winners) == 1
    assert {result.order for result in results if isinstance(result, Stale)} == set(winners)


async def test_two_writers_decide_every_race_once(store: Store, store_url: str) -> None:
    """Two stores on one database, racing for keys, client order ids, versions and fills, agree on one winner each."""
    async with open_for_test(store_url) as rival:
        known = an_order()
        await committed(store, admit(known))
        fills = [a_fill(known, f"e{n}") for n in range(50)]

        async def race(one: Commit, other: Commit) -> set[type]:
            results = await asyncio.gather(store.journal.commit(one), rival.journal.commit(other))
            return {type(result) for result in results}

        keys = [
            race(admit(an_order(idempotency_key=f"k{n}")), admit(an_order(idempotency_key=f"k{n}"))) for n in range(50)
        ]
        ids = [
            race(admit(an_order(client_order_id=f"c{n}")), admit(an_order(client_order_id=f"c{n}"))) for n in range(50)
        ]
        told = [race(*[executed(fill, events=(about(fill),))] * 2) for fill in fills]
        outcomes = await asyncio.gather(*keys, *ids, *told)
        assert (
            outcomes
            == [{Committed, KeyTaken}] * 50 + [{Committed, ClientOrderIdTaken}] * 50 + [{Committed, FillKnown}] * 50
        )
        log = await log_of(store)
        assert log == list(range(1, 152))


async def test_two_writers_never_lose_an_update(store: Store, store_url: str) -> None:
    """Two stores that read, change and retry one order each get every change in."""
    order = replace(an_order(), attempt=0)
    await committed(store, admit(order))

    async def count(each: Store) -> None:
        done = 0
        while done < 20:
            present = await each.journal.order(MINE, order.order_id)
            assert present is not None
            result = await each.journal.commit(change(present.next(START_NS, attempt=present.attempt + 1)))
            done += isinstance(result, Committed)

    async with open_for_test(store_url) as rival:
        await asyncio.gather(*(count(each) for each in (store, rival, store)))
    final = await store.journal.order(MINE, order.order_id)
    assert final is not None
    assert (final.version, final.attempt) == (61, 60)


async def test_two_writers_number_one_log(store: Store, store_url: str) -> None:
    """Two stores that write events of the same accounts at once make one log without gaps."""
    async with open_for_test(store_url) as rival:
        units = [admit(an_order(account_id)) for account_id in (ACCOUNT, OTHER_ACCOUNT) * 100]
        results = await asyncio.gather(
            *(each.journal.commit(unit) for each, unit in zip([store, rival] * 100, units, strict=True))
        )
    assert all(isinstance(result, Committed) for result in results)
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        assert await log_of(store, account_id) == list(range(1, 101))


async def test_snapshot_is_of_one_moment(store: Store) -> None:
    """A snapshot's open orders and sequences agree while orders are admitted and settled all the time."""
    stop = asyncio.Event()

    async def trade(account_id: str) -> None:
        while not stop.is_set():
            # One event for each order that opens: the sequence counts them.
            await committed(store, admit(an_order(account_id)))

    trading = [asyncio.ensure_future(trade(account_id)) for account_id in (ACCOUNT, OTHER_ACCOUNT) * 4]
    seen: list[tuple[dict[str, int], dict[str, int]]] = []
    # On a busy machine thirty snapshots may be taken before anything is committed.
    while len(seen) < 30 or seen[-1][1][ACCOUNT] <= seen[0][1][ACCOUNT]:
        snapshot = await store.journal.snapshot(USER, [ACCOUNT, OTHER_ACCOUNT])
        opened = Counter(order.account_id for order in snapshot.orders)
        seen.append((dict(opened), snapshot.sequences))
    stop.set()
    await asyncio.gather(*trading)
    assert all(
        {account_id: opened.get(account_id, 0) for account_id in sequences} == sequences for opened, sequences in seen
    )
    assert seen[-1][1][ACCOUNT] > seen[0][1][ACCOUNT]
