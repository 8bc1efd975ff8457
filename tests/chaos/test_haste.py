"""Hurried time: the same for all who live by it, and as fast as was said."""

import time

from tests.chaos.haste import ChainClock, Haste


def test_time_is_real_until_somebody_hurries_it() -> None:
    """A chain's trials happen in real time."""
    clock = ChainClock()
    before = time.time_ns()
    assert before <= clock.now_ns() <= time.time_ns()


def test_from_then_on_every_second_is_so_many_without_a_leap() -> None:
    """It goes on from the real time, by its factor; another process that is told of it has the same time."""
    clock = ChainClock().hurry(8)
    since = clock.haste.since_ns
    before = time.time_ns()
    hurried = clock.now_ns()
    after = time.time_ns()
    assert since + (before - since) * 8 <= hurried <= since + (after - since) * 8
    assert Haste(**clock.haste.as_json()) == clock.haste
