"""Orders that are one too many: the same as a moment ago, or against the user's own."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.gates.own_orders import OwnOrders
from brokergw.desk.gates.question import Question
from brokergw.desk.gates.repeats import RepeatCheck
from brokergw.desk.gates.resting import Resting
from brokergw.model.errors import PreflightDenied, Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Rejected
from brokergw.model.terms import OrderType, Side
from tests.fixtures.questions import reasons, terms
from tests.fixtures.scripted_broker import Bench

D = Decimal
Ask = Callable[..., Question]
DUPLICATE = ["DUPLICATIVE_ORDER"]


@pytest.fixture
def check(bench: Bench) -> RepeatCheck:
    """Give a check with a window of two seconds."""
    own = OwnOrders(bench.journal, bench.desk._sessions, bench.clock, 2.0)
    return RepeatCheck(own, bench.clock, 2.0)


@pytest.mark.parametrize(("seconds", "reason"), [(0.0, DUPLICATE), (1.999, DUPLICATE), (2.0, []), (2.001, [])])
async def test_the_same_order_again_within_two_seconds_is_a_mistake(
    bench: Bench, check: RepeatCheck, question: Ask, seconds: float, reason: list[str]
) -> None:
    """D13: a protective stop placed in a loop gets through once."""
    stop: dict[str, Any] = {"side": Side.SELL, "type": OrderType.STOP, "limit_price": None, "stop_price": D(45)}
    assert await reasons(check, question(**stop)) == []
    bench.clock.advance(seconds)
    assert await reasons(check, question(**stop)) == reason


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": D(11)},
        {"limit_price": D("50.01")},
        {"side": Side.SELL},
        {"symbol": "OTHER"},
        {"type": OrderType.MARKET, "limit_price": None},
    ],
)
async def test_another_order_is_no_repetition(check: RepeatCheck, question: Ask, change: dict[str, Any]) -> None:
    """Any difference in what is asked for makes it another order."""
    assert await reasons(check, question()) == []
    assert await reasons(check, question(**change)) == []


async def test_a_repetition_may_be_meant(check: RepeatCheck, question: Ask) -> None:
    """With allow_duplicate it passes, and counts as the last one from then on."""
    assert await reasons(check, question()) == []
    assert await reasons(check, question(command={"allow_duplicate": True})) == []
    assert await reasons(check, question()) == DUPLICATE


async def test_a_retry_under_its_own_key_is_no_repetition(check: RepeatCheck, question: Ask) -> None:
    """Nor does an order that is only checked count."""
    first = question()
    assert await reasons(check, first) == []
    assert await reasons(check, replace(first)) == []
    assert await reasons(check, question(command={"validate_only": True}, quantity=D(3))) == []
    assert await reasons(check, question(quantity=D(3))) == []


async def test_what_a_later_check_refuses_was_never_placed(check: RepeatCheck, question: Ask) -> None:
    """Its user may mend what was wrong and come again at once."""
    first = question()
    assert await reasons(check, first) == []
    for undo in first.undo:
        undo()
    assert await reasons(check, question()) == []


async def test_what_the_broker_refused_may_be_placed_again(bench: Bench, check: RepeatCheck, question: Ask) -> None:
    """An order that is known not to exist doubles nothing; one that stands does."""
    await check._own.read(bench.desk._sessions._by_account["acc_1"])

    async def refuse(*_: object) -> Rejected:
        return Rejected("NO", "1", "no")

    bench.broker.submit = refuse
    with pytest.raises(Exception, match="refused"):
        await bench.submit(bench.order())
    assert await reasons(check, question()) == []
    bench.broker.submit = None
    await bench.submit(bench.order(quantity=D(7)))
    assert await reasons(check, question(quantity=D(7))) == DUPLICATE


@pytest.mark.parametrize(
    ("shape", "meets"),
    [
        ({"limit_price": D("50.99")}, False),
        ({"limit_price": D("51.00")}, True),
        ({"limit_price": D("51.01")}, True),
        ({"type": OrderType.MARKET, "limit_price": None}, False),
        ({"type": OrderType.STOP, "limit_price": None, "stop_price": D(52)}, False),
    ],
)
async def test_an_order_may_not_meet_the_users_own(bench: Bench, shape: dict[str, Any], *, meets: bool) -> None:
    """A sell rests at 51: a buy below passes, one at 51 or above could trade with it."""
    bench.broker.shorting = True
    resting = (await bench.submit(bench.order(side=Side.SELL, limit_price=D(51)))).order
    if not meets:
        await bench.submit(bench.order(**shape))
        return
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order(**shape))
    (objection,) = caught.value.objections
    assert (objection.reason, objection.observed) == (Reason.SELF_MATCH_RISK, resting.order_id)


async def test_a_market_order_meets_what_rests_at_the_touch(bench: Bench) -> None:
    """A user whose own sell is the best offer would buy from itself."""
    bench.broker.shorting = True
    await bench.submit(bench.order(side=Side.SELL, limit_price=bench.broker.ask))
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order(type=OrderType.MARKET, limit_price=None))
    assert caught.value.reason is Reason.SELF_MATCH_RISK


async def test_orders_of_before_this_process_are_known(bench: Bench) -> None:
    """What was open when the user's first order comes is read once, and what has ended is forgotten."""
    bench.broker.shorting = True
    order = (await bench.submit(bench.order(side=Side.SELL, limit_price=D(51)))).order
    session = bench.desk._sessions._by_account["acc_1"]
    own = OwnOrders(bench.journal, bench.desk._sessions, bench.clock, 0.0)
    await own.read(session)
    assert own.met_by(session, terms(), D(51)) == (D(51), order.order_id)
    ended = replace(order, state=State.CANCELED, version=order.version + 1)
    own._resting.take(own._families["acc_1"], ended)
    assert own.met_by(session, terms(), D(51)) is None


