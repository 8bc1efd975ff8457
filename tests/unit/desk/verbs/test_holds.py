"""What orders hold from their admission on, and what the record's refusal of one is to the caller."""

import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.results import Hold
from brokergw.model.commands import ModifyOrder, SubmitOrder
from brokergw.model.errors import GatewayError, PreflightDenied, Reason
from brokergw.model.ledger import stake_of
from brokergw.model.lifecycle import State
from brokergw.model.limits import LimitSource
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.model.trading import PLATFORM, Halt, HaltCause, TradingState
from brokergw.ports.broker import Change
from brokergw.ports.journal import Admission, Cap, Measure, Subject
from tests.fixtures.scripted_broker import Bench, broker_order, report

D = Decimal
DAY = "2027-01-15"


def cap(measure: Measure, limit: int) -> Cap:
    return Cap(measure=measure, subject=Subject.USER, limit=D(limit), source=LimitSource.ADMIN)


async def submit(bench: Bench, command: SubmitOrder, *caps: Cap, hold: Hold | None = None) -> Order:
    """Place an order that the gates have let through with a hold and caps."""
    cleared: Any = await bench.desk.clear(bench.caller, command)
    cleared = replace(
        cleared,
        hold=hold or Hold(D(10), D("50.50")),
        admission=replace(cleared.admission, caps=caps),
        trading_day=DAY,
    )
    return (await bench.desk.submit(bench.caller, cleared)).order


async def modify(bench: Bench, order: Order, hold: Hold, *caps: Cap, **change: Any) -> Order:
    command = ModifyOrder(idempotency_key=str(uuid.uuid4()), order_id=order.order_id, **change)
    cleared: Any = await bench.desk.clear(bench.caller, command)
    cleared = replace(cleared, hold=hold, admission=Admission(caps=caps), trading_day=DAY)
    return (await bench.desk.modify(bench.caller, cleared)).order


def held(order: Order) -> Decimal:
    return stake_of(order).open_worth


async def test_admitted_order_holds_what_the_gates_said(bench: Bench) -> None:
    """Units, price and day of the gates' word go on the record with the admission, and stay through the answer."""
    order = await submit(bench, bench.order())
    assert (order.state, order.held_quantity, order.hold_price, order.trading_day) == (
        State.WORKING,
        D(10),
        D("50.50"),
        DAY,
    )
    (used,) = [each for each in await bench.journal.usage("alice") if not each.account_id]
    assert used.exposure == D("505.00")


async def test_reached_cap_is_the_final_answer_for_the_key(bench: Bench) -> None:
    """What the record refuses is denied by the exposure gate with limit, source, used and requested, and stays so."""
    await submit(bench, bench.order())
    command = bench.order()
    with pytest.raises(PreflightDenied) as caught:
        await submit(bench, command, cap(Measure.EXPOSURE, 1000), cap(Measure.OPEN_ORDERS, 1))
    assert caught.value.gate == "exposure"
    first, second = caught.value.objections
    assert (first.reason, second.reason) == (Reason.GROSS_EXPOSURE_EXCEEDS_LIMIT, Reason.OPEN_ORDERS_EXCEED_LIMIT)
    assert (first.limit_name, first.source, first.limit) == ("exposure_max", "ADMIN", "1000")
    assert (first.used, first.requested, first.observed) == ("505", "505", "1010")
    assert caught.value.order_id is not None
    assert bench.journal.by_id[caught.value.order_id].state is State.DENIED
    with pytest.raises(PreflightDenied) as again:
        await bench.desk.recall(bench.caller, command)
    assert again.value.objections == caught.value.objections
    assert len(bench.broker.sent) == 1


