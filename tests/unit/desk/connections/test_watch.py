import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from brokergw.desk.connections.watch import AllShown, Draining, Quiet, Shown, WatchedItem
from brokergw.model.account import ConnectionHealth
from brokergw.model.outcome import FeedDown
from brokergw.model.principal import Caller, Principal, Scope
from tests.fixtures.scripted_broker import Bench

EVE = Caller(Principal("eve", "key_2", frozenset(Scope)), "req_2")


class Watcher:
    """Reads a stream of connections, as time passes."""

    def __init__(self, bench: Bench, caller: Caller, heartbeat_s: float) -> None:
        self.seen: list[WatchedItem] = []
        self._stream = bench.desk.watch_connections(caller, heartbeat_s)
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for item in self._stream:
            self.seen.append(item)

    def taken(self) -> list[WatchedItem]:
        """Give what came since the last time."""
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
async def watcher(bench: Bench) -> AsyncIterator[Watcher]:
    """Watch alice's connections, in step with the broker since a while."""
    await bench.clock.pass_time(5)
    made = Watcher(bench, bench.caller, 15.0)
    await bench.clock.pass_time(1)
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def test_first_all_then_what_changes(bench: Bench, watcher: Watcher) -> None:
    """A stream begins with every connection, says that this was all, and tells each change, once."""
    first, complete = watcher.taken()
    assert isinstance(first, Shown)
    assert first.first
    assert first.card.status.health is ConnectionHealth.HEALTHY
    assert complete == AllShown(1)

    await bench.tell(FeedDown("the line broke"))
    await bench.clock.pass_time(0.5)

    (changed,) = watcher.taken()
    assert isinstance(changed, Shown)
    assert not changed.first
    assert "(the line broke)" in changed.card.status.detail


async def test_a_revocation_is_told_within_a_second(bench: Bench, watcher: Watcher) -> None:
    """Whoever revokes, here or in another process, its watchers hear of it within a second."""
    watcher.taken()
    directory = bench.desk._sessions._directory
    await directory.revoke("alice", "con_1", bench.clock.now_ns())
    await bench.clock.pass_time(1)
    told = watcher.taken()
    assert isinstance(told[-1], Shown)
    assert told[-1].card.connection.revoked


async def test_passing_moments_are_told_every_ten_seconds_at_most(bench: Bench, watcher: Watcher) -> None:
    """Where only times pass, one message in ten seconds says how late it is."""
    watcher.taken()
    for _ in range(60):
        session = bench.desk.sessions()[0]
        session.last_message_ns = bench.clock.now_ns()
        await bench.clock.pass_time(1)
    assert 5 <= len(watcher.taken()) <= 6


async def test_silence_is_broken_by_heartbeats(bench: Bench) -> None:
    """A user without connections is told so at once, and then every interval that the stream is alive."""
    watcher = Watcher(bench, EVE, 5.0)
    await bench.clock.pass_time(16)
    assert watcher.taken() == [AllShown(0), Quiet(), Quiet(), Quiet()]
    watcher.task.cancel()


async def test_a_new_connection_is_shown_to_its_user_alone(bench: Bench) -> None:
    """A connection that appears is told to those in whose reach it is, and to nobody else."""
    restricted = replace(bench.caller, principal=replace(bench.caller.principal, accounts=frozenset({"acc_2"})))
    watchers = [Watcher(bench, caller, 60.0) for caller in (EVE, restricted)]
    await bench.clock.pass_time(1)
    for watcher in watchers:
        assert watcher.taken() == [AllShown(0)]
        watcher.task.cancel()


async def test_a_draining_process_ends_its_streams(bench: Bench, watcher: Watcher) -> None:
    """The last item says why."""
    watcher.taken()
    bench.desk.drain()
    await bench.clock.pass_time(0.5)
    assert watcher.taken() == [Draining()]
    assert watcher.task.done()
