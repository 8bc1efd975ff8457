"""Streams over a record that is shortened, restored, written by others, or far ahead of its reader."""

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.streams.pages import CursorExpired, Page, conflate
from brokergw.desk.streams.tail import PAGE
from brokergw.desk.streams.watch import EventPage, FromPositions, FromSnapshot, SnapshotDone, SnapshotItem, WatchRequest
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventDraft, EventKind, FeedGap, PositionChange
from brokergw.model.order import Order, Origin
from brokergw.ports.journal import (
    Commit,
)
from tests.fixtures.scripted_broker import Bench

ACCOUNT = "acc_1"
GAP = FeedGap(ACCOUNT, "scripted", 5, None)


def draft(payload: PositionChange | FeedGap) -> EventDraft:
    kind = EventKind.GAP if isinstance(payload, FeedGap) else EventKind.POSITION
    return EventDraft(
        kind=kind, account_id=ACCOUNT, origin=Origin.LIVE, event_time_ns=1, receive_time_ns=1, payload=payload
    )


def position(symbol: str, quantity: int) -> PositionChange:
    return PositionChange(ACCOUNT, "scripted", symbol, Decimal(quantity))


async def write(bench: Bench, *payloads: PositionChange | FeedGap) -> int:
    """Put payloads on the log; gives its last sequence."""
    await bench.journal.commit(Commit(events=tuple(map(draft, payloads))))
    return len(bench.journal.log[ACCOUNT])


async def pages_until(bench: Bench, last: int, **request: Any) -> list[EventPage]:
    """Read a stream until it has covered a sequence."""
    pages: list[EventPage] = []
    async with asyncio.timeout(10):
        async for item in bench.desk.watch(bench.caller, WatchRequest(**request)):
            if isinstance(item, EventPage):
                pages.append(item)
                if item.page.covered >= last:
                    break
    return pages


async def test_gaps_are_told_on_replay_in_their_place(bench: Bench) -> None:
    """Whoever comes later reads the same gaps between the same events, whatever kind and symbols it asked for."""
    first = await write(bench, position("A", 1), GAP, position("A", 2))
    for request in ({"kind": EventKind.POSITION}, {"kind": EventKind.FILL, "symbols": frozenset({"X"})}):
        begin = FromPositions({ACCOUNT: first - 3})
        (page,) = await pages_until(bench, first, start=begin, **request)
        kinds = [event.kind for event in page.page.events]
        assert EventKind.GAP in kinds
        assert len(kinds) == (3 if request["kind"] is EventKind.POSITION else 1)
        assert page.told == first - 3


