import asyncio
from dataclasses import replace

import pytest

from brokergw.desk.live.standings import Standings
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.modes import Standing
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_authenticators import MemoryAuthenticators
from tests.fixtures.memory_modes import MemoryModes


@pytest.fixture
def modes() -> MemoryModes:
    """Give modes in which ann is on paper."""
    made = MemoryModes(MemoryAuthenticators())
    made.standings["ann"] = Standing(user_id="ann", mode=Environment.PAPER)
    return made


def set_mode(modes: MemoryModes, mode: Environment) -> None:
    """Let another process change ann's mode."""
    modes.standings["ann"] = replace(modes.standings["ann"], mode=mode)


async def turn() -> None:
    """Let what was begun end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_busy_callers_never_wait_and_a_change_acts_within_a_second(
    modes: MemoryModes, still_clock: FakeClock
) -> None:
    """Within half a second nobody asks; from then on it is asked in the background, and the answer is used."""
    standings = Standings(modes, still_clock)
    assert (await standings.of("ann")).mode is Environment.PAPER
    set_mode(modes, Environment.MOCK)
    still_clock.advance(0.49)
    assert (await standings.of("ann")).mode is Environment.PAPER
    await turn()
    assert modes.looks == 1
    still_clock.advance(0.01)
    assert (await standings.of("ann")).mode is Environment.PAPER
    await turn()
    assert (await standings.of("ann")).mode is Environment.MOCK
    assert modes.looks == 2


async def test_what_is_a_second_old_is_not_used(modes: MemoryModes, still_clock: FakeClock) -> None:
    """After a quiet second the first caller waits for a fresh answer."""
    standings = Standings(modes, still_clock)
    await standings.of("ann")
    set_mode(modes, Environment.MOCK)
    still_clock.advance(1.0)
    assert (await standings.of("ann")).mode is Environment.MOCK


async def test_callers_share_one_question(modes: MemoryModes, still_clock: FakeClock) -> None:
    """However many wait, the store is asked once."""
    standings = Standings(modes, still_clock)
    await asyncio.gather(*(standings.of(user) for user in ("ann", "bob", "ann")))
    assert modes.looks == 1


async def test_who_cannot_be_looked_up_is_refused(modes: MemoryModes, still_clock: FakeClock) -> None:
    """While the store does not answer, what is known counts for its second and no longer."""
    standings = Standings(modes, still_clock)
    await standings.of("ann")
    modes.fails = GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")
    still_clock.advance(0.9)
    assert (await standings.of("ann")).mode is Environment.PAPER
    await turn()
    still_clock.advance(0.1)
    with pytest.raises(GatewayError) as caught:
        await standings.of("ann")
    assert caught.value.reason is Reason.JOURNAL_UNAVAILABLE
    modes.fails = None
    assert (await standings.of("ann")).mode is Environment.PAPER


async def test_a_refresh_takes_in_what_was_written_before_it(modes: MemoryModes, still_clock: FakeClock) -> None:
    """Even with a look under way that may have read too early."""
    standings = Standings(modes, still_clock)
    await standings.of("ann")
    still_clock.advance(0.6)
    await standings.of("ann")
    set_mode(modes, Environment.MOCK)
    await standings.refresh()
    assert (await standings.of("ann")).mode is Environment.MOCK


async def test_a_caller_that_leaves_takes_the_question_from_nobody(modes: MemoryModes, still_clock: FakeClock) -> None:
    """A cancelled caller's look goes on for the others."""
    standings = Standings(modes, still_clock)
    first = asyncio.create_task(standings.of("ann"))
    second = asyncio.create_task(standings.of("ann"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).mode is Environment.PAPER
    assert modes.looks == 1


async def test_a_user_without_any_entry_stands_at_the_beginning(modes: MemoryModes, still_clock: FakeClock) -> None:
    """Nothing was chosen, granted, acknowledged or bound."""
    assert await Standings(modes, still_clock).of("bob") == Standing(user_id="bob")