@pytest.mark.parametrize(("most", "passes"), [(1011, True), (1010, True), (1009, False)])
async def test_order_that_is_only_tried_meets_the_caps_of_the_record(bench: Bench, most: int, *, passes: bool) -> None:
    """With validate_only the answer is the commit's own objections; no key, no order, no count and no alert is made."""
    await submit(bench, bench.order())
    before = list(await bench.journal.usage("alice"))
    command = replace(bench.order(), validate_only=True)
    caps = (cap(Measure.EXPOSURE, most), cap(Measure.OPEN_ORDERS, 2))
    if passes:
        assert (await submit(bench, command, *caps)).state is State.INTENT
    else:
        with pytest.raises(PreflightDenied) as tried:
            await submit(bench, command, *caps)
        with pytest.raises(PreflightDenied) as meant:
            await submit(bench, replace(command, validate_only=False), *caps)
        assert tried.value.objections == meant.value.objections
        assert (tried.value.gate, tried.value.order_id) == ("exposure", None)
    assert list(await bench.journal.usage("alice")) == before
    assert len(bench.broker.sent) == 1


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        (Measure.EXPOSURE, Reason.GROSS_EXPOSURE_EXCEEDS_LIMIT),
        (Measure.POSITION, Reason.SYMBOL_POSITION_EXCEEDS_LIMIT),
        (Measure.OPEN_ORDERS, Reason.OPEN_ORDERS_EXCEED_LIMIT),
        (Measure.DAY_ORDERS, Reason.ORDER_COUNT_EXCEEDS_LIMIT),
        (Measure.MINUTE_ORDERS, Reason.ORDER_COUNT_EXCEEDS_LIMIT),
        (Measure.DAY_VOLUME, Reason.DAY_NOTIONAL_EXCEEDS_LIMIT),
        (Measure.UNACKNOWLEDGED, Reason.INSUFFICIENT_BUYING_POWER),
    ],
)
async def test_every_cap_has_its_reason(bench: Bench, measure: Measure, reason: Reason) -> None:
    """Each measure that a cap is about is told by a reason of its own kind."""
    with pytest.raises(PreflightDenied) as caught:
        await submit(bench, bench.order(), cap(measure, 0))
    assert caught.value.reason is reason
    assert bench.broker.sent == []


@pytest.mark.parametrize(
    ("state", "reason"),
    [(TradingState.HALTED, Reason.TRADING_HALTED), (TradingState.REDUCE_ONLY, Reason.REDUCE_ONLY_MODE)],
)
async def test_halt_that_came_in_the_meantime_denies(bench: Bench, state: TradingState, reason: Reason) -> None:
    """K4. A halt that stands when the order would be admitted is authority's denial, and nothing is sent."""
    halt = Halt(
        scope=PLATFORM,
        cause=HaltCause.KILL_SWITCH,
        state=state,
        reason="prices are wrong",
        set_by="usr_admin",
        set_time_ns=1,
        epoch=1,
    )
    bench.journal.ledger.halts.append(halt)
    with pytest.raises(PreflightDenied) as caught:
        await submit(bench, bench.order())
    assert (caught.value.gate, caught.value.reason) == ("authority", reason)
    assert "prices are wrong" in caught.value.message
    assert bench.broker.sent == []


async def test_second_attempt_holds_anew(bench: Bench) -> None:
    """An order that was not sent holds nothing; admitted again it holds what the gates say then, within the caps."""
    outcomes: list[Outcome | None] = [NotSent("refused"), None]

    async def flaky(client_id: str, terms: OrderTerms) -> Outcome:
        return outcomes.pop(0) or Accepted(broker_order(client_id, terms))

    bench.broker.submit = flaky
    command = bench.order()
    with pytest.raises(GatewayError):
        await submit(bench, command)
    (order,) = bench.journal.by_id.values()
    assert held(order) == 0
    with pytest.raises(PreflightDenied) as caught:
        await submit(bench, command, cap(Measure.EXPOSURE, 599), hold=Hold(D(10), D(60)))
    assert caught.value.order_id == order.order_id
    again = await submit(bench, command, cap(Measure.EXPOSURE, 600), hold=Hold(D(10), D(60)))
    assert (again.order_id, held(again)) == (order.order_id, D(600))


