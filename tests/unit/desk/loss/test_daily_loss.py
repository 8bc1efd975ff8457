"""The daily loss: what it is, whom it stops, and for how long."""

from decimal import Decimal

import pytest

from brokergw.adapters.ibkr import records
from brokergw.model.account import Environment
from brokergw.model.alerts import AlertKind
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.limits import LimitSource
from brokergw.model.order import Fee
from brokergw.model.trading import TradingState
from tests.fixtures.clock import FakeClock
from tests.fixtures.loss_world import D, LossWorld

STOPPED_WITHIN_S = 5


@pytest.fixture
def world() -> LossWorld:
    """Give a world on a Friday at 03:00 in New York; the platform allows a loss of 5,000."""
    return LossWorld(FakeClock(auto=False))


@pytest.mark.parametrize(
    ("price", "stopped"), [(D("40.01"), False), (D("40.00"), True), (D("39.99"), True)], ids=["below", "at", "above"]
)
async def test_a_user_is_stopped_at_its_own_limit_and_not_below(
    world: LossWorld, price: Decimal, *, stopped: bool
) -> None:
    """T12: a loss of 999 stops nobody; 1,000 of 1,000 stops the user in five seconds while the platform allows more."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.price = price
        if not stopped:
            await world.clock.pass_time(60)
            assert world.halted() is None
            assert life.desk.losses is not None
            assert life.desk.losses.of_user("alice") == D(999)
            return
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
    halt = world.halted()
    assert halt is not None
    assert halt.state is TradingState.REDUCE_ONLY


async def test_a_stop_states_its_numbers(world: LossWorld) -> None:
    """K4b: reason and alert name the limit, its source, the loss, and what it was reckoned from."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.price = D("39.50")
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
    halt = world.halted()
    assert halt is not None
    for number in ("1000 (USER)", "loss 1050", "opening 100000", "equity 98950", "flows 0", "fees 0"):
        assert number in halt.reason
    [alert] = [each for each in world.heard.alerts if each.kind is AlertKind.LIMIT_REACHED]
    assert (alert.user_id, dict(alert.facts)["loss"]) == ("alice", "1050")


async def test_others_trade_on(world: LossWorld) -> None:
    """T12: one user's loss stops that user; another one's orders pass."""
    alices, bobs = world.account("acc_a"), world.account("acc_b", "bob")
    alices.hold(D(100))
    bobs.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        alices.price = bobs.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
        await life.order("acc_b", "bob", limit_price=D(40))
        assert len(bobs.sent) == 1
        assert world.halted("bob") is None


async def test_the_platforms_limit_stops_whom_nothing_else_stops(world: LossWorld) -> None:
    """A user without a limit of its own is stopped at the platform's."""
    account = world.account("acc_a")
    account.hold(D(100))
    async with world.living() as life:
        account.price = D("0.01")
        await world.clock.pass_time(10)
        assert world.halted() is None
        account.price = D(0)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)


async def test_a_deposit_hides_no_loss(world: LossWorld) -> None:
    """Money that comes during the day is taken off again: a loss of 1,000 behind a deposit of 5,000 stops the user."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.flow(D(5_000), "DEPOSIT")
        await world.clock.pass_time(10)
        assert world.halted() is None
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
    assert (world.day("acc_a").flows, world.day("acc_a").loss) == (D(5_000), D(1_000))


@pytest.mark.parametrize("kind", ["WITHDRAWAL", "TRANSFER"])
async def test_a_withdrawal_fakes_none(world: LossWorld, kind: str) -> None:
    """Money that goes is no loss, and what is lost besides still counts."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.flow(D(-5_000), kind)
        await world.clock.pass_time(120)
        assert world.halted() is None
        await life.order("acc_a")
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)


async def test_money_that_went_before_anybody_told_stops_nobody(world: LossWorld) -> None:
    """A withdrawal that the history tells a while after the cash has gone is waited for, a minute long."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living():
        account.flow(D(-5_000), "WITHDRAWAL", told=False)
        await world.clock.pass_time(40)
        assert world.halted() is None
        account.tell(D(-5_000), "WITHDRAWAL")
        await world.clock.pass_time(120)
        assert world.halted() is None


async def test_cash_that_goes_and_is_never_explained_stops_in_the_end(world: LossWorld) -> None:
    """What nobody explains within a minute is a loss."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.flow(D(-5_000), "WITHDRAWAL", told=False)
        took = await life.until(lambda: world.halted() is not None, 75)
    assert took > 55


