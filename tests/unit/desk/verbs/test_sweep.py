"""Cancel all, flatten, close all."""

import asyncio
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.results import Hold
from brokergw.model.account import Position, PositionPart
from brokergw.model.commands import CancelAllOrders, CloseAll, Flatten
from brokergw.model.errors import PreflightDenied, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, Outcome, Rejected
from brokergw.model.terms import OrderTerms, OrderType, Side
from brokergw.ports.journal import Admission, Cap, Measure, Subject
from tests.fixtures.scripted_broker import Bench, broker_order, report

D = Decimal


def held(quantity: str) -> Position:
    return Position(
        symbol="ACME",
        asset_class=AssetClass.STOCK,
        quantity=D(quantity),
        available_quantity=D(quantity),
        average_price=D(50),
        cost_basis=None,
        market_price=D(50),
        market_value=None,
        unrealized_profit=None,
        as_of_ns=0,
    )


async def cancel_at_once(bench: Bench) -> None:
    """Let the broker end every order as soon as its cancel is asked for."""

    async def cancel(broker_order_id: str) -> Outcome:
        client_id, terms = next(s for s in bench.broker.sent if f"b-{s[0]}" == broker_order_id)
        bench.broker.feed.put_nowait(report(broker_order(client_id, terms, state=State.CANCELED)))
        return Accepted()

    bench.broker.cancel = cancel


async def test_cancel_all_asks_for_both_sides_and_replays_its_answer(bench: Bench) -> None:
    """Every open order is asked for once; the same key gives the same list and asks nothing."""
    bench.broker.positions = [held("100")]
    asked: list[str] = []

    async def cancel(broker_order_id: str) -> Outcome:
        asked.append(broker_order_id)
        return Accepted()

    bench.broker.cancel = cancel
    await bench.submit(bench.order())
    await bench.submit(bench.order(side=Side.SELL, limit_price=Decimal(51)))
    command = CancelAllOrders(idempotency_key=str(uuid.uuid4()), account_id="acc_1")
    first = await bench.desk.cancel_all(bench.caller, command)
    again = await bench.desk.recall(bench.caller, command)
    assert [item.accepted for item in first.cancels] == [True, True]
    assert again is not None
    assert again.replayed
    assert len(asked) == 2


async def test_flatten_cancels_what_rests_and_closes_what_is_held(bench: Bench) -> None:
    """The closing order is a market order of the gateway's own, for exactly the position, on the other side."""
    await cancel_at_once(bench)
    await bench.submit(bench.order())
    bench.broker.positions = [held("7")]
    command = Flatten(idempotency_key=str(uuid.uuid4()), account_id="acc_1")
    flattening = asyncio.create_task(bench.desk.flatten(bench.caller, command))
    while not flattening.done():
        await bench.clock.pass_time(0.1)
    result = await flattening
    (closing,) = result.orders
    assert (closing.terms.type, closing.terms.side, closing.terms.quantity) == (OrderType.MARKET, Side.SELL, D(7))
    assert [item.accepted for item in result.cancels] == [True]
    assert not result.residuals


async def test_what_cannot_be_closed_is_reported(bench: Bench) -> None:
    """A refused closing order becomes a residual with its reason, not a success."""
    bench.broker.positions = [held("-3")]

    async def refuse(_: str, __: OrderTerms) -> Outcome:
        return Rejected("NOT_TRADABLE", "422", "halted")

    bench.broker.submit = refuse
    result = await bench.desk.close_all(bench.caller, CloseAll(idempotency_key=str(uuid.uuid4())))
    (residual,) = result.residuals
    assert (residual.symbol, residual.reason) == ("ACME", "BROKER_REJECTED")
    assert bench.broker.sent[0][1].side is Side.BUY


async def test_a_sweep_gone_through_again_closes_nothing_twice(bench: Bench) -> None:
    """When the first call died before its decision, its steps' own keys keep them from being repeated."""
    bench.broker.positions = [held("5")]
    command = Flatten(idempotency_key=str(uuid.uuid4()), account_id="acc_1")
    first = await bench.desk.flatten(bench.caller, command)
    scope = next(scope for scope in bench.journal.keys if scope.method == "Flatten")
    record = bench.journal.keys[scope]
    bench.journal.keys[scope] = type(record)(
        scope=scope, fingerprint=record.fingerprint, subject=record.subject, claim_time_ns=0
    )
    assert await bench.desk.recall(bench.caller, command) is None
    second = await bench.desk.flatten(bench.caller, command)
    assert [o.order_id for o in second.orders] == [o.order_id for o in first.orders]
    assert len(bench.broker.sent) == 1


