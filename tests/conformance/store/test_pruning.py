"""The oldest events of an account's log, once they are forgotten."""

import pytest

from brokergw.desk.streams.pages import CursorExpired, View
from brokergw.desk.streams.tail import Tail
from brokergw.model.events import EventKind
from brokergw.store import Store
from tests.conformance.store.making import ACCOUNT, MINE, OTHER_ACCOUNT, USER, add_accounts, admit, an_order, committed
from tests.fixtures.clock import FakeClock


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


async def test_the_oldest_events_are_forgotten_without_a_hole(store: Store) -> None:
    """Only an account's events up to the first younger one go, so many at a time; the newest stays; numbers go on."""
    journal = store.journal
    for _ in range(5):
        await committed(store, admit(an_order()))
    events = await journal.events(USER, ACCOUNT, 0, 100)
    assert await journal.prune_events(USER, ACCOUNT, events[0].publish_time_ns, 100) == 0
    young = events[-1].publish_time_ns + 1
    assert await journal.prune_events(USER, ACCOUNT, young, 3) == 3
    assert await journal.earliest(MINE, (ACCOUNT,)) == {ACCOUNT: 3}
    assert [event.sequence for event in await journal.events(USER, ACCOUNT, 0, 100)] == [4, 5]
    assert await journal.prune_events(USER, ACCOUNT, young, 100) == 1
    assert await journal.prune_events(USER, ACCOUNT, young, 100) == 0
    assert (await journal.earliest(MINE, (ACCOUNT,)), await journal.sequences(MINE, (ACCOUNT,))) == (
        {ACCOUNT: 4},
        {ACCOUNT: 5},
    )
    await committed(store, admit(an_order()))
    assert [event.sequence for event in await journal.events(USER, ACCOUNT, 0, 100)] == [5, 6]


async def test_another_accounts_events_stay(store: Store) -> None:
    """Pruning is by account, and an account that is silent since keeps the word of when it was last heard of."""
    for account_id in (ACCOUNT, ACCOUNT, OTHER_ACCOUNT, OTHER_ACCOUNT):
        await committed(store, admit(an_order(account_id=account_id)))
    assert await store.journal.prune_events(USER, OTHER_ACCOUNT, 2**62, 10) == 1
    assert [event.sequence for event in await store.journal.events(USER, OTHER_ACCOUNT, 0, 10)] == [2]
    assert len(await store.journal.events(USER, ACCOUNT, 0, 10)) == 2


async def test_a_stream_never_skips_what_was_pruned(store: Store, still_clock: FakeClock) -> None:
    """Reading from before the earliest event fails with the place that works; from there on all is told."""
    for _ in range(6):
        await committed(store, admit(an_order()))
    await store.journal.prune_events(USER, ACCOUNT, 2**62, 4)
    tail, view = Tail(store.journal, still_clock), View(EventKind.ORDER)
    with pytest.raises(CursorExpired) as expired:
        await tail.after(USER, ACCOUNT, 3, view)
    page = await tail.after(USER, ACCOUNT, expired.value.earliest[ACCOUNT], view)
    assert [event.sequence for event in page.events] == [5, 6]
