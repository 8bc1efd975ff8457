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
    then = clock.haste.then_ns
    assert since <= then + 1_000_000_000
    assert then + (before - since) * 8 <= hurried <= then + (after - since) * 8
    assert Haste(**clock.haste.as_json()) == clock.haste


def test_time_that_is_slowed_down_again_never_goes_back() -> None:
    """What was won stays won, and how it was hurried at first is known."""
    clock = ChainClock().hurry(1_000_000)
    first = clock.haste
    ahead = clock.now_ns()
    clock.hurry(1)
    assert clock.now_ns() >= ahead > time.time_ns()
    assert clock.first is first
    assert (first.at(first.then_ns - 1), first.at(first.then_ns)) == (1, 1_000_000)
