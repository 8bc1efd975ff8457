"""The broker's time, by an offset that is measured between question and answer."""

import asyncio

import pytest

from brokergw.transport.broker_clock import BrokerClock
from tests.fixtures.alpaca_wire import StillClock

SECOND_NS = 1_000_000_000


async def test_the_offset_is_taken_in_the_middle() -> None:
    """A broker three seconds ahead that answers after two seconds is known to be three seconds ahead."""
    ours = StillClock()
    clock = BrokerClock(ours)

    async def ask() -> int:
        ours.now += SECOND_NS
        theirs = ours.now + 3 * SECOND_NS
        ours.now += SECOND_NS
        return theirs

    assert clock.is_due
    await clock.measure(ask)
    assert clock.offset_ns == 3 * SECOND_NS
    assert clock.now_ns() == ours.now + 3 * SECOND_NS


async def test_a_measurement_is_kept_until_it_is_old_or_distrusted() -> None:
    """It is not due at its age limit, is due beyond, and at once after a refusal."""
    ours = StillClock()
    clock = BrokerClock(ours, keep_s=1800)
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        return ours.now

    await asyncio.gather(*(clock.measure(ask) for _ in range(5)))
    assert asked == 1
    ours.now += 1800 * SECOND_NS
    assert not clock.is_due
    ours.now += SECOND_NS
    assert clock.is_due
    await clock.measure(ask)
    clock.distrust()
    assert clock.is_due


async def test_a_failed_measurement_leaves_the_last_one() -> None:
    """An error of the question is raised on, the offset stays, and it is still due."""
    clock = BrokerClock(StillClock())

    async def fail() -> int:
        raise RuntimeError("away")

    with pytest.raises(RuntimeError):
        await clock.measure(fail)
    assert clock.offset_ns == 0
    assert clock.is_due