async def test_what_another_process_places_is_read_when_it_rings(bench: Bench) -> None:
    """The book follows the log of the accounts it has, from where it read them."""
    bench.broker.shorting = True
    bench.journal.shared = True
    session = bench.desk._sessions._by_account["acc_1"]
    own = OwnOrders(bench.journal, bench.desk._sessions, bench.clock, 2.0)
    await own.read(session)
    assert own.met_by(session, terms(), D(51)) is None
    bench.journal.listeners.remove(own._take)
    follower = asyncio.create_task(own.run())
    await bench.submit(bench.order(side=Side.SELL, limit_price=D(51)))
    assert own.met_by(session, terms(), D(51)) is None
    for ring in bench.journal.wakers:
        ring()
    await bench.clock.pass_time(0.2)
    assert own.met_by(session, terms(), D(51)) is not None
    follower.cancel()


async def test_ten_thousand_resting_orders_are_looked_up_by_the_best_alone(bench: Bench) -> None:
    """The best price is at hand whatever rests behind it, and each order is forgotten by itself."""
    sample = (await bench.submit(bench.order())).order
    resting = Resting()
    for number in range(10_000):
        sell = terms(side=Side.SELL, limit_price=D(60) + D(number) / 100)
        resting.take("alice", replace(sample, order_id=f"ord_{number}", terms=sell))
    assert resting.met_by("alice", "ACME", Side.BUY, D("59.99")) is None
    assert resting.met_by("alice", "ACME", Side.BUY, D(60)) == (D(60), "ord_0")
    assert resting.met_by("alice", "ACME", Side.BUY, D(61), but="ord_0") == (D("60.01"), "ord_1")
    assert resting.met_by("bob", "ACME", Side.BUY, D(61)) is None
    for number in range(10_000):
        ended = replace(sample, order_id=f"ord_{number}", version=sample.version + 1, state=State.CANCELED)
        resting.take("alice", ended)
    assert len(resting) == 0
    assert resting.met_by("alice", "ACME", Side.BUY, None) is None
