"""Days of loss: how they begin, what outlives them, and when they end."""

from decimal import Decimal

import pytest

from brokergw.model.loss import OpeningSource
from tests.fixtures.clock import FakeClock
from tests.fixtures.loss_world import D, LossWorld
from tests.unit.desk.loss.days import at, world_at

STOPPED_WITHIN_S = 5


@pytest.fixture
def world() -> LossWorld:
    """Give a world on a Friday at 03:00 in New York."""
    return LossWorld(FakeClock(auto=False))


async def test_a_stop_outlives_gains_and_restarts(world: LossWorld) -> None:
    """Whatever is gained back, and however often the gateway restarts, the user stays stopped on that day."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
        account.price = D(60)
        await world.clock.pass_time(60)
    async with world.living():
        await world.clock.pass_time(60)
    assert world.halted() is not None
    assert world.day("acc_a").opening_equity == D(100_000)
    assert world.day("acc_a").crossed_time_ns is not None


async def test_a_restart_hides_no_loss(world: LossWorld) -> None:
    """What was lost before a restart counts after it."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living():
        account.price = D(45)
        await world.clock.pass_time(10)
    async with world.living() as life:
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)


async def test_the_next_day_begins_anew_with_what_is_held_over_night() -> None:
    """Positions stay open over the start of a day: its opening equity is what they are worth then, and the user goes
    on.
    """
    world = world_at("2027-01-15T23:59:00-05:00")
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
        await world.clock.pass_time(40)
        assert world.halted() is not None
        await world.clock.pass_time(20)
        assert world.halted() is None
        account.price = D(31)
        await world.clock.pass_time(10)
        assert world.halted() is None
        account.price = D(30)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
    day = world.day("acc_a")
    assert (day.trading_day, day.opening_equity, day.opening_source) == ("2027-01-16", D(99_000), OpeningSource.BROKER)


async def test_a_day_that_begins_with_the_limit_reached_lets_nobody_go() -> None:
    """Where the new day's loss is at the limit when it is first known, the stop stays, gains or not."""
    world = world_at("2027-01-15T23:00:00-05:00")
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
    # Nobody looks as the next day begins; its loss is reckoned from the close.
    account.last_close, account.price = D(99_500), D(25)
    world.clock.advance(2 * 3600)
    async with world.living():
        await world.clock.pass_time(20)
        assert world.halted() is not None
        account.price = D(50)
        await world.clock.pass_time(60)
    assert world.halted() is not None
    assert world.day("acc_a").crossed_time_ns is not None


async def test_an_account_that_cannot_be_seen_on_the_new_day_keeps_its_user_stopped() -> None:
    """While a broker is away the new day is not known to be free of losses."""
    world = world_at("2027-01-15T23:59:00-05:00")
    account, other = world.account("acc_a"), world.account("acc_b")
    account.hold(D(100))
    other.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
        other.dark = True
        await world.clock.pass_time(120)
        assert world.halted() is not None
        other.dark = False
        await life.until(lambda: world.halted() is None, 10)


async def test_a_day_of_twenty_five_hours_lasts_as_long() -> None:
    """When clocks go back a stop lasts until the clocks of New York begin the next day, an hour later than usual."""
    world = world_at("2026-11-01T00:00:30-04:00")
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
    world.clock.advance((at("2026-11-01T23:59:30-05:00") - world.clock.now_ns()) / 1e9)
    async with world.living():
        await world.clock.pass_time(20)
        assert world.halted() is not None
        assert world.day("acc_a").trading_day == "2026-11-01"
        await world.clock.pass_time(20)
        assert world.halted() is None
    assert world.day("acc_a").trading_day == "2026-11-02"


@pytest.mark.parametrize(
    ("last_close", "flow", "source", "opening"),
    [
        (D(101_000), False, OpeningSource.BROKER_CLOSE, D(101_000)),
        (None, False, OpeningSource.LATE, D(100_000)),
        (D(101_000), True, OpeningSource.LATE, D(105_000)),
    ],
    ids=["told by the broker", "not told", "mixed with a deposit"],
)
async def test_a_day_that_nobody_saw_begin(
    last_close: Decimal | None, source: OpeningSource, opening: Decimal, *, flow: bool
) -> None:
    """A first look in the middle of a day takes the broker's word for what it began with, and flags where it cannot."""
    world = world_at("2027-01-15T11:00:00-05:00")
    account = world.account("acc_a", last_close=last_close)
    if flow:
        account.flow(D(5_000), "DEPOSIT")
    async with world.living():
        pass
    day = world.day("acc_a")
    assert (day.opening_source, day.opening_equity) == (source, opening)
