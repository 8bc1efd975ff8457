"""The tail of the log: whoever writes, whatever order it is heard of in, streams get it once and in order."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.desk.streams.pages import CursorExpired, View
from brokergw.desk.streams.recent import KEPT, Recent
from brokergw.desk.streams.tail import PAGE, Tail
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.whose import Whose
from tests.fixtures.clock import FakeClock
from tests.fixtures.edge_samples import ACCOUNT, a_fill, log_event
from tests.fixtures.memory_journal import MemoryJournal

FILLS = View(EventKind.FILL)


def fills(first: int, last: int) -> list[LogEvent]:
    return [log_event(n, a_fill(fill_id=f"fil_{n}")) for n in range(first, last + 1)]


def write(journal: MemoryJournal, count: int, *, here: bool, told: bool = True) -> list[LogEvent]:
    """Put fills on the log, by this process or by another one, which may or may not wake us."""
    log = journal.log[ACCOUNT]
    events = fills(len(log) + 1, len(log) + count)
    log.extend(events)
    if here:
        tell(journal, events)
    elif told:
        for wake in journal.wakers:
            wake()
    return events


def tell(journal: MemoryJournal, events: Sequence[LogEvent]) -> None:
    for listener in journal.listeners:
        listener(events)


async def follow(tail: Tail, seen: list[int], start: int = 0) -> None:
    """Read an account as a stream does, for ever."""
    covered = start
    with tail.watching("usr_1", (ACCOUNT,)) as bell:
        while True:
            page = await tail.after("usr_1", ACCOUNT, covered, FILLS)
            seen.extend(event.sequence for event in page.events)
            covered = page.covered
            if page.covered == page.after:
                await bell.wait()


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


Writes = st.lists(
    st.tuples(st.sampled_from(["here", "late", "woken", "silent", "pause"]), st.integers(1, 5)), max_size=25
)


@given(Writes)
async def test_events_of_all_processes_are_told_once_and_in_order(writes: list[tuple[str, int]]) -> None:
    """However own commits, foreign commits, wake-ups and late words of own commits mix, nothing is lost or doubled."""
    journal, clock = MemoryJournal(shared=True), FakeClock(auto=False)
    tail, seen = Tail(journal, clock), list[int]()
    reader = asyncio.create_task(follow(tail, seen))
    await settle()
    held_back: list[list[LogEvent]] = []
    for kind, count in writes:
        match kind:
            case "pause":
                await settle()
            case "late":
                # Durable, but this process hears of its own commit only after a later one.
                held_back.append(write(journal, count, here=False, told=False))
            case _:
                write(journal, count, here=kind == "here", told=kind == "woken")
    for events in reversed(held_back):
        tell(journal, events)
    await clock.pass_time(0.3)
    await settle()
    assert seen == list(range(1, len(journal.log[ACCOUNT]) + 1))
    reader.cancel()


async def test_a_foreign_event_is_found_within_300_ms_without_a_wake_up(still_clock: FakeClock) -> None:
    """The poll behind the wake-up finds what another process wrote."""
    journal = MemoryJournal(shared=True)
    seen: list[int] = []
    reader = asyncio.create_task(follow(Tail(journal, still_clock), seen))
    await settle()
    write(journal, 3, here=False, told=False)
    await settle()
    assert seen == []
    await still_clock.pass_time(0.25)
    await settle()
    assert seen == [1, 2, 3]
    reader.cancel()


async def test_a_wake_up_needs_no_poll(still_clock: FakeClock) -> None:
    """What another process wrote is read at once when the journal says so."""
    journal = MemoryJournal(shared=True)
    seen: list[int] = []
    reader = asyncio.create_task(follow(Tail(journal, still_clock), seen))
    await settle()
    write(journal, 2, here=False)
    await settle()
    assert seen == [1, 2]
    reader.cancel()


async def test_a_journal_of_one_process_is_not_polled_at_every_pulse(still_clock: FakeClock) -> None:
    """Where nobody else writes, the look behind the listener is rare."""
    journal, looks = MemoryJournal(), list[int]()
    read = journal.sequences

    async def count(whose: Whose, account_ids: Sequence[str]) -> dict[str, int]:
        looks.append(1)
        return await read(whose, account_ids)

    journal.sequences = count  # type: ignore[method-assign]
    seen: list[int] = []
    reader = asyncio.create_task(follow(Tail(journal, still_clock), seen))
    await settle()
    before = len(looks)
    await still_clock.pass_time(4.0)
    await settle()
    assert len(looks) == before
    await still_clock.pass_time(1.5)
    await settle()
    assert len(looks) == before + 1
    reader.cancel()


async def test_missing_events_are_read_once_for_all_streams(still_clock: FakeClock) -> None:
    """A hundred streams that miss the same events cost one read of them."""
    journal, reads = MemoryJournal(shared=True), list[int]()
    read = journal.events

    async def count(
        user_id: str, account_id: str, after: int, limit: int, kinds: frozenset[EventKind] | None = None
    ) -> object:
        reads.append(after)
        return await read(user_id, account_id, after, limit, kinds)

    journal.events = count  # type: ignore[method-assign, assignment]
    tail = Tail(journal, still_clock)
    seen: list[list[int]] = [[] for _ in range(100)]
    readers = [asyncio.create_task(follow(tail, each)) for each in seen]
    await settle()
    await still_clock.pass_time(0.25)
    reads.clear()
    write(journal, 5, here=False)
    await settle()
    assert seen == [[1, 2, 3, 4, 5]] * 100
    assert reads == [0]
    for reader in readers:
        reader.cancel()


async def test_what_was_pruned_is_never_skipped_silently(still_clock: FakeClock) -> None:
    """A stream that stands before the earliest event is told so, with the place where it may go on."""
    journal = MemoryJournal()
    write(journal, 20, here=False)
    journal.pruned[ACCOUNT] = 10
    tail = Tail(journal, still_clock)
    with pytest.raises(CursorExpired) as expired:
        await tail.after("usr_1", ACCOUNT, 9, FILLS)
    assert expired.value.earliest == {ACCOUNT: 10}
    page = await tail.after("usr_1", ACCOUNT, 10, FILLS)
    assert [event.sequence for event in page.events] == list(range(11, 21))


async def test_an_account_that_nobody_watches_is_not_kept(still_clock: FakeClock) -> None:
    """Events of accounts without streams take no memory; whoever comes later reads them from the journal."""
    journal = MemoryJournal()
    tail = Tail(journal, still_clock)
    write(journal, 3, here=True)
    assert tail.at_hand(ACCOUNT, 0, FILLS) is None
    assert len((await tail.after("usr_1", ACCOUNT, 0, FILLS)).events) == 3


@given(st.permutations(range(1, 13)), st.lists(st.integers(1, 12), max_size=8))
def test_any_order_of_arrival_makes_one_piece(order: list[int], again: list[int]) -> None:
    """Events in any order, some twice, are one piece without a hole once all are there."""
    recent = Recent()
    recent.learn(0)
    known = {event.sequence: event for event in fills(1, 12)}
    for sequence in (*order, *again):
        recent.take([known[sequence]])
    assert not recent.has_hole
    assert [event.sequence for event in recent.part(0, 100)] == list(range(1, 13))


def test_a_piece_is_bounded() -> None:
    """However much arrives, so much is kept and no more; what is before that is for the disk."""
    recent = Recent()
    recent.take(fills(1, KEPT + 10))
    assert (recent.base, recent.end, len(recent)) == (10, KEPT + 10, KEPT)
    assert recent.learn(3 * KEPT)
    assert (recent.base, len(recent)) == (2 * KEPT, 0)


async def test_a_page_from_memory_is_shared(still_clock: FakeClock) -> None:
    """Streams with the same view at the same place get the very same page."""
    journal = MemoryJournal()
    tail = Tail(journal, still_clock)
    with tail.watching("usr_1", (ACCOUNT,)):
        tail.learn({ACCOUNT: 0})
        write(journal, PAGE + 5, here=True)
        first = tail.at_hand(ACCOUNT, 0, FILLS)
        assert first is not None
        assert first is tail.at_hand(ACCOUNT, 0, View(EventKind.FILL))
        assert (len(first.events), first.more) == (PAGE, True)
