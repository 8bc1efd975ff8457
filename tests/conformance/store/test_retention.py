from typing import Final

import pytest

from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.ports.journal import Commit, KeyClaim, KeyRecord, KeyScope, KeyTaken
from brokergw.store import Store
from tests.conformance.store.making import USER, add_accounts, admit, an_order, change, committed, scope_of
from tests.fixtures.clock import START_NS as NOW
from tests.fixtures.memory_journal import MemoryJournal

DAY: Final = 86_400_000_000_000
OLD: Final = NOW - 30 * DAY


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


def claimed(order: Order, time_ns: int) -> Commit:
    """Admit an order under a key that is claimed at a time."""
    unit = admit(order)
    claim = KeyClaim(scope=scope_of(order), fingerprint="print", subject=order.order_id, time_ns=time_ns)
    return Commit(claim=claim, inserts=unit.inserts, events=unit.events)


async def ended(store: Store, time_ns: int, *, claim_ns: int = OLD - 1) -> Order:
    """Let an order end at a time; its key was claimed at another."""
    order = an_order()
    await committed(store, claimed(order, claim_ns))
    await committed(store, change(order.next(time_ns, state=State.CANCELED)))
    return order


async def is_retired(store: Store, order: Order) -> bool:
    """Tell whether the key of an order is retired."""
    record = await store.journal.key_of(scope_of(order))
    assert record is not None
    return record.retired


async def test_retired_key_keeps_that_it_was_used(store: Store) -> None:
    """A retired key keeps whose it was, what about and when, and a claim on it says that it is retired."""
    order = await ended(store, OLD)
    assert await store.journal.retire_keys(OLD, 10) == 1
    record = KeyRecord(
        scope=scope_of(order), fingerprint="", subject=order.order_id, claim_time_ns=OLD - 1, retired=True
    )
    assert await store.journal.key_of(scope_of(order)) == record
    assert await store.journal.commit(claimed(order, NOW)) == KeyTaken(record)
    assert await store.journal.retire_keys(OLD, 10) == 0


async def test_only_old_keys_at_rest_are_retired(store: Store) -> None:
    """A key stays while it is young, while its order is open, and for a day after its order has ended."""
    young = await ended(store, OLD, claim_ns=OLD)
    resting = an_order()
    await committed(store, claimed(resting, OLD - 1))
    fresh = await ended(store, NOW - DAY + 1)
    old = await ended(store, NOW - DAY)
    assert await store.journal.retire_keys(OLD, 10) == 1
    assert [await is_retired(store, each) for each in (young, resting, fresh, old)] == [False, False, False, True]


async def test_key_about_something_else_is_retired_by_age(store: Store) -> None:
    """A key whose call was not about an order is retired when it is old."""
    scope = KeyScope(USER, "CreateConnection", "key")
    claim = KeyClaim(scope=scope, fingerprint="print", subject="con_1", time_ns=OLD - 1)
    await committed(store, Commit(claim=claim))
    assert await store.journal.retire_keys(OLD, 10) == 1


async def test_keys_go_in_small_batches_oldest_first(store: Store) -> None:
    """No more keys than asked for are retired or dropped at once, the oldest first."""
    orders = [await ended(store, OLD, claim_ns=OLD - n) for n in range(1, 6)]
    assert await store.journal.retire_keys(OLD, 2) == 2
    assert [await is_retired(store, each) for each in orders] == [False, False, False, True, True]
    assert await store.journal.retire_keys(OLD, 10) == 3
    assert await store.journal.drop_retired_keys(OLD, 2) == 2
    assert [await store.journal.key_of(scope_of(each)) is None for each in orders] == [False, False, False, True, True]


async def test_only_old_retired_keys_are_dropped(store: Store) -> None:
    """A key is forgotten only when it is retired and old, and may then be claimed anew."""
    retired = await ended(store, OLD)
    assert await store.journal.retire_keys(OLD, 10) == 1
    await ended(store, OLD)
    assert await store.journal.drop_retired_keys(OLD - 1, 10) == 0
    assert await store.journal.drop_retired_keys(OLD, 10) == 1
    claim = KeyClaim(scope=scope_of(retired), fingerprint="new", subject="ord_new", time_ns=NOW)
    await committed(store, Commit(claim=claim))


async def test_memory_journal_retires_as_the_store_does(store: Store) -> None:
    """The journal that other tests use leaves the same of a retired key."""
    memory = MemoryJournal()
    order = await ended(store, OLD)
    closed = order.next(OLD, state=State.CANCELED)
    await memory.commit(claimed(order, OLD - 1))
    await memory.commit(change(closed))
    assert await memory.retire_keys(OLD, 10) == await store.journal.retire_keys(OLD, 10)
    assert await memory.key_of(scope_of(order)) == await store.journal.key_of(scope_of(order))
