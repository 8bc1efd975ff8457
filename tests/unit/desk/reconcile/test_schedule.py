"""How long an account's comparison rests when nothing is due."""

from typing import Any

import pytest

from brokergw.desk.reconcile.schedule import ReconcileSettings, Schedule
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_journal import MemoryJournal

LOOK_S = 0.5


def schedule_of(clock: FakeClock, *, shared: bool, every_s: float = 60.0) -> Schedule:
    """Make a schedule on a record that is shared, or not."""
    nothing: Any = None
    return Schedule(nothing, nothing, MemoryJournal(shared=shared), ReconcileSettings(every_s=every_s), clock)


@pytest.mark.parametrize(
    ("left_s", "rests_s"),
    [(60.0, 60.0), (LOOK_S + 0.1, LOOK_S + 0.1), (LOOK_S, LOOK_S), (LOOK_S - 0.1, LOOK_S), (-5.0, LOOK_S)],
    ids=["long before", "above a look", "at a look", "below a look", "late"],
)
async def test_where_nobody_else_can_ask_nobody_wakes_before_it_is_time(left_s: float, rests_s: float) -> None:
    """Alone, the task rests until the next comparison is due; one that must wait is looked at twice a second."""
    clock = FakeClock(auto=False)
    clock.advance(100)
    schedule = schedule_of(clock, shared=False)
    assert schedule._rest_s(clock.monotonic() + left_s) == pytest.approx(rests_s)


async def test_where_others_can_ask_it_is_looked_twice_a_second() -> None:
    """With other processes, one of which may ask for a comparison at any time, the rest is as short as ever."""
    schedule = schedule_of(FakeClock(auto=False), shared=True)
    assert schedule._rest_s(60.0) == LOOK_S


async def test_no_rest_is_longer_than_the_time_between_comparisons() -> None:
    """Where comparisons come faster than looks would, they are waited for no longer."""
    schedule = schedule_of(FakeClock(auto=False), shared=False, every_s=0.1)
    assert schedule._rest_s(0.1) == pytest.approx(0.1)
