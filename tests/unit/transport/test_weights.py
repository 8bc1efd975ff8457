"""Windows of a broker's clock, and bans that hold for everybody at an address."""

import pytest

from brokergw.transport.throttle import Spent
from brokergw.transport.weights import AddressBudget, Window
from tests.fixtures.alpaca_wire import StillClock

MINUTE_NS = 60_000_000_000


def window(clock: StillClock, limit: int | None = 100, reserve: float = 0.0) -> Window:
    """A window of a minute."""
    return Window(limit, 60, now_ns=clock.now_ns, reserve=reserve)


def test_a_window_lets_through_what_just_fits() -> None:
    """One below and exactly at the limit pass, one above is told when the window ends."""
    clock = StillClock()
    clock.now = clock.now // MINUTE_NS * MINUTE_NS + 15_000_000_000
    budget = window(clock)
    budget.spend(99)
    budget.check(1)
    budget.spend(1)
    with pytest.raises(Spent) as spent:
        budget.check(1)
    assert spent.value.retry_after_s == pytest.approx(45)


def test_the_reserve_is_for_cancels() -> None:
    """Ordinary requests stop at nine tenths, and what may take the reserve goes on to the whole."""
    budget = window(StillClock(), reserve=0.1)
    budget.spend(89)
    budget.check(1)
    budget.spend(1)
    with pytest.raises(Spent):
        budget.check(1)
    budget.check(10, reserve=True)
    with pytest.raises(Spent):
        budget.check(11, reserve=True)


def test_the_broker_knows_of_others() -> None:
    """What the broker counted more than we did counts, and less than we know of does not."""
    budget = window(StillClock())
    budget.spend(10)
    budget.learn(60)
    assert budget.used == 60
    budget.learn(20)
    assert budget.used == 60


def test_a_window_starts_over_by_the_clock() -> None:
    """At the next multiple of its length everything is free again, and a nanosecond before nothing is."""
    clock = StillClock()
    budget = window(clock)
    budget.fill()
    clock.now = budget.ends_ns - 1
    with pytest.raises(Spent):
        budget.check(1)
    clock.now += 1
    budget.check(100)


def test_without_a_limit_nothing_is_counted() -> None:
    """No limit lets everything through, and cannot be filled."""
    budget = window(StillClock(), None)
    budget.fill()
    budget.check(10**9)


def test_a_ban_holds_until_its_end() -> None:
    """Nothing passes while a ban holds, cancels included; a shorter one later takes nothing away."""
    clock = StillClock()
    budget = AddressBudget(window(clock, None), monotonic=clock.monotonic)
    budget.ban(120)
    budget.ban(1)
    clock.now += 119_000_000_000
    for cancel in (False, True):
        with pytest.raises(Spent) as spent:
            budget.take(1, cancel=cancel)
        assert spent.value.retry_after_s == pytest.approx(1)
    clock.now += 1_000_000_000
    budget.take(1)
