"""Clocks that must agree."""

from dataclasses import dataclass

import pytest

from brokergw.desk.hours.skew import BROKER_APART_MAX_S, DatabaseClock, apart_s, require_together
from brokergw.model.errors import GatewayError, Reason
from tests.fixtures.clock import FakeClock

MS = 1_000_000


@dataclass
class OtherClock:
    """A clock that is ahead of ours, and takes its time to answer."""

    clock: FakeClock
    ahead_ms: int = 0
    takes_ms: int = 0
    down: bool = False

    async def now_ns(self) -> int:
        if self.down:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "down")
        told = self.clock.now_ns() + self.ahead_ms * MS
        self.clock.advance(self.takes_ms / 1_000)
        return told


@pytest.mark.parametrize(
    ("ahead_ms", "refused"), [(499, False), (500, False), (501, True), (-500, False), (-501, True)]
)
async def test_half_a_second_from_the_database_is_the_most(
    still_clock: FakeClock, ahead_ms: int, *, refused: bool
) -> None:
    """Ahead or behind, just below, at and just above."""
    watched = DatabaseClock(OtherClock(still_clock, ahead_ms), still_clock)
    assert await watched.look()
    if not refused:
        watched.require_together()
        return
    with pytest.raises(GatewayError) as caught:
        watched.require_together()
    assert caught.value.reason is Reason.CLOCK_SKEW
    assert caught.value.metadata["clock"] == "database"


async def test_a_slow_answer_is_no_difference(still_clock: FakeClock) -> None:
    """What the way took cannot be told from a difference, and is not held against the clock."""
    watched = DatabaseClock(OtherClock(still_clock, ahead_ms=0, takes_ms=3_000), still_clock)
    await watched.look()
    watched.require_together()


async def test_an_unmeasured_clock_is_not_trusted(still_clock: FakeClock) -> None:
    """Before the first answer, and a minute after the last one."""
    other = OtherClock(still_clock, down=True)
    watched = DatabaseClock(other, still_clock)
    assert not await watched.look()
    with pytest.raises(GatewayError) as caught:
        watched.require_together()
    assert caught.value.reason is Reason.CLOCK_SKEW
    other.down = False
    assert await watched.look()
    other.down = True
    still_clock.advance(60)
    assert not await watched.look()
    watched.require_together()
    still_clock.advance(0.001)
    with pytest.raises(GatewayError):
        watched.require_together()


async def test_a_database_in_the_same_machine_is_not_asked(still_clock: FakeClock) -> None:
    """An embedded database has no clock of its own."""
    watched = DatabaseClock(None, still_clock)
    assert await watched.look()
    watched.require_together()


@pytest.mark.parametrize(("seconds", "refused"), [(1.999, False), (2.0, False), (2.001, True)])
def test_two_seconds_from_the_broker_are_the_most(seconds: float, *, refused: bool) -> None:
    """Just below, at and just above."""
    if not refused:
        require_together(seconds, BROKER_APART_MAX_S, "broker")
        return
    with pytest.raises(GatewayError) as caught:
        require_together(seconds, BROKER_APART_MAX_S, "broker")
    assert (caught.value.reason, caught.value.metadata["clock"]) == (Reason.CLOCK_SKEW, "broker")


@pytest.mark.parametrize(
    ("told", "exact", "apart"),
    [(9_000, False, 0.0), (8_999, False, 1.001), (9_000, True, 1.0), (11_000, False, 0.0), (11_500, False, 0.5)],
)
def test_only_what_lies_outside_the_question_is_a_difference(told: int, *, exact: bool, apart: float) -> None:
    """Asked at 10 s and answered at 11 s; a time of whole seconds may have been cut off."""
    assert apart_s(told * MS, 10_000 * MS, 11_000 * MS, exact=exact) == apart
