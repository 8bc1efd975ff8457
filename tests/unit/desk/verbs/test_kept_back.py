"""What is kept back in the very step that would let it out, and how each verb tells it."""

import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from brokergw.model.commands import ModifyOrder
from brokergw.model.errors import GatewayError, OrderEffect, PreflightDenied, Reason, Retry
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, Outcome
from brokergw.model.terms import OrderClass
from brokergw.model.trading import PLATFORM, Halt, HaltCause, TradingState
from brokergw.ports.broker import Change
from brokergw.ports.halts import CLEARANCE_S
from brokergw.ports.permit import VALID_S
from tests.fixtures.scripted_broker import Bench, broker_order

D = Decimal
KILLED = Halt(
    scope=PLATFORM,
    cause=HaltCause.KILL_SWITCH,
    state=TradingState.HALTED,
    reason="prices are wrong",
    set_by="usr_admin",
    set_time_ns=1,
    epoch=1,
)
Act = Callable[[], Awaitable[Order]]


@pytest.fixture(params=["order", "list", "amend"])
async def act(bench: Bench, request: pytest.FixtureRequest) -> Act:
    """Give one of the verbs that send under a permit, each call of which repeats the same key."""
    exits: dict[str, Any] = {"take_profit_limit_price": D(60), "stop_loss_stop_price": D(40)}
    if request.param != "amend":
        command = bench.order(order_class=OrderClass.BRACKET, **exits) if request.param == "list" else bench.order()

        async def submit() -> Order:
            order: Order = (await bench.submit(command)).order
            return order

        return submit

    async def taken(_: str, change: Change) -> Outcome:
        return Accepted(broker_order("amended", bench.order(quantity=change.quantity).terms))

    bench.broker.modify = taken
    standing = (await bench.submit(bench.order())).order
    bench.broker.sent.clear()
    change = ModifyOrder(idempotency_key=str(uuid.uuid4()), order_id=standing.order_id, quantity=D(20))

    async def amend() -> Order:
        known = await bench.desk.recall(bench.caller, change)
        assert known is None
        return (await bench.desk.modify(bench.caller, await bench.desk.clear(bench.caller, change))).order  # type: ignore[arg-type]

    return amend


def just_before(bench: Bench, happens: Callable[[], None]) -> None:
    """Let something happen once, between the admission and the first byte."""

    async def once() -> None:
        bench.broker.before_sending = None
        happens()

    bench.broker.before_sending = once


@pytest.mark.parametrize(
    ("later_s", "goes"), [(CLEARANCE_S - 0.001, True), (CLEARANCE_S, True), (CLEARANCE_S + 0.001, False)]
)
async def test_want_of_a_clearance_is_told_as_the_record_being_away(
    bench: Bench, act: Act, later_s: float, *, goes: bool
) -> None:
    """K4. Nobody can tell of halts, so nothing leaves, and the identical call may come again: then it is sent."""
    clearance = bench.desk._halting.clearance
    clearance._expires = True
    clearance.renew(bench.clock.monotonic())
    just_before(bench, lambda: bench.clock.advance(later_s))
    if goes:
        assert (await act()).state in {State.WORKING, State.PENDING_MODIFY}
        return
    with pytest.raises(GatewayError) as caught:
        await act()
    error = caught.value
    assert (error.reason, error.effect, error.retry) == (
        Reason.JOURNAL_UNAVAILABLE,
        OrderEffect.NONE,
        Retry.SAME_KEY,
    )
    assert error.retry_after_s is not None
    assert error.retry_after_s > 0
    assert bench.broker.sent == []
    clearance._expires = False
    assert (await act()).order_id == error.order_id


async def test_a_halt_is_told_as_a_halt(bench: Bench, act: Act) -> None:
    """K4. What a halt stops at the last moment is denied with the halt, as the gate would have done."""
    just_before(bench, lambda: bench.desk._halting.standing.latch(KILLED))
    with pytest.raises(PreflightDenied) as caught:
        await act()
    assert (caught.value.gate, caught.value.reason) == ("authority", Reason.TRADING_HALTED)
    assert "prices are wrong" in caught.value.message
    assert caught.value.order_id
    assert bench.broker.sent == []


async def test_a_permit_that_is_too_old_is_no_halt(bench: Bench, act: Act) -> None:
    """What only came too late is told as before: nothing was sent, and the key may be used again."""
    just_before(bench, lambda: bench.clock.advance(VALID_S + 0.001))
    with pytest.raises(GatewayError) as caught:
        await act()
    assert (caught.value.reason, caught.value.retry) == (Reason.BROKER_UNREACHABLE, Retry.SAME_KEY)
    assert bench.broker.sent == []


async def test_a_cancel_asks_nobody(bench: Bench) -> None:
    """Cancels need no permit: without a clearance, and halted, they go out."""
    order = (await bench.submit(bench.order())).order
    clearance = bench.desk._halting.clearance
    clearance._expires = True
    clearance.revoke(bench.clock.monotonic())
    bench.desk._halting.standing.latch(KILLED)
    assert (await bench.cancel(order.order_id)).order.state in {State.PENDING_CANCEL, State.CANCELED}
