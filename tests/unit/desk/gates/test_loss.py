"""Gate 4 and the daily loss: at, below and above the limit, and what is not known."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.model.errors import GatewayError, Objection, PreflightDenied, Reason
from brokergw.model.lifecycle import State
from brokergw.model.limits import Limits, LimitSource, LimitsScope, ScopeLimits
from brokergw.model.outcome import Inconclusive, Outcome, Unknown
from brokergw.model.terms import OrderTerms, Side
from tests.fixtures.clock import FakeClock
from tests.fixtures.loss_world import D, Life, LossWorld


@pytest.fixture
def world() -> LossWorld:
    """Give a world in which alice holds 100 and may lose 1,000."""
    world = LossWorld(FakeClock(auto=False))
    world.account("acc_a").hold(D(100))
    world.limit("alice", D(1_000))
    return world


async def denied(life: Life, account_id: str = "acc_a", **terms: Any) -> tuple[Objection, ...]:
    """Give what the gates object to in an order; nothing where it passes."""
    try:
        await life.order(account_id, **terms)
    except PreflightDenied as denial:
        return denial.objections
    return ()


@pytest.mark.parametrize(
    ("price", "refused"), [(D("40.01"), False), (D("40.00"), True), (D("39.99"), True)], ids=["below", "at", "above"]
)
async def test_an_order_is_refused_at_the_limit_by_what_the_broker_says_for_it(
    world: LossWorld, price: Decimal, *, refused: bool
) -> None:
    """The moment the broker shows a loss of 1,000 of 1,000 an order that adds is refused, before anybody is stopped."""
    async with world.living() as life:
        world.accounts.by_id["acc_a"].price = price
        objections = await denied(life, limit_price=price)
        assert world.halted() is None
        assert [each.reason for each in objections] == ([Reason.DAILY_LOSS_LIMIT_REACHED] if refused else [])
        if refused:
            [objection] = objections
            assert (objection.limit_name, objection.source, objection.limit) == ("daily_loss_max", "USER", "1000")
            assert objection.used == ("1000" if price == D(40) else "1001")


async def test_what_makes_a_position_smaller_passes(world: LossWorld) -> None:
    """Selling what is held passes at any loss, before the user is stopped and after; selling more does not."""
    async with world.living() as life:
        account = world.accounts.by_id["acc_a"]
        account.shorting = True
        account.price = D(30)
        more = await denied(life, side=Side.SELL, quantity=D(101), limit_price=D(30))
        assert Reason.DAILY_LOSS_LIMIT_REACHED in {each.reason for each in more}
        assert not await denied(life, side=Side.SELL, quantity=D(50), limit_price=D(30))
        await life.until(lambda: world.halted() is not None, 5)
        assert not await denied(life, side=Side.SELL, quantity=D(50), limit_price=D(30))
        [objection] = await denied(life, limit_price=D(30))
        assert objection.reason is Reason.REDUCE_ONLY_MODE


async def test_a_strategys_own_limit_refuses_its_orders_and_stops_nobody(world: LossWorld) -> None:
    """A strategy with a lower limit is refused at it; the user's other orders pass."""
    scope = LimitsScope(source=LimitSource.STRATEGY, user_id="alice", strategy_id="momentum")
    world.limits.limits[scope] = ScopeLimits(scope=scope, limits=Limits(daily_loss_max=D(100)), version=1)
    async with world.living() as life:
        world.accounts.by_id["acc_a"].price = D(49)
        await world.clock.pass_time(10)
        [objection] = await denied(life, strategy_id="momentum", limit_price=D(49))
        assert (objection.reason, objection.source) == (Reason.DAILY_LOSS_LIMIT_REACHED, "STRATEGY")
        assert not await denied(life, limit_price=D(49))
        assert world.halted() is None


async def test_a_limit_of_zero_refuses_everything_that_adds(world: LossWorld) -> None:
    """Zero means zero: with nothing lost, nothing more may be risked."""
    world.limit("alice", D(0))
    async with world.living() as life:
        [objection] = await denied(life)
        assert objection.reason is Reason.DAILY_LOSS_LIMIT_REACHED


@pytest.mark.parametrize(("age_s", "refused"), [(59, False), (60, False), (62, True)], ids=["below", "at", "above"])
async def test_an_account_that_nobody_has_seen_for_a_minute_refuses_orders_of_its_user(
    world: LossWorld, age_s: int, *, refused: bool
) -> None:
    """K4b: with positions at a broker that is away what was lost is not known, and orders that add are refused."""
    other = world.account("acc_b")
    other.hold(D(10))
    async with world.living() as life:
        assert life.desk.losses is not None
        other.dark = True
        seen = world.day("acc_b").equity_time_ns
        await world.clock.pass_time((seen - world.clock.now_ns()) / 1e9 + age_s)
        if not refused:
            assert not await denied(life)
            return
        with pytest.raises(GatewayError) as caught:
            await life.order("acc_a")
        assert (caught.value.reason, caught.value.metadata["account"]) == (Reason.RISK_DATA_STALE, "acc_b")
        assert not isinstance(caught.value, PreflightDenied), "the key is not used up"
        assert not await denied(life, side=Side.SELL, quantity=D(10), limit_price=D(50))