async def test_change_holds_the_larger_of_both_until_it_is_answered(bench: Bench) -> None:
    """While a change is on its way nobody knows which terms will trade; then the ones that stand count."""
    order = await submit(bench, bench.order())
    seen = []

    async def replaced(broker_order_id: str, change: Change) -> Outcome:
        seen.append(bench.journal.by_id[order.order_id])
        terms = bench.order(limit_price=change.limit_price or D(50), quantity=change.quantity).terms
        return Accepted(broker_order(f"new-{len(seen)}", terms, replaces=broker_order_id))

    bench.broker.modify = replaced
    larger = await modify(bench, order, Hold(D(20), D("50.50")), quantity=D(20))
    assert (held(seen[0]), held(larger)) == (D("1010.00"), D("1010.00"))
    smaller = await modify(bench, larger, Hold(D(5), D("40.40")), quantity=D(5), limit_price=D(40))
    assert (held(seen[1]), held(smaller)) == (D("1010.00"), D("202.00"))


@pytest.mark.parametrize("answer", [Rejected("REPLACE_REJECTED", "422", "too early"), NotSent("refused")])
async def test_change_that_did_not_happen_gives_its_hold_back(bench: Bench, answer: Outcome) -> None:
    """After a refusal, or where nothing was sent, the order holds what it held before."""
    order = await submit(bench, bench.order())

    async def refused(_: str, __: Change) -> Outcome:
        return answer

    bench.broker.modify = refused
    with pytest.raises(GatewayError):
        await modify(bench, order, Hold(D(20), D(60)), quantity=D(20))
    stored = bench.journal.by_id[order.order_id]
    assert (stored.state, stored.hold_quantity, stored.hold_price) == (State.WORKING, D(10), D("50.50"))


async def test_change_above_a_cap_is_denied(bench: Bench) -> None:
    """K9. A change is held to the caps for what it adds, and the order stays as it was."""
    order = await submit(bench, bench.order())
    with pytest.raises(PreflightDenied) as caught:
        await modify(bench, order, Hold(D(20), D(50)), cap(Measure.EXPOSURE, 999), quantity=D(20))
    assert caught.value.reason is Reason.GROSS_EXPOSURE_EXCEEDS_LIMIT
    assert bench.journal.by_id[order.order_id] == order


async def test_change_made_at_the_broker_moves_the_hold(bench: Bench) -> None:
    """A larger quantity or a dearer price that the broker tells of counts, whoever asked for it."""
    order = await submit(bench, bench.order())
    terms = bench.order(quantity=D(30), limit_price=D(55)).terms
    await bench.tell(report(broker_order(*(bench.broker.sent[0][0], terms), state=State.WORKING)))
    stored = bench.journal.by_id[order.order_id]
    assert (stored.hold_quantity, stored.hold_price) == (D(30), D(55))


async def test_order_made_elsewhere_holds_what_it_may_trade(bench: Bench) -> None:
    """R6. An order that was placed at the broker's site holds its units at the price that it names."""
    terms = bench.order(quantity=D(7), limit_price=D(20)).terms
    await bench.tell(report(broker_order("elsewhere", terms)))
    await bench.clock.pass_time(10)
    (order,) = bench.journal.by_id.values()
    assert (order.external, held(order)) == (True, D(140))


async def test_exits_hold_nothing(bench: Bench) -> None:
    """The exits that come with an entry count with it, and not a second time."""
    take_profit = OrderTerms(
        symbol="ACME",
        side=Side.SELL,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=D(10),
        limit_price=D(60),
    )

    async def with_exit(client_id: str, terms: OrderTerms) -> Outcome:
        return Accepted(broker_order(client_id, terms, legs=(broker_order("exit", take_profit),)))

    bench.broker.submit = with_exit
    command = bench.order(order_class=OrderClass.BRACKET, take_profit_limit_price=D(60), stop_loss_stop_price=D(40))
    entry = await submit(bench, command)
    (exit_order,) = [each for each in bench.journal.by_id.values() if each.parent_order_id]
    assert (held(entry), held(exit_order), exit_order.trading_day) == (D("505.00"), D(0), DAY)
    assert not stake_of(exit_order).is_open
