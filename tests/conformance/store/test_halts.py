"""The book of halts, on both databases; what several processes make of it, on PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest

from brokergw.app.clock import SystemClock
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.trading import PLATFORM, Halt, HaltCause, ScopeKind, TradingScope, TradingState
from brokergw.ports.halts import Finding, FindingState, HaltWish, News, Residual, SweepOrder
from brokergw.store import Store
from brokergw.store.halts.file import HaltsUnreadable, JsonHaltFile
from brokergw.store.ledger.halting import HALT_LOCK
from tests.fixtures.stores import open_for_test

ALICE = TradingScope(ScopeKind.USER, ("alice",))
AUDIT = AuditRow(time_ns=1, request_id="r", user_id="root", key_id="k", action="halt", outcome="HALTED")
SWEEP = SweepOrder(sweep_id="swp_1", flatten=False, user_id="root", key_id="k", request_id="r")


def wish(
    scope: TradingScope = PLATFORM,
    state: TradingState = TradingState.HALTED,
    *,
    reason: str = "because",
    sweep: SweepOrder | None = None,
) -> HaltWish:
    """Make a wish of the kill switch."""
    return HaltWish(
        scope=scope,
        cause=HaltCause.KILL_SWITCH,
        state=state,
        reason=reason,
        set_by="root",
        set_time_ns=7,
        audit=AUDIT,
        sweep=sweep,
    )


async def place(store: Store, what: HaltWish) -> tuple[Halt, News]:
    """Put a halt into a store's book."""
    return await store.halts.place(what)


async def test_a_halt_stands_after_the_process_has_ended(store_url: str) -> None:
    """K5: what was put into the book is there for the next life of the process, whole."""
    async with open_for_test(store_url) as store:
        halt, news = await place(store, wish(ALICE, TradingState.REDUCE_ONLY))
        assert news.halts == (halt,)
    async with open_for_test(store_url) as store:
        again = await store.halts.open(lambda _: None)
        assert again.halts == (halt,)
        assert again.epoch == news.epoch == halt.epoch
        assert halt == Halt(
            scope=ALICE,
            cause=HaltCause.KILL_SWITCH,
            state=TradingState.REDUCE_ONLY,
            reason="because",
            set_by="root",
            set_time_ns=7,
            epoch=halt.epoch,
        )


async def test_what_stands_is_made_stricter_and_never_looser(store: Store) -> None:
    """A halt of the same scope and cause replaces a milder one; a milder one changes nothing."""
    first, _ = await place(store, wish(state=TradingState.REDUCE_ONLY))
    second, news = await place(store, wish(state=TradingState.HALTED, reason="worse"))
    assert news.halts == (second,)
    assert second.epoch > first.epoch
    assert second.reason == "worse"
    third, news = await place(store, wish(state=TradingState.REDUCE_ONLY, reason="milder"))
    assert third == second
    assert news.halts == (second,)


async def test_a_halt_is_lifted_by_who_has_seen_it_as_it_stands(store: Store) -> None:
    """Lifting names the halt's epoch: another one is refused, and so is a halt that does not stand."""
    halt, _ = await place(store, wish())
    for epoch in (halt.epoch - 1, halt.epoch + 1):
        with pytest.raises(GatewayError) as refused:
            await store.halts.lift(PLATFORM, HaltCause.KILL_SWITCH, epoch=epoch, audit=AUDIT)
        assert refused.value.reason is Reason.KILL_SWITCH_EPOCH_CHANGED
    news = await store.halts.lift(PLATFORM, HaltCause.KILL_SWITCH, epoch=halt.epoch, audit=AUDIT)
    assert news.halts == ()
    assert news.epoch > halt.epoch
    with pytest.raises(GatewayError) as refused:
        await store.halts.lift(PLATFORM, HaltCause.KILL_SWITCH, epoch=None, audit=AUDIT)
    assert refused.value.reason is Reason.HALT_NOT_FOUND


async def test_a_sweep_lives_as_long_as_its_halt(store: Store) -> None:
    """A scope and cause have one sweep, which may come to flatten too; lifting ends it with what it found."""
    await place(store, wish(sweep=SWEEP))
    again = SweepOrder(sweep_id="swp_2", flatten=True, user_id="other", key_id="", request_id="")
    await place(store, wish(sweep=again))
    (sweep,) = await store.halts.sweeps()
    assert (sweep.sweep_id, sweep.order.user_id, sweep.order.flatten) == ("swp_1", "root", True)
    found = Finding(
        sweep_id="swp_1",
        account_id="acc",
        user_id="alice",
        state=FindingState.BLOCKED,
        residuals=(Residual(symbol="AAPL", order_id="ord_1", why="the broker does not answer"),),
        why="down",
        time_ns=9,
    )
    await store.halts.report(found)
    await store.halts.report(found)
    assert await store.halts.findings() == (found,)
    await store.halts.lift(PLATFORM, HaltCause.KILL_SWITCH, epoch=None, audit=AUDIT)
    assert await store.halts.sweeps() == ()
    assert await store.halts.findings() == ()
    await store.halts.report(found)
    assert await store.halts.findings() == ()


