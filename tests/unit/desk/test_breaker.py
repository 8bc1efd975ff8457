"""A broker that fails again and again is left alone, and tried again by one order at a time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from brokergw.desk.breaker import FAILURES_MAX, OPEN_S, Breaker, Contact
from brokergw.desk.sessions import Session
from brokergw.model.errors import GatewayError, PreflightDenied, Reason
from brokergw.model.outcome import Accepted, BrokerOrder, Outcome, Unknown
from brokergw.model.terms import OrderTerms
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.clock import FakeClock
from tests.fixtures.scripted_broker import Bench, broker_order


@pytest.mark.parametrize("contact", list(Contact))
def test_the_last_failure_of_a_row_opens_it(still_clock: FakeClock, contact: Contact) -> None:
    """One failure fewer leaves it closed."""
    breaker = Breaker(still_clock)
    for _ in range(FAILURES_MAX - 1):
        breaker.failed(contact)
    assert breaker.wait_s() == 0
    breaker.failed(contact)
    assert breaker.wait_s() == OPEN_S


def test_an_answer_ends_the_row(still_clock: FakeClock) -> None:
    """Failures with answers between them never open it, and answers of the other kind do not count."""
    breaker = Breaker(still_clock)
    for _ in range(FAILURES_MAX * 2):
        breaker.failed(Contact.ORDER)
        breaker.succeeded(Contact.ORDER)
    assert breaker.wait_s() == 0
    for _ in range(FAILURES_MAX):
        breaker.failed(Contact.ORDER)
        breaker.succeeded(Contact.QUESTION)
    assert breaker.wait_s() > 0


def test_one_order_tries_it_once_its_time_is_over(still_clock: FakeClock) -> None:
    """A moment before nobody may; then one, and the others wait for how that goes."""
    breaker = Breaker(still_clock)
    for _ in range(FAILURES_MAX):
        breaker.failed(Contact.QUESTION)
    still_clock.advance(OPEN_S - 0.001)
    assert breaker.wait_s() > 0
    still_clock.advance(0.001)
    assert breaker.wait_s() == 0
    assert breaker.wait_s() > 0
    breaker.failed(Contact.QUESTION)
    assert breaker.wait_s() == OPEN_S
    still_clock.advance(OPEN_S)
    assert breaker.wait_s() == 0
    breaker.succeeded(Contact.QUESTION)
    assert [breaker.wait_s() for _ in range(3)] == [0, 0, 0]


def test_whoever_tries_and_never_tells_is_not_waited_for(still_clock: FakeClock) -> None:
    """An order that another gate refuses never reaches the broker."""
    breaker = Breaker(still_clock)
    for _ in range(FAILURES_MAX):
        breaker.failed(Contact.ORDER)
    still_clock.advance(OPEN_S)
    assert breaker.wait_s() == 0
    still_clock.advance(4.999)
    assert breaker.wait_s() > 0
    still_clock.advance(0.001)
    assert breaker.wait_s() == 0


async def reason_of(bench: Bench, key: str | None = None) -> Reason | None:
    try:
        await bench.submit(bench.order(key))
    except GatewayError as error:
        return error.reason
    return None


async def test_a_broker_that_answers_no_question_is_asked_no_more(bench: Bench) -> None:
    """Orders are refused at once, no key is used up, and the first order after it is back goes through."""
    asked = 0
    tell = bench.broker.get_account

    async def down() -> Any:
        nonlocal asked
        asked += 1
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")

    bench.broker.get_account = down  # type: ignore[method-assign]
    for _ in range(FAILURES_MAX):
        assert await reason_of(bench) is Reason.RISK_DATA_UNAVAILABLE
    for _ in range(10):
        assert await reason_of(bench, "the-same-key-0001") is Reason.BROKER_SESSION_DOWN
    assert asked == FAILURES_MAX
    assert not bench.journal.keys
    bench.broker.get_account = tell  # type: ignore[method-assign]
    bench.clock.advance(OPEN_S)
    assert await reason_of(bench, "the-same-key-0001") is None


async def test_a_broker_that_leaves_orders_without_an_answer_gets_no_more_of_them(bench: Bench) -> None:
    """It answers every question, and no order; cancels pass all the same."""
    placed = await bench.submit(bench.order())

    async def silent(_id: str, _terms: OrderTerms) -> Outcome:
        return Unknown("no answer")

    async def accepted(_order_id: str) -> Outcome:
        return Accepted()

    bench.broker.submit, bench.broker.cancel = silent, accepted
    for _ in range(FAILURES_MAX):
        await bench.submit(bench.order())
    sent = len(bench.broker.sent)
    assert await reason_of(bench) is Reason.BROKER_SESSION_DOWN
    assert len(bench.broker.sent) == sent
    await bench.cancel(placed.order.order_id)


async def test_what_a_broker_refuses_is_no_failure(bench: Bench) -> None:
    """An account that a gate refuses, and a spent budget, leave the breaker closed."""
    bench.broker.blocked = True
    for _ in range(FAILURES_MAX * 2):
        with pytest.raises(PreflightDenied):
            await bench.submit(bench.order())

    async def spent() -> Any:
        raise GatewayError(Reason.BROKER_RATE_LIMITED, "slow down")

    bench.broker.get_account = spent  # type: ignore[method-assign]
    for _ in range(FAILURES_MAX * 2):
        assert await reason_of(bench) is Reason.RISK_DATA_UNAVAILABLE


async def test_orders_wait_for_the_first_comparison_after_a_start(bench: Bench) -> None:
    """What a former life left open is compared at once; until then no new order leaves, and then it does."""
    placed = await bench.submit(bench.order())
    told = broker_order(bench.broker.sent[0][0], placed.order.terms)
    listing, asked = asyncio.Event(), asyncio.Event()

    async def slowly() -> Sequence[BrokerOrder]:
        asked.set()
        await listing.wait()
        return [told]

    bench.broker.open_orders = slowly
    session = await again(bench)
    await asked.wait()
    order = asyncio.create_task(bench.submit(bench.order()))
    for _ in range(50):
        await asyncio.sleep(0)
    assert (session.ready.reconciling, order.done(), len(bench.broker.sent)) == (True, False, 1)
    listing.set()
    await order
    assert len(bench.broker.sent) == 2


async def test_a_first_comparison_that_fails_refuses_orders_and_lets_cancels_pass(bench: Bench) -> None:
    """Nobody waits for a broker that is away; the next sweep that ends well lets orders pass again."""
    placed = await bench.submit(bench.order())
    told = broker_order(bench.broker.sent[0][0], placed.order.terms)

    async def down() -> Sequence[BrokerOrder]:
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")

    async def accepted(_order_id: str) -> Outcome:
        return Accepted()

    bench.broker.open_orders, bench.broker.cancel = down, accepted
    await again(bench)
    assert await reason_of(bench) is Reason.BROKER_SESSION_DOWN
    await bench.cancel(placed.order.order_id)
    bench.broker.open_orders, bench.broker.open_now = None, lambda: [told]
    await bench.clock.pass_time(12)
    assert await reason_of(bench) is None


async def test_a_process_that_trades_already_waits_for_no_comparison(bench: Bench) -> None:
    """That it takes a dead process's connection over holds none of its own orders back."""
    await bench.submit(bench.order())
    session = await again(bench, trading=True)
    assert not session.ready.reconciling
    assert await reason_of(bench) is None


async def again(bench: Bench, *, trading: bool = False) -> Session:
    """Let the connection be taken anew, by a process that has sent nothing yet or by one that trades."""
    session = await bench.desk._sessions.usable("alice", "acc_1")
    session.ready._trading = trading
    lease = session.guard
    session.let_go()
    await session.ended()
    session.take(lease)
    bench.desk._feeds.start(session)
    for _ in range(50):
        await asyncio.sleep(0)
    return session
