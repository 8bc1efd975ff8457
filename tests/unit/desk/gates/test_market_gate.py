"""The market's hours before an order, as the desk asks them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from brokergw.model.capability import MarketRules
from brokergw.model.errors import GatewayError, PreflightDenied, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.outcome import Accepted
from brokergw.model.sessions import MarketClock, MarketDay
from brokergw.model.terms import TimeInForce
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.market_hours import QUEUING, SECOND_NS, STRICT, TOLD, days_of
from tests.fixtures.scripted_broker import CAPABILITIES, Bench

# The test clock begins on Friday, 15 January 2027, at 8:00 UTC: three in the morning in New York.
TO_OPEN_S = 6.5 * 3600
TO_CLOSE_S = TO_OPEN_S + 6.5 * 3600


def keep(bench: Bench, rules: MarketRules) -> None:
    """Let the scripted broker's stocks keep a market's hours."""
    bench.broker.capabilities = replace(CAPABILITIES, markets={AssetClass.STOCK: rules})


async def refused(bench: Bench, **terms: Any) -> PreflightDenied:
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order(**terms))
    assert bench.broker.sent == []
    return caught.value


async def test_a_closed_market_refuses_an_order_that_does_not_wait(bench: Bench) -> None:
    """Gate 2 says so, and nothing is sent; an order for the day is taken, since the broker queues it."""
    keep(bench, QUEUING)
    denial = await refused(bench, time_in_force=TimeInForce.IOC)
    assert (denial.gate, denial.reason) == ("instrument", Reason.MARKET_CLOSED)
    await bench.submit(bench.order())
    assert len(bench.broker.sent) == 1


async def test_an_order_that_the_gates_hold_up_until_the_close_is_refused(bench: Bench) -> None:
    """The market was open at gate 2; by the last gate the order could not arrive in time."""
    keep(bench, STRICT)
    bench.clock.advance(TO_CLOSE_S - 10)
    answer_after(bench, 7.5)
    denial = await refused(bench)
    assert denial.reason is Reason.SESSION_CLOSING


async def test_an_order_that_the_gates_hold_up_less_is_sent(bench: Bench) -> None:
    """A moment before the last one, it leaves."""
    keep(bench, STRICT)
    bench.clock.advance(TO_CLOSE_S - 10)
    answer_after(bench, 7.499)
    await bench.submit(bench.order())
    assert len(bench.broker.sent) == 1


def answer_after(bench: Bench, seconds: float) -> None:
    """Let the broker take its time to tell the account."""
    ask = bench.broker.get_account

    async def slowly() -> Any:
        bench.clock.advance(seconds)
        return await ask()

    bench.broker.get_account = slowly  # type: ignore[method-assign]


async def test_a_broker_that_tells_no_hours_uses_up_no_key(bench: Bench) -> None:
    """The same key is good once the broker tells; nothing is on record until then."""
    keep(bench, TOLD)

    async def down() -> Sequence[MarketDay]:
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")

    async def days() -> Sequence[MarketDay]:
        return days_of(date(2027, 1, 1), date(2027, 2, 28))

    bench.broker.market_days = down
    command = bench.order()
    with pytest.raises(GatewayError) as caught:
        await bench.submit(command)
    assert caught.value.reason is Reason.CALENDAR_UNAVAILABLE
    assert not bench.journal.keys
    bench.broker.market_days, bench.broker.market_clock = days, clock_of(bench, 0.0)
    bench.clock.advance(1)
    result = await bench.submit(command)
    assert result.order.order_id


@pytest.mark.parametrize(
    ("ahead_s", "sent"), [(1.999, True), (2.0, True), (2.001, False), (-2.0, True), (-2.001, False)]
)
async def test_a_brokers_clock_that_differs_lets_nothing_pass(bench: Bench, ahead_s: float, *, sent: bool) -> None:
    """Two seconds are the most; the key is not used up."""
    keep(bench, TOLD)

    async def days() -> Sequence[MarketDay]:
        return days_of(date(2027, 1, 1), date(2027, 2, 28))

    bench.clock.advance(0.0005)
    bench.broker.market_days, bench.broker.market_clock = days, clock_of(bench, ahead_s)
    if sent:
        assert isinstance((await bench.submit(bench.order())).order.order_id, str)
        return
    with pytest.raises(GatewayError) as caught:
        await bench.submit(bench.order())
    assert caught.value.reason is Reason.CLOCK_SKEW
    assert not bench.journal.keys
    assert bench.broker.sent == []


@pytest.mark.parametrize(("apart_s", "sent"), [(None, True), (1.999, True), (2.0, True), (2.001, False)])
async def test_a_broker_whose_answers_tell_another_time_gets_no_order(
    bench: Bench, apart_s: float | None, *, sent: bool
) -> None:
    """Two seconds are the most, whether its market tells the time or not; the key is not used up."""
    bench.broker.apart_s = apart_s
    command = bench.order()
    if not sent:
        with pytest.raises(GatewayError) as caught:
            await bench.submit(command)
        assert caught.value.reason is Reason.CLOCK_SKEW
        assert caught.value.metadata == {"clock": "broker", "apart_s": "2.001", "apart_max_s": "2"}
        assert not bench.journal.keys
        assert bench.broker.sent == []
        bench.broker.apart_s = 0.0
    await bench.submit(command)
    assert len(bench.broker.sent) == 1


async def test_cancels_need_no_clock(bench: Bench) -> None:
    """Nobody is trapped by a clock: a cancel is sent while orders are refused."""
    placed = await bench.submit(bench.order())
    bench.broker.apart_s = 3600.0
    bench.broker.cancel = accepted
    await bench.cancel(placed.order.order_id)


async def test_cancels_need_no_open_market(bench: Bench) -> None:
    """Nobody is trapped by a calendar: a cancel is sent while orders are refused."""
    keep(bench, STRICT)
    bench.clock.advance(TO_OPEN_S)
    placed = await bench.submit(bench.order())
    bench.clock.advance(TO_CLOSE_S - TO_OPEN_S)
    await refused_after(bench, 1)
    bench.broker.cancel = accepted
    await bench.cancel(placed.order.order_id)


async def refused_after(bench: Bench, sent: int) -> None:
    with pytest.raises(PreflightDenied):
        await bench.submit(bench.order())
    assert len(bench.broker.sent) == sent


async def accepted(_order_id: str) -> Accepted:
    return Accepted()


def clock_of(bench: Bench, ahead_s: float) -> Callable[[], Awaitable[MarketClock]]:
    """Let the broker's clock stand as its calendar has it, and be ahead of ours."""

    async def clock() -> MarketClock:
        now_ns = bench.clock.now_ns()
        hour = 3600 * SECOND_NS
        opens = now_ns // hour * hour + round(TO_OPEN_S * SECOND_NS)
        told_ns = now_ns + round(ahead_s * SECOND_NS)
        return MarketClock(time_ns=told_ns, is_open=False, next_open_ns=opens, next_close_ns=opens + 1)

    return clock
