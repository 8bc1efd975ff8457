"""How little an account is asked about while nothing can move its value, and how soon it is looked at when it can."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from brokergw.model.whose import Whose
from tests.fixtures.clock import FakeClock
from tests.fixtures.loss_world import D, Life, LossWorld
from tests.fixtures.memory_journal import MemoryJournal

EXPOSED_S = 3.5
STEP_S = 0.25


@dataclass
class CountingJournal(MemoryJournal):
    """Counts how often it is asked how far logs have come; `others` is what other processes have added to each."""

    asked: int = 0
    others: int = 0

    async def sequences(self, whose: Whose, account_ids: Sequence[str]) -> dict[str, int]:
        self.asked += 1
        known = await super().sequences(whose, account_ids)
        return {account_id: known[account_id] + self.others for account_id in account_ids}

    def ring(self) -> None:
        """Tell that another process may have written."""
        for waker in self.wakers:
            waker()


@pytest.fixture
def journal() -> CountingJournal:
    """Give a journal that counts."""
    return CountingJournal()


@pytest.fixture
def world(journal: CountingJournal) -> LossWorld:
    """Give a world with one account that holds nothing."""
    world = LossWorld(FakeClock(auto=False), journal=journal)
    world.account("acc_a")
    return world


def looked_at(life: Life) -> int:
    """Tell when the account was last looked at."""
    losses = life.desk.losses
    assert losses is not None
    row = losses.book.of("acc_a", losses.today())
    assert row is not None
    return row.equity_time_ns


async def idle(life: Life) -> int:
    """Let time pass until a look would come at once if there were a reason; gives when the last look was."""
    await life.world.clock.pass_time(2 * EXPOSED_S)
    return looked_at(life)


async def test_an_idle_account_is_hardly_asked_about(world: LossWorld, journal: CountingJournal) -> None:
    """Where nothing is held or open, the log is asked for its end every 3.5 s, and nobody looks at the account."""
    async with world.living() as life:
        before = await idle(life)
        journal.asked = 0
        await world.clock.pass_time(35)
        assert 9 <= journal.asked <= 11
        assert looked_at(life) == before


async def test_what_this_process_writes_is_looked_at_without_asking(world: LossWorld) -> None:
    """An order of this process has its account looked at with the next step."""
    async with world.living() as life:
        before = await idle(life)
        await life.order("acc_a", limit_price=D(40))
        await world.clock.pass_time(2 * STEP_S)
        assert looked_at(life) > before


@pytest.mark.parametrize(("rung", "within_s"), [(True, 1 + 2 * STEP_S), (False, EXPOSED_S + 2 * STEP_S)])
async def test_what_others_write_is_looked_at_in_time(
    world: LossWorld, journal: CountingJournal, *, rung: bool, within_s: float
) -> None:
    """What another process writes leads to a look within about a second of its ring; unheard, within four."""
    async with world.living() as life:
        before = await idle(life)
        journal.others += 1
        if rung:
            journal.ring()
        await life.until(lambda: looked_at(life) > before, within_s)


async def test_rings_about_others_cost_a_question_a_second(world: LossWorld, journal: CountingJournal) -> None:
    """However often other processes ring for other accounts, this one's log is asked for once a second at most."""
    async with world.living() as life:
        before = await idle(life)
        journal.asked = 0
        for _ in range(100):
            journal.ring()
            await world.clock.pass_time(0.1)
        assert 9 <= journal.asked <= 11
        assert looked_at(life) == before