async def test_money_of_before_the_day_counts_for_nothing(world: LossWorld) -> None:
    """A deposit that was in the opening equity already is not taken off again."""
    account = world.account("acc_a")
    account.flow(D(5_000), "DEPOSIT")
    account.hold(D(100))
    async with world.living():
        await world.clock.pass_time(10)
    assert (world.day("acc_a").flows, world.day("acc_a").loss) == (D(0), D(0))


async def test_two_accounts_are_summed_and_no_gain_makes_up_for_a_loss(world: LossWorld) -> None:
    """600 and 400 lost are 1,000, whatever a third account has gained."""
    first, second, third = (world.account(name) for name in ("acc_a", "acc_b", "acc_c"))
    for account in (first, second, third):
        account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        first.price, second.price, third.price = D(44), D("46.01"), D(90)
        await world.clock.pass_time(10)
        assert world.halted() is None
        second.price = D(46)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)


async def test_pretended_money_is_summed_apart(world: LossWorld) -> None:
    """Losses of a paper account and of a mock one are not added up."""
    paper, mock = world.account("acc_a", environment=Environment.PAPER), world.account("acc_b")
    for account in (paper, mock):
        account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        paper.price = mock.price = D("40.01")
        await world.clock.pass_time(10)
        assert world.halted() is None
        paper.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)


async def test_a_negative_equity_is_a_loss_like_any_other(world: LossWorld) -> None:
    """An account that owes more than it has has lost all of it and more."""
    account = world.account("acc_a", cash=D(1_000))
    account.hold(D(-100), D(50))
    async with world.living() as life:
        account.price = D(111)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
    assert world.day("acc_a").equity == D(-5_100)
    assert world.day("acc_a").loss == D(6_100)


async def test_nothing_lost_stops_nobody_even_where_nothing_may_be(world: LossWorld) -> None:
    """K4b: a limit of zero refuses orders, and stops nobody who has lost nothing; a cent more does."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(0))
    async with world.living() as life:
        await world.clock.pass_time(30)
        assert world.halted() is None
        account.price = D("49.9999")
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)


@pytest.mark.parametrize("told", [D(0), D(94_000), D("NaN")], ids=["nothing", "less", "no number"])
async def test_an_equity_that_nothing_bears_out_stops_nobody(world: LossWorld, told: Decimal) -> None:
    """K4b: an equity that is not what cash and positions come to is no loss, however long it is told."""
    account = world.account("acc_a")
    account.hold(D(100))
    async with world.living():
        account.told = told
        await world.clock.pass_time(300)
    assert world.halted() is None
    assert not [alert for alert in world.heard.alerts if alert.kind is AlertKind.LIMIT_REACHED]


async def test_one_wrong_answer_stops_nobody(world: LossWorld) -> None:
    """K4b: a loss that a second look does not find is none."""
    account = world.account("acc_a")
    account.hold(D(100))
    async with world.living():
        account.price = D(0)
        asked = account.account_asked
        while account.account_asked == asked:
            await world.clock.pass_time(0.05)
        account.price = D(50)
        await world.clock.pass_time(60)
    assert world.halted() is None


async def test_fees_that_the_broker_has_not_taken_yet_are_taken_off(world: LossWorld) -> None:
    """An execution's fee by the platform's schedule counts at once, and not twice once the broker has taken it."""
    account = world.account("acc_a")
    world.limits.brokers["scripted"] = BrokerConfig(broker="scripted", fee_bps=D(10), fee_per_contract=D(1), version=1)
    async with world.living() as life:
        order = (await life.order("acc_a", quantity=D(100))).order
        account.hold(D(100))
        await life.fill(order)
        await world.clock.pass_time(6)
        # 100 units of 50: 5 of 5,000 and 1 each.
        assert (world.day("acc_a").fees, world.day("acc_a").loss) == (D(105), D(105))
        account.flow(D(-100), "FEE")
        await world.clock.pass_time(30)
        assert (world.day("acc_a").fees, world.day("acc_a").loss) == (D(5), D(105))
        assert world.day("acc_a").flows == 0


async def test_a_commission_that_comes_with_its_execution_counts_once(world: LossWorld) -> None:
    """What the broker names and takes with an execution (Interactive Brokers) is on record, and lost once.

    The platform's schedule is for executions that name no fee, so it adds nothing here.
    """
    account = world.account("acc_a")
    world.limits.brokers["scripted"] = BrokerConfig(broker="scripted", fee_bps=D(10), fee_per_contract=D(1), version=1)
    row = {
        "execution_id": "0000e0d5.6576fd38.01.01", "side": "B", "order_ref": "ref-1", "conid": 1, "size": D(100),
        "trade_time_r": 1_775_086_847_000, "price": "50", "commission": "1.01",
    }  # fmt: skip
    fees = records.trade(row, "USD").fill.fees
    async with world.living() as life:
        order = (await life.order("acc_a", quantity=D(100))).order
        account.hold(D(100))
        account.cash -= D("1.01")
        await life.fill(order, fees)
        await world.clock.pass_time(6)
        (kept,) = await world.journal.fills("alice", ("acc_a",))
        assert kept.fees == (Fee(D("1.01"), "USD", "COMMISSION"),)
        assert (world.day("acc_a").fees, world.day("acc_a").loss) == (D(0), D("1.01"))


async def test_an_early_release_holds_only_while_the_loss_is_below_the_limit(world: LossWorld) -> None:
    """An administrator's release is undone at once while the limit is still reached, and lasts once it is raised."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000))
    async with world.living() as life:
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
        halt = world.halted()
        assert halt is not None
        switch = life.desk._halting.switch
        await switch.resume(halt.scope, halt.cause, "looked into", "admin")
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
        world.limit("alice", D(3_000))
        await world.clock.pass_time(1)
        await switch.resume(halt.scope, halt.cause, "limit raised", "admin")
        await world.clock.pass_time(30)
        assert world.halted() is None


