"""Gaps on the record, as the processes that follow a stream write them."""

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventKind, FeedGap
from brokergw.model.outcome import FeedDown, FeedUp
from brokergw.ports.journal import Commit
from tests.fixtures.clock import START_NS
from tests.fixtures.memory_journal import MemoryJournal
from tests.fixtures.replicas import Replicas
from tests.fixtures.scripted_broker import Bench, filled, report

SECOND_NS = 1_000_000_000


def gaps(journal: MemoryJournal) -> list[FeedGap]:
    """Give the gaps on record, in order."""
    return [e.payload for e in journal.log["acc_1"] if e.kind is EventKind.GAP and isinstance(e.payload, FeedGap)]


def gap(from_s: float, to_s: float | None) -> FeedGap:
    """Make the gap of a test, in seconds since its start."""
    until = None if to_s is None else START_NS + round(to_s * SECOND_NS)
    return FeedGap("acc_1", "scripted", START_NS + round(from_s * SECOND_NS), until)


async def test_a_new_connection_has_no_gap(bench: Bench) -> None:
    """Nothing can have been missed before anybody could have known it."""
    await bench.tell()
    assert gaps(bench.journal) == []


async def test_a_stream_that_comes_and_goes_has_one_pair(bench: Bench) -> None:
    """However often it is lost before it is whole again, the gap is told once, from when the broker was last heard."""
    await bench.tell(report(*filled("outside", bench.order().terms)))
    bench.clock.advance(5)
    for _ in range(4):
        await bench.tell(FeedDown("the line broke"))
        bench.clock.advance(1)
    assert gaps(bench.journal) == [gap(0, None)]
    await bench.tell(FeedUp(0))
    assert gaps(bench.journal) == [gap(0, None), gap(0, 9)]
    await bench.tell(FeedUp(0))
    assert len(gaps(bench.journal)) == 2


async def test_a_gap_while_the_journal_is_away_is_told_afterwards(bench: Bench) -> None:
    """It is written together with its end."""
    await bench.tell()

    def away(_: Commit) -> None:
        raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")

    bench.journal.before_commit = away
    bench.clock.advance(2)
    await bench.tell(FeedDown("everything broke"))
    bench.clock.advance(2)
    await bench.tell(FeedUp(0))
    assert gaps(bench.journal) == []
    bench.journal.before_commit = lambda _: None
    await bench.clock.pass_time(1.5)
    assert gaps(bench.journal) == [gap(0, None), gap(0, 4)]


async def test_the_time_that_nobody_followed_the_stream_is_a_gap(replicas: Replicas) -> None:
    """Whoever takes over opens it from when the former holder last heard the broker, and closes it when back-filled."""
    first = await replicas.start("a")
    await first.tell(report(*filled("outside", first.order().terms)))
    await replicas.clock.pass_time(2.0)
    await first.tell(report(*filled("another", first.order().terms, "x2")))
    await replicas.start("b")
    await replicas.clock.pass_time(1.0)
    first.leases.away = True
    await replicas.clock.pass_time(5.0)
    (opened, closed) = gaps(replicas.journal)
    assert (opened, closed.from_ns) == (gap(2, None), opened.from_ns)
    assert closed.to_ns is not None
    assert 5 * SECOND_NS <= closed.to_ns - START_NS <= 8 * SECOND_NS