async def test_a_lagging_stream_of_positions_is_told_the_last_of_each_symbol(bench: Bench) -> None:
    """What many events said of two symbols comes as two that tell how many they stand for; the gap between stays."""
    begin = await write(bench, position("A", 0))
    changes = [position("AB"[n % 2], n) for n in range(3 * PAGE)]
    last = await write(bench, *changes[:PAGE], GAP, *changes[PAGE:])
    pages = await pages_until(bench, last, kind=EventKind.POSITION, start=FromPositions({ACCOUNT: begin}))
    events = [event for page in pages for event in page.page.events]
    assert [event.kind for event in events] == [EventKind.GAP, EventKind.POSITION, EventKind.POSITION]
    assert [event.payload for event in events[1:]] == changes[-2:]
    counts = [page.page.conflated.get(event.sequence, 0) for page in pages for event in page.page.events]
    assert counts == [0, 3 * PAGE // 2 - 1, 3 * PAGE // 2 - 1]


async def test_orders_are_never_conflated(bench: Bench) -> None:
    """However far an order stream is behind, it is told every event."""
    for _ in range(PAGE):
        await bench.submit(bench.order())
    last = len(bench.journal.log[ACCOUNT])
    pages = await pages_until(bench, last, kind=EventKind.ORDER, start=FromPositions({ACCOUNT: 0}))
    told = [event.sequence for page in pages for event in page.page.events if event.kind is EventKind.ORDER]
    on_record = [event.sequence for event in bench.journal.log[ACCOUNT] if event.kind is EventKind.ORDER]
    assert told == on_record
    assert len(told) >= 2 * PAGE


def test_conflation_of_nothing_is_nothing() -> None:
    """Pages without events of the view join to one that only covers."""
    page = conflate([Page(0, 5, ()), Page(5, 9, ())])
    assert (page.after, page.covered, page.events, page.conflated) == (0, 9, (), {})


async def test_a_cursor_before_the_record_is_refused_with_the_earliest(bench: Bench) -> None:
    """An expired cursor is never silently advanced; the earliest one that is offered works."""
    last = await write(bench, *(position("A", n) for n in range(10)))
    bench.journal.pruned[ACCOUNT] = last - 4
    with pytest.raises(CursorExpired) as expired:
        await pages_until(bench, last, kind=EventKind.POSITION, start=FromPositions({ACCOUNT: last - 5}))
    earliest = FromPositions(expired.value.earliest)
    (page,) = await pages_until(bench, last, kind=EventKind.POSITION, start=earliest)
    assert [event.sequence for event in page.page.events] == list(range(last - 3, last + 1))


async def test_a_cursor_ahead_of_the_record_means_another_life(bench: Bench) -> None:
    """A record restored from a backup lacks what the client has seen: it must know, and begin from a snapshot."""
    last = await write(bench, position("A", 1))
    with pytest.raises(GatewayError) as refused:
        await pages_until(bench, last, kind=EventKind.POSITION, start=FromPositions({ACCOUNT: last + 1}))
    assert refused.value.reason is Reason.CURSOR_EPOCH_CHANGED


async def test_a_cursor_that_knows_fewer_accounts_begins_the_others_at_their_earliest(bench: Bench) -> None:
    """An account that a cursor does not name is told from the earliest event on record."""
    last = await write(bench, *(position("A", n) for n in range(6)))
    bench.journal.pruned[ACCOUNT] = last - 2
    (page,) = await pages_until(bench, last, kind=EventKind.POSITION, start=FromPositions({}))
    assert [event.sequence for event in page.page.events] == [last - 1, last]


async def test_a_read_waits_for_what_another_process_has_written(bench: Bench) -> None:
    """A wait for a cursor ends when the log has reached it, though this process did not write it."""
    bench.journal.shared = True
    begin = len(bench.journal.log[ACCOUNT])
    waiting = asyncio.create_task(bench.desk.wait_for(bench.caller, {ACCOUNT: begin + 1}))
    await asyncio.sleep(0)
    listeners, bench.journal.listeners = bench.journal.listeners, []
    await write(bench, position("A", 1))
    bench.journal.listeners = listeners
    assert not waiting.done()
    await bench.clock.pass_time(0.5)
    await asyncio.wait_for(waiting, 5)


async def test_a_read_does_not_wait_for_ever(bench: Bench) -> None:
    """A cursor that is not reached in two seconds is refused."""
    waiting = asyncio.create_task(bench.desk.wait_for(bench.caller, {ACCOUNT: 10_000}))
    await bench.clock.pass_time(3.0)
    with pytest.raises(GatewayError) as refused:
        await asyncio.wait_for(waiting, 5)
    assert refused.value.reason is Reason.CURSOR_INVALID


class LateSubscriber:
    """Builds the newest version of every order from a snapshot and what follows it."""

    def __init__(self, bench: Bench) -> None:
        self.orders: dict[str, Order] = {}
        request = WatchRequest(kind=EventKind.ORDER, start=FromSnapshot())
        self._items = bench.desk.watch(bench.caller, request)
        self._covered = 0
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for item in self._items:
            match item:
                case SnapshotItem(payload=Order() as order):
                    self.orders[order.order_id] = order
                case SnapshotDone(positions=positions):
                    self._covered = positions[ACCOUNT]
                case EventPage(page=page):
                    assert page.after == self._covered
                    self._covered = page.covered
                    self._take(page)
                case _:
                    pass

    def _take(self, page: Page) -> None:
        for event in page.events:
            order = event.payload
            assert isinstance(order, Order)
            known = self.orders.get(order.order_id)
            assert order.version == (1 if known is None else known.version + 1)
            self.orders[order.order_id] = order


@pytest.mark.parametrize("seed", range(8))
async def test_late_subscribers_have_all_of_it_while_commits_go_on(bench: Bench, seed: int) -> None:
    """Snapshot and events together give each late subscriber every version of every order, once."""
    chance = random.Random(seed)
    subscribers: list[LateSubscriber] = []
    for _ in range(12):
        subscribers += [LateSubscriber(bench) for _ in range(chance.randrange(3))]
        await asyncio.gather(*(bench.submit(bench.order()) for _ in range(chance.randrange(1, 4))))
        for _ in range(chance.randrange(5)):
            await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert subscribers
    for subscriber in subscribers:
        assert subscriber.orders == bench.journal.by_id
        assert not subscriber.task.done()
        subscriber.task.cancel()
