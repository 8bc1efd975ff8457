"""Streams over the record."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from brokergw.desk.streams.watch import (
    Beat,
    Ending,
    EndReason,
    EventPage,
    FromPositions,
    FromSnapshot,
    FromTime,
    Opened,
    SnapshotDone,
    SnapshotItem,
    WatchItem,
    WatchRequest,
)
from brokergw.model.errors import NotFound
from brokergw.model.events import EventKind, FeedGap, LogEvent
from brokergw.model.order import Order
from brokergw.model.outcome import FeedDown, FeedUp
from tests.fixtures.scripted_broker import Bench, filled, report


@dataclass(frozen=True)
class Told:
    """One event of a page, with the sequence that its stream had told before it."""

    event: LogEvent
    previous_sequence: int


async def one_by_one(stream: AsyncIterator[WatchItem]) -> AsyncIterator[WatchItem | Told]:
    async for item in stream:
        if not isinstance(item, EventPage):
            yield item
            continue
        told = item.told
        for event in item.page.events:
            yield Told(event, told)
            told = told if event.kind is EventKind.GAP else event.sequence


def orders(bench: Bench, **more: Any) -> AsyncIterator[WatchItem | Told]:
    return one_by_one(bench.desk.watch(bench.caller, WatchRequest(**{"kind": EventKind.ORDER, **more})))


async def take(stream: AsyncIterator[WatchItem | Told], count: int) -> list[WatchItem | Told]:
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(count)]


async def test_a_stream_opens_at_once_and_then_tells_what_happens(bench: Bench) -> None:
    """Opened comes first, then each version of the order, each naming the sequence told before it."""
    stream = orders(bench)
    (opened,) = await take(stream, 1)
    assert isinstance(opened, Opened)
    await bench.submit(bench.order())
    events = await take(stream, 2)
    assert [(e.event.sequence, e.previous_sequence) for e in events if isinstance(e, Told)] == [(1, 0), (2, 1)]


async def test_a_resumed_stream_tells_exactly_what_came_after(bench: Bench) -> None:
    """From the positions of any event on, the rest follows once and in order."""
    for _ in range(3):
        await bench.submit(bench.order())
    stream = orders(bench, start=FromPositions({"acc_1": 2}))
    items = await take(stream, 5)
    assert [item.event.sequence for item in items if isinstance(item, Told)] == [3, 4, 5, 6]


async def test_a_stream_of_one_kind_chains_over_the_others(bench: Bench) -> None:
    """A fill stream skips order events, and its chain of previous sequences has no break."""
    await bench.submit(bench.order())
    await bench.tell(report(*filled(*bench.broker.sent[0])))
    stream = orders(bench, kind=EventKind.FILL, start=FromPositions({"acc_1": 0}))
    _, item = await take(stream, 2)
    assert isinstance(item, Told)
    assert (item.event.kind, item.previous_sequence) == (EventKind.FILL, 0)


async def test_a_snapshot_and_what_follows_meet_without_gap_or_overlap(bench: Bench) -> None:
    """The snapshot has the open orders; only later events follow it."""
    await bench.submit(bench.order())
    stream = orders(bench, start=FromSnapshot())
    opened, item, done = await take(stream, 3)
    assert isinstance(opened, Opened)
    assert isinstance(item, SnapshotItem)
    assert isinstance(item.payload, Order)
    assert isinstance(done, SnapshotDone)
    assert done.positions == {"acc_1": 2}
    await bench.submit(bench.order())
    (first,) = await take(stream, 1)
    assert isinstance(first, Told)
    assert (first.event.sequence, first.previous_sequence) == (3, 2)


async def test_a_stream_can_begin_at_a_time(bench: Bench) -> None:
    """Everything published at or after the time is told."""
    await bench.submit(bench.order())
    bench.clock.advance(10)
    since = bench.clock.now_ns()
    await bench.submit(bench.order())
    _, item = await take(orders(bench, start=FromTime(since)), 2)
    assert isinstance(item, Told)
    assert item.event.sequence == 3


async def test_a_filter_by_symbol_holds_back_other_symbols(bench: Bench) -> None:
    """Nothing of a symbol that was not asked for is told; a heartbeat still moves the positions on."""
    stream = orders(bench, symbols=frozenset({"OTHER"}), heartbeat_s=1.0)
    await take(stream, 1)
    await bench.submit(bench.order())
    beat = asyncio.create_task(take(stream, 1))
    await asyncio.sleep(0)
    bench.clock.advance(2)
    await bench.submit(bench.order())
    (item,) = await beat
    assert isinstance(item, Beat)
    assert item.positions["acc_1"] >= 2


async def test_a_drain_ends_the_stream_with_its_positions(bench: Bench) -> None:
    """What was written before the drain is told first; the ending is the last item."""
    stream = orders(bench)
    await take(stream, 1)
    await bench.submit(bench.order())
    bench.desk.drain()
    items = [item async for item in stream]
    assert items[-1] == Ending(EndReason.DRAINING, {"acc_1": 2})
    assert len(items) == 3


def told_gap(item: WatchItem | Told) -> FeedGap:
    """Give the gap that an item tells."""
    assert isinstance(item, Told)
    assert isinstance(item.event.payload, FeedGap)
    return item.event.payload


async def test_the_brokers_own_outage_is_told_as_a_gap(bench: Bench) -> None:
    """Lost and back are two events in the streams' order, the second with both times."""
    stream = orders(bench)
    await take(stream, 1)
    await bench.tell(FeedDown("connection lost"))
    (lost,) = await take(stream, 1)
    await bench.tell(FeedUp(0))
    (back,) = await take(stream, 1)
    (opened, closed) = (told_gap(lost), told_gap(back))
    assert opened.to_ns is None
    assert closed == replace(opened, to_ns=closed.to_ns)
    assert closed.to_ns is not None


async def test_a_foreign_account_cannot_be_watched(bench: Bench) -> None:
    """Naming somebody else's account is like naming none that exists."""
    mallory = replace(bench.caller, principal=replace(bench.caller.principal, user_id="mallory"))
    stream = bench.desk.watch(mallory, WatchRequest(kind=EventKind.ORDER, account_ids=("acc_1",)))
    with pytest.raises(NotFound):
        await anext(stream)


async def test_a_revoked_connection_ends_its_streams(bench: Bench) -> None:
    """The owner's revocation reaches streams at once."""
    stream = orders(bench)
    await take(stream, 1)
    await bench.desk.revoke_connection(bench.caller, "con_1")
    (item,) = await take(stream, 1)
    assert isinstance(item, Ending)
    assert item.reason is EndReason.CONNECTION_REVOKED


@pytest.mark.parametrize("orders_before", range(6))
async def test_any_time_is_found_in_the_record(bench: Bench, orders_before: int) -> None:
    """However many events lie before the time and after it, exactly those after it are told."""
    for number in range(5):
        if number == orders_before:
            bench.clock.advance(10)
        await bench.submit(bench.order())
    since = bench.clock.now_ns() if orders_before < 5 else bench.clock.now_ns() + 1
    stream = orders(bench, start=FromTime(since))
    await take(stream, 1)
    told: list[int] = []
    while len(told) < 10 - 2 * orders_before:
        told += [item.event.sequence for item in await take(stream, 1) if isinstance(item, Told)]
    assert told == list(range(2 * orders_before + 1, 11))