def in_parts(*quantities: str) -> Position:
    """Make a position that the broker keeps as several."""
    parts = tuple(PositionPart(f"p{number}", D(each), D(50)) for number, each in enumerate(quantities))
    whole = sum((part.quantity for part in parts), D(0))
    return replace(held(str(whole)), average_price=None, parts=parts)


async def test_each_of_several_positions_is_closed_by_an_order_of_its_own(bench: Bench) -> None:
    """Positions in one symbol, against each other too, are closed by one order each, under a key each."""
    bench.broker.positions = [in_parts("3", "3", "-2")]
    command = Flatten(idempotency_key=str(uuid.uuid4()), account_id="acc_1", symbol="ACME")
    result = await bench.desk.flatten(bench.caller, command)
    assert not result.residuals
    closing = sorted((each.terms.side, each.terms.quantity) for each in result.orders)
    assert closing == [(Side.BUY, D(2)), (Side.SELL, D(3)), (Side.SELL, D(3))]
    assert len({each.idempotency_key for each in result.orders}) == 3
    assert all(each.terms.reduce_only for each in result.orders)


async def test_positions_that_cancel_each_other_out_are_closed_too(bench: Bench) -> None:
    """What sums up to nothing is held all the same, and closing everything closes both sides of it."""
    bench.broker.positions = [in_parts("2", "-2")]
    result = await bench.desk.close_all(bench.caller, CloseAll(idempotency_key=str(uuid.uuid4())))
    assert [each.terms.quantity for each in result.orders] == [D(2), D(2)]
    assert {each.terms.side for each in result.orders} == {Side.BUY, Side.SELL}


async def test_a_part_is_closed_once_however_often_a_sweep_is_gone_through(bench: Bench) -> None:
    """A part's key follows from the part, so the sweep's second way finds its order and sends only what is missing."""
    command = Flatten(idempotency_key=str(uuid.uuid4()), account_id="acc_1", symbol="ACME")
    (session,) = bench.desk.sessions()
    whole = in_parts("3", "1")
    bench.broker.positions = [replace(whole, quantity=D(3), parts=whole.parts[:1])]
    await bench.desk._sweep._flatten(bench.caller, command, session, "ACME")
    bench.broker.positions = [whole]
    await bench.desk._sweep._flatten(bench.caller, command, session, "ACME")
    assert sorted(terms.quantity or D(0) for _, terms in bench.broker.sent) == [D(1), D(3)]


@pytest.mark.parametrize(("most", "goes"), [(849, False), (850, True), (851, True)])
async def test_what_closes_counts_for_the_days_volume(bench: Bench, most: int, *, goes: bool) -> None:
    """Seven closed at 50 are 350 of the day: with 500 more a limit of 850 is reached, and a lower one refuses them."""
    bench.broker.positions = [replace(held("7"), market_value=D(350))]
    command = Flatten(idempotency_key=str(uuid.uuid4()), account_id="acc_1")
    (closing,) = (await bench.desk.flatten(bench.caller, command)).orders
    assert closing.trading_day == bench.desk.limits.days.of(bench.clock.now_ns())
    (used,) = [each for each in await bench.journal.usage("alice") if not each.account_id]
    assert (used.day_orders, used.day_volume) == (1, D(350))
    cleared: Any = await bench.desk.clear(bench.caller, bench.order())
    cap = Cap(measure=Measure.DAY_VOLUME, subject=Subject.USER, limit=D(most))
    cleared = replace(cleared, hold=Hold(D(10), D(50)), admission=Admission(caps=(cap,)))
    if goes:
        await bench.desk.submit(bench.caller, cleared)
        return
    with pytest.raises(PreflightDenied) as caught:
        await bench.desk.submit(bench.caller, cleared)
    assert caught.value.reason is Reason.DAY_NOTIONAL_EXCEEDS_LIMIT
