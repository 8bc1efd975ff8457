"""The broker's time, by an offset that is measured between question and answer."""

import asyncio
from email.utils import formatdate

import pytest

from brokergw.transport.broker_clock import BrokerClock
from brokergw.transport.heard_clock import HeardClock
from tests.fixtures.alpaca_wire import StillClock

SECOND_NS = 1_000_000_000


async def test_the_offset_is_taken_in_the_middle() -> None:
    """A broker three seconds ahead that answers after two seconds is known to be three seconds ahead."""
    ours = StillClock()
    clock = BrokerClock(ours, HeardClock(ours))

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
    clock = BrokerClock(ours, HeardClock(ours), keep_s=1800)
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
    ours = StillClock()
    clock = BrokerClock(ours, HeardClock(ours))

    async def fail() -> int:
        raise RuntimeError("away")

    with pytest.raises(RuntimeError):
        await clock.measure(fail)
    assert clock.offset_ns == 0
    assert clock.is_due


async def test_what_was_measured_is_what_the_clocks_are_apart() -> None:
    """There is one truth: signatures and the gate go by the same measurement, and a new one counts at once."""
    ours = StillClock()
    heard = HeardClock(ours)
    clock = BrokerClock(ours, heard)
    ahead_ns = 3 * SECOND_NS

    async def ask() -> int:
        return ours.now + ahead_ns

    await clock.measure(ask)
    assert heard.apart_s() == pytest.approx(3.0)
    ahead_ns = 0
    clock.distrust()
    await clock.measure(ask)
    assert (clock.offset_ns, heard.apart_s()) == (0, 0.0)


@pytest.mark.parametrize(("set_by_ms", "due"), [(499, False), (502, True), (-500, False), (-502, True)])
async def test_a_clock_that_was_set_since_is_measured_again(set_by_ms: int, *, due: bool) -> None:
    """Half a second from what was heard is the most; the millisecond of the measurement is left open."""
    ours = StillClock()
    moved_ns = 0
    plain = ours.now_ns
    ours.now_ns = lambda: plain() + moved_ns  # type: ignore[method-assign]
    clock = BrokerClock(ours, HeardClock(ours))

    async def ask() -> int:
        return plain()

    await clock.measure(ask)
    assert not clock.is_due
    moved_ns = set_by_ms * SECOND_NS // 1000
    assert clock.is_due is due
    await clock.measure(ask)
    assert clock.offset_ns == (-moved_ns if due else 0)
    assert not clock.is_due


async def test_dates_that_say_otherwise_have_it_measured_again() -> None:
    """The broker's clock was set: its answers say so long before the half hour is over."""
    ours = StillClock()
    heard = HeardClock(ours)
    clock = BrokerClock(ours, heard)

    async def ask() -> int:
        return ours.now

    await clock.measure(ask)
    ours.now += 61 * SECOND_NS
    for _ in range(2):
        assert not clock.is_due
        heard.ask().answered(formatdate(ours.now // SECOND_NS + 9, usegmt=True), None)
        ours.now += SECOND_NS
    assert clock.is_due