async def test_limits_that_cannot_be_read_stop_no_user(world: LossWorld) -> None:
    """K4b: while the limits are unknown nobody is stopped for passing one; the gates refuse orders by themselves."""
    account = world.account("acc_a")
    account.hold(D(100))
    world.limit("alice", D(1_000), LimitSource.ADMIN)
    async with world.living():
        world.limits.down = True
        await world.clock.pass_time(15)
        account.price = D(10)
        await world.clock.pass_time(30)
    assert world.halted() is None


async def test_an_execution_told_while_the_broker_is_asked_explains_its_cash(world: LossWorld) -> None:
    """Cash that an execution moved is no mystery, whether it was on record before the broker's answer or after."""
    account = world.account("acc_a")
    world.limit("alice", D(1_000))
    async with world.living() as life:
        order = (await life.order("acc_a", quantity=D(100))).order
        account.before_positions = lambda: life.fill_now(order)
        await life.until(lambda: not world.journal.by_id[order.order_id].leaves_quantity, 70)
        account.hold(D(100))
        await world.clock.pass_time(10)
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)


async def test_money_that_went_among_executions_explains_itself_later(world: LossWorld) -> None:
    """A withdrawal in the middle of trading, of which the history is read a while later, holds no stop up."""
    account = world.account("acc_a")
    world.limit("alice", D(1_000))
    async with world.living() as life:
        order = (await life.order("acc_a", quantity=D(100))).order
        account.hold(D(100))
        account.flow(D(-500), "WITHDRAWAL")
        await life.fill(order)
        await world.clock.pass_time(20)
        account.price = D(40)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)


async def test_a_deposit_among_executions_hides_a_loss_for_seconds_only(world: LossWorld) -> None:
    """While an account trades its history is asked for every five seconds, and at once when it has stopped."""
    account = world.account("acc_a")
    world.limit("alice", D(1_000))
    async with world.living() as life:
        for number in range(5):
            order = (await life.order("acc_a", quantity=D(10), limit_price=account.price)).order
            account.held += 10
            account.cash -= 10 * account.price
            if number == 4:
                account.flow(D(5_000), "DEPOSIT")
                account.price = D(20)
            await life.fill(order)
            await world.clock.pass_time(1)
        await life.until(lambda: world.halted() is not None, STOPPED_WITHIN_S)