async def test_an_account_that_nothing_can_move_need_not_be_seen(world: LossWorld) -> None:
    """An account without positions and orders says nothing for minutes and refuses nothing."""
    other = world.account("acc_b")
    async with world.living() as life:
        await world.clock.pass_time(5)
        other.dark = True
        await world.clock.pass_time(200)
        assert not await denied(life)


async def test_a_revoked_connection_is_not_waited_for(world: LossWorld) -> None:
    """What a user held at a broker whose connection is revoked is nobody's to see any more."""
    world.account("acc_b").hold(D(10))
    async with world.living() as life:
        await world.connections.revoke("usr_1", "con_acc_b", world.clock.now_ns())
        await world.clock.pass_time(90)
        assert not await denied(life)


@pytest.mark.parametrize(("lost", "refused"), [(399, False), (400, True), (401, True)], ids=["below", "at", "above"])
async def test_revoking_a_connection_gives_no_loss_back(world: LossWorld, lost: int, *, refused: bool) -> None:
    """K4b: what was lost at one broker today counts on beside the next loss, whether its connection lives or not."""
    other = world.account("acc_b")
    other.hold(D(10))
    async with world.living() as life:
        other.price = D(-10)
        await world.clock.pass_time(6)
        assert world.day("acc_b").loss == D(600)
        await world.connections.revoke("usr_1", "con_acc_b", world.clock.now_ns())
        await world.clock.pass_time(2)
        world.accounts.by_id["acc_a"].cash -= D(lost)
        await world.clock.pass_time(6)
        assert (world.halted() is not None) is refused
        assert life.desk.losses is not None
        assert life.desk.losses.of_user("alice") == D(600 + lost)


async def test_numbers_that_contradict_each_other_refuse_orders(world: LossWorld) -> None:
    """K4b: an equity that is not what cash and positions come to is not known, and orders that add are refused."""
    async with world.living() as life:
        world.accounts.by_id["acc_a"].told = D(90_000)
        with pytest.raises(GatewayError) as caught:
            await life.order("acc_a")
        assert caught.value.reason is Reason.RISK_DATA_STALE
        assert not isinstance(caught.value, PreflightDenied), "the key is not used up"
        world.accounts.by_id["acc_a"].told = None
        assert not await denied(life)


async def test_money_that_went_is_asked_about_before_an_order_is_refused_for_it(world: LossWorld) -> None:
    """An order right behind a withdrawal is not refused for a loss that is none."""
    async with world.living() as life:
        world.accounts.by_id["acc_a"].flow(D(-5_000), "WITHDRAWAL")
        assert not await denied(life)


async def test_the_first_order_of_a_day_needs_no_look_before_it(world: LossWorld) -> None:
    """An order that comes before the first look of its day begins that day by itself."""
    async with world.living() as life:
        assert life.desk.losses is not None
        world.record.rows.clear()
        life.desk.losses.book._days.clear()
        assert not await denied(life)
        assert world.day("acc_a").opening_equity == D(100_000)


async def test_an_order_in_doubt_counts_at_its_worst(world: LossWorld) -> None:
    """What an order of unknown outcome holds above the market is lost until it is known not to be; nobody is stopped
    for it.
    """

    async def lost(_: str, __: OrderTerms) -> Outcome:
        return Unknown("no reply in time")

    account = world.accounts.by_id["acc_a"]
    account.find = lambda _: Inconclusive("502")
    async with world.living() as life:
        account.price = D(41)
        account.submit = lost
        order = (await life.order("acc_a", quantity=D(10), limit_price=D(41))).order
        account.submit = None
        assert order.state is State.IN_DOUBT
        hold(world, order.order_id, D("52.00"))
        await world.clock.pass_time(10)
        assert world.day("acc_a").doubt == D(110)
        [objection] = await denied(life, limit_price=D(41))
        assert (objection.reason, objection.used) == (Reason.DAILY_LOSS_LIMIT_REACHED, "1010")
        assert world.halted() is None
        hold(world, order.order_id, D("50.90"))
        await world.clock.pass_time(10)
        assert not await denied(life, limit_price=D(41))


def hold(world: LossWorld, order_id: str, price: Decimal) -> None:
    """Let an order hold ten units at a price."""
    order = world.journal.by_id[order_id]
    world.journal.by_id[order_id] = replace(order, hold_quantity=D(10), hold_price=price)