class Hears:
    """Takes note of what a process hears of the book."""

    def __init__(self) -> None:
        self.news: list[News] = []

    def __call__(self, news: News) -> None:
        """Hear it."""
        self.news.append(news)

    async def until(self, what: Callable[[News], bool], within_s: float = 2.0) -> float:
        """Wait for news of a kind; gives how long that took."""
        began = time.monotonic()
        while not any(what(each) for each in self.news):
            assert time.monotonic() - began < within_s
            await asyncio.sleep(0.001)
        return time.monotonic() - began


@pytest.fixture
async def two(postgresql_url: str) -> AsyncIterator[tuple[Store, Hears, Store, Hears]]:
    """Give two processes on one book, and what each of them hears."""
    async with (
        open_for_test(postgresql_url, SystemClock()) as one,
        open_for_test(postgresql_url, SystemClock()) as other,
    ):
        hears = Hears(), Hears()
        await one.halts.open(hears[0])
        await other.halts.open(hears[1])
        yield one, hears[0], other, hears[1]


async def test_every_process_hears_of_a_halt_and_says_so(two: tuple[Store, Hears, Store, Hears]) -> None:
    """K5: another process's next look shows the halt; the one that halted waits for it until it has confirmed."""
    one, _, other, hears = two
    halt, news = await place(one, wish())
    assert await one.halts.unconfirmed(news.epoch) == frozenset({other.leases.instance_id})
    await hears.until(lambda each: each.halts == (halt,))
    await other.halts.confirm(news.epoch)
    assert await one.halts.unconfirmed(news.epoch) == frozenset()


async def test_a_process_that_is_fenced_hears_of_it(two: tuple[Store, Hears, Store, Hears]) -> None:
    """A process that is not counted on any more is told so by its next look, and then counts again."""
    one, _, other, hears = two
    name = other.leases.instance_id
    await one.halts.fence(frozenset({name}))
    await hears.until(lambda each: each.fenced)
    hears.news.clear()
    await hears.until(lambda each: not each.fenced)
    _, news = await place(one, wish())
    assert name in await one.halts.unconfirmed(news.epoch)


async def test_a_process_that_leaves_is_not_waited_for(postgresql_url: str) -> None:
    """Who has closed its store is not among those that have to confirm."""
    async with open_for_test(postgresql_url, SystemClock()) as one:
        async with open_for_test(postgresql_url, SystemClock()) as other:
            await other.halts.open(lambda _: None)
        _, news = await place(one, wish())
        assert await one.halts.unconfirmed(news.epoch) == frozenset()


async def test_an_admission_that_does_not_end_is_ended(
    two: tuple[Store, Hears, Store, Hears], postgresql_url: str
) -> None:
    """A session that holds the admissions' lock for good keeps a halt back a fifth of a second, then it is ended.

    A session that holds another lock is left alone.
    """
    one, _, _, _ = two
    with psycopg.connect(postgresql_url) as frozen, psycopg.connect(postgresql_url) as beside:
        frozen.execute("SELECT pg_advisory_xact_lock_shared(%s::bigint)", (HALT_LOCK,))
        beside.execute("SELECT pg_advisory_xact_lock_shared(%s::bigint)", (HALT_LOCK + 1,))
        began = time.monotonic()
        await place(one, wish())
        took_s = time.monotonic() - began
        assert 0.19 < took_s < 0.9
        beside.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            frozen.execute("SELECT 1")


async def test_a_file_keeps_halts_for_the_next_life(tmp_path: Path) -> None:
    """What a dead process kept is taken over, oldest first and once; what a living one keeps is left alone."""
    first = JsonHaltFile(tmp_path)
    await first.keep([wish(sweep=SWEEP), wish(ALICE)])
    beside = JsonHaltFile(tmp_path)
    assert beside.load() == ()
    beside.close()
    first.close()
    second = JsonHaltFile(tmp_path)
    assert second.load() == (wish(sweep=SWEEP), wish(ALICE))
    second.close()
    third = JsonHaltFile(tmp_path)
    assert len(third.load()) == 2
    await third.keep([])
    third.close()
    assert JsonHaltFile(tmp_path).load() == ()


def test_a_file_of_halts_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """A halt that was kept must not be forgotten because its file is spoilt."""
    (tmp_path / "halts-0.json").write_text("[{")
    with pytest.raises(HaltsUnreadable, match="halts-0"):
        JsonHaltFile(tmp_path)
