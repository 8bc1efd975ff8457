"""What becomes of the events of an account with time, and of a cursor that is older than they are."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from brokergw.desk.desk import Desk
from brokergw.desk.gates.standard import GateSettings
from brokergw.desk.keys.retention import Retention
from brokergw.desk.rules import DeskRules
from brokergw.desk.streams.pages import CursorExpired, View
from brokergw.desk.streams.tail import Tail
from brokergw.model.events import EventKind
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_journal import MemoryJournal
from tests.fixtures.memory_leases import LeaseTable, MemoryLeases
from tests.fixtures.memory_modes import live_in_memory
from tests.fixtures.scripted_broker import Bench, D, ScriptedBroker, one_connection, trader

ACCOUNT = "acc_1"
DAYS = 30
DAY_S = 24 * 3600
ROUND_S = 3600 + 70


@pytest.fixture
async def forgetful(still_clock: FakeClock) -> AsyncIterator[Bench]:
    """Give a started desk that keeps events for thirty days."""
    broker = ScriptedBroker(now_ns=still_clock.now_ns)
    journal, leases = MemoryJournal(), MemoryLeases(LeaseTable(still_clock))
    rules = DeskRules(event_retention_days=DAYS)
    gates, live = GateSettings(D(10_000)), live_in_memory(still_clock)
    desk = Desk(journal, one_connection(), {"scripted": broker}, still_clock, gates, leases, live, rules=rules)
    await desk.start()
    yield Bench(desk, broker, journal, still_clock, trader(), leases)
    await desk.stop()


async def traded(bench: Bench, orders: int = 2) -> int:
    """Place orders; gives the account's last sequence."""
    for _ in range(orders):
        await bench.submit(bench.order())
    return len(bench.journal.log[ACCOUNT])


async def later(bench: Bench, days: float) -> None:
    """Let time pass, and the round of retention that follows."""
    bench.clock.advance(days * DAY_S)
    await bench.clock.pass_time(ROUND_S)


@pytest.mark.parametrize(("days", "kept"), [(DAYS - 1, True), (DAYS, False), (DAYS + 1, False)])
async def test_events_are_kept_for_so_many_days(forgetful: Bench, days: float, kept: bool) -> None:  # noqa: FBT001 - a case
    """Younger ones all stay; of older ones the newest does."""
    last = await traded(forgetful)
    begun = forgetful.journal.pruned.get(ACCOUNT, 0)
    await later(forgetful, days)
    assert begun == 0
    pruned = forgetful.journal.pruned.get(ACCOUNT, 0)
    assert pruned == 0 if kept else pruned >= last - 1
    assert pruned < len(forgetful.journal.log[ACCOUNT])


@pytest.mark.parametrize("off_ns", [-1, 0, 1])
async def test_an_event_goes_when_it_is_older_than_that_and_not_when_it_is_as_old(
    forgetful: Bench, off_ns: int
) -> None:
    """The limit itself is kept, to the nanosecond."""
    await traded(forgetful)
    first, *_ = log = forgetful.journal.log[ACCOUNT]
    now = forgetful.clock.now_ns()
    limit = now - DAYS * DAY_S * 1_000_000_000
    log[0] = replace(first, publish_time_ns=limit + off_ns)
    retention = Retention(
        forgetful.journal, forgetful.desk._sessions, forgetful.clock, DeskRules(event_retention_days=DAYS)
    )
    await retention._events_round()
    assert forgetful.journal.pruned.get(ACCOUNT, 0) == (1 if off_ns < 0 else 0)


async def test_without_the_setting_events_stay_for_ever(bench: Bench) -> None:
    """Nothing is let go of that nobody asked to."""
    await traded(bench)
    await later(bench, 5_000)
    assert bench.journal.pruned.get(ACCOUNT, 0) == 0


async def test_who_holds_the_connection_lets_go_and_nobody_else(forgetful: Bench) -> None:
    """A process that does not hold an account's connection leaves its events; those of a revoked one anybody takes."""
    last = await traded(forgetful)
    forgetful.clock.advance((DAYS + 1) * DAY_S)
    (session,) = forgetful.desk.sessions()
    lease, session.lease = session.lease, None
    retention = Retention(
        forgetful.journal, forgetful.desk._sessions, forgetful.clock, DeskRules(event_retention_days=DAYS)
    )
    await retention._events_round()
    assert forgetful.journal.pruned.get(ACCOUNT, 0) == 0
    await forgetful.desk._sessions._directory.revoke("alice", "con_1", 1)
    await retention._events_round()
    assert forgetful.journal.pruned[ACCOUNT] >= last - 1
    session.lease = lease


async def test_a_cursor_older_than_the_events_is_refused_with_the_one_that_works(forgetful: Bench) -> None:
    """Nothing is skipped over: whoever was away for too long is told, and told from where on it can be had."""
    last = await traded(forgetful)
    await later(forgetful, DAYS + 1)
    tail, view = Tail(forgetful.journal, forgetful.clock), View(EventKind.ORDER)
    with pytest.raises(CursorExpired) as expired:
        await tail.after("alice", ACCOUNT, last - 2, view)
    earliest = expired.value.earliest[ACCOUNT]
    assert earliest == forgetful.journal.pruned[ACCOUNT]
    assert (await tail.after("alice", ACCOUNT, earliest, view)).covered >= last
