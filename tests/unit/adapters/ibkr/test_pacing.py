"""The gateway's paces: evenly spaced, cancels in a lane of their own, and one reading for all who ask at once."""

import asyncio

import pytest

from brokergw.adapters.ibkr.pacing import Lane, Pacer, Reading
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import NotSent
from brokergw.sim.dialects.ibkr import IbkrOptions
from brokergw.transport.throttle import Spent
from tests.fixtures.ibkr_world import ibkr_world


class Time:
    """A clock that jumps to the end of each wait."""

    def __init__(self) -> None:
        self.now = 100.0

    def now_ns(self) -> int:
        return round(self.now * 1e9)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


async def test_turns_are_spaced() -> None:
    """The first leaves at once, each further one a step later, and a pause is not saved up."""
    time = Time()
    lane = Lane(time, 2.0)
    left = []
    for _ in range(3):
        await lane.turn()
        left.append(time.now)
    time.now += 50
    await lane.turn()
    await lane.turn()
    assert left == [100.0, 102.0, 104.0]
    assert time.now == 156.0


@pytest.mark.parametrize(("ahead", "waits"), [(4, True), (5, True), (6, False)])
async def test_nobody_waits_for_ever(ahead: int, *, waits: bool) -> None:
    """Whoever would wait longer than the bound is turned away, and told how long it would have been."""
    time = Time()
    lane = Lane(time, 1.0, wait_max_s=5.0)
    lane._free_at = time.now + ahead
    if waits:
        await lane.turn()
    else:
        with pytest.raises(Spent) as caught:
            await lane.turn()
        assert caught.value.retry_after_s == ahead


@pytest.mark.parametrize(("processes", "gap"), [(0, 2.0), (1, 2.0), (2, 4.0), (3, 6.0)])
async def test_processes_share_a_pace(processes: int, gap: float) -> None:
    """Each of several processes takes its part, so that together they keep the broker's pace."""
    time = Time()
    lane = Lane(time, 2.0, processes=lambda: processes)
    await lane.turn()
    await lane.turn()
    assert time.now == 100.0 + gap


async def test_a_new_process_does_not_read_on_the_heels_of_an_old_one() -> None:
    """Nobody knows when a process that has ended read its list last, so the first reading waits a step."""
    time = Time()
    await Lane(time, 5.5, careful=True).turn()
    assert time.now == 105.5


async def test_cancels_do_not_queue_behind_the_rest() -> None:
    """While ordinary requests wait for their turns, a cancel leaves at once (T2)."""
    time = Time()
    pacer = Pacer(time, 10.0)
    for _ in range(30):
        pacer._ordinary._free_at += 1.0
    before = time.now
    await pacer.turn(cancel=True)
    assert time.now == before


async def test_who_asks_at_once_shares_a_reading_that_begins_later() -> None:
    """A reading under way is not shared: what happened since it began could be missing in it."""
    began: list[int] = []
    go = asyncio.Event()

    async def read() -> int:
        began.append(len(began))
        await go.wait()
        return began[-1]

    reading = Reading(Lane(Time(), 0.0), read, Time())
    first = asyncio.create_task(reading.fresh())
    while not began:
        await asyncio.sleep(0)
    later = [asyncio.create_task(reading.fresh()) for _ in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, *later)
    assert len(began) == 2


async def test_a_list_that_too_many_wait_for_is_throttled() -> None:
    """Whoever cannot get a turn in time hears of it as of any spent budget, and the next one may try again."""
    time = Time()
    lane = Lane(time, 1.0, wait_max_s=5.0)
    lane._free_at = time.now + 6

    async def read() -> int:
        return 1

    reading = Reading(lane, read, time)
    with pytest.raises(GatewayError) as caught:
        await reading.fresh()
    assert caught.value.reason is Reason.BROKER_RATE_LIMITED
    time.now += 6
    assert await reading.fresh() == 1


async def test_a_recent_reading_serves_until_it_is_old() -> None:
    """Something read a moment ago is given again, and read anew once it is as old as is allowed."""
    count = []
    time = Time()

    async def read() -> int:
        count.append(1)
        return len(count)

    reading = Reading(Lane(time, 0.0), read, time)
    assert await reading.recent(5.0) == 1
    time.now += 4.999
    assert await reading.recent(5.0) == 1
    time.now += 0.001
    assert await reading.recent(5.0) == 2


async def test_a_reading_that_fails_fails_for_all_and_not_for_the_next() -> None:
    """Everybody who waited hears of the failure, and who comes later reads anew."""
    fails = [True]

    async def read() -> int:
        if fails:
            raise ValueError("broken")
        return 7

    reading = Reading(Lane(Time(), 0.0), read, Time())
    waiting = [asyncio.create_task(reading.fresh()) for _ in range(3)]
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in outcomes] == [ValueError] * 3
    fails.clear()
    assert await reading.fresh() == 7


async def test_the_adapter_keeps_the_brokers_paces() -> None:
    """Against a gateway that counts, a busy adapter is never put into the penalty box."""
    options = IbkrOptions(tick_interval_s=None, asks=frozenset(), paced=True)
    async with ibkr_world(options, per_second=10.0, pause_s=0.05) as world:
        world.clock.factor = 1.0
        broker = world.open()
        await asyncio.gather(*(broker.get_account() for _ in range(12)))
        assert not [each for each in world.server.journal if each.status == 429]
        await broker.disconnect()


async def test_nothing_is_sent_while_the_penalty_lasts() -> None:
    """After a 429 without a word about when, nothing leaves for as long as addresses are boxed (T1)."""
    async with ibkr_world(IbkrOptions(tick_interval_s=None, paced=True), penalty_s=600.0) as world:
        broker = world.open()
        for _ in range(12):
            await broker.cancel_order("1")
        assert [each.status for each in world.server.journal][-1] == 429
        arrived = world.server.journal.arrived
        outcome = await broker.cancel_all()
        assert isinstance(outcome, NotSent)
        assert outcome.retry_after_s is not None
        assert outcome.retry_after_s > 590
        with pytest.raises(GatewayError) as caught:
            await broker.get_account()
        assert caught.value.reason is Reason.BROKER_RATE_LIMITED
        assert world.server.journal.arrived == arrived
        await broker.disconnect()
