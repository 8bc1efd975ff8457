"""Subscriptions and the ticker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.adapters.mock import MockBroker, MockConnection
from brokergw.model.account import Environment
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, BrokerEvent, FeedDown, FeedUp, OrderReport
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerLink
from tests.fixtures.clock import START_NS, FakeClock
from tests.fixtures.permits import permit

LINK = BrokerLink(connection_id="con", account_id="acc_1", environment=Environment.MOCK, credentials=None)


@pytest.fixture
def broker(still_clock: FakeClock) -> MockBroker:
    """Give a broker at a round price of AAPL."""
    broker = MockBroker(clock=still_clock)
    broker.exchange.set_price("AAPL", Decimal(200))
    return broker


@pytest.fixture
def mock(broker: MockBroker) -> MockConnection:
    """Give a connection to it."""
    return broker.open(LINK)


def buy(quantity: int, limit: int | None = None) -> OrderTerms:
    """Write the terms of a buy."""
    return OrderTerms(
        symbol="AAPL",
        side=Side.BUY,
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=Decimal(quantity),
        limit_price=None if limit is None else Decimal(limit),
    )


async def take(stream: AsyncIterator[BrokerEvent], count: int) -> list[BrokerEvent]:
    """Read some events."""
    return [await asyncio.wait_for(anext(stream), 5) for _ in range(count)]


def states(events: list[BrokerEvent]) -> list[State]:
    """Give the order states that reports tell."""
    return [event.order.state for event in events if isinstance(event, OrderReport)]


async def test_a_live_order_is_told_step_by_step(mock: MockConnection) -> None:
    """After FeedUp each change of an order is a report; the execution carries its fill and is not a replay."""
    stream = mock.subscribe(START_NS)
    assert await take(stream, 1) == [FeedUp(START_NS)]
    answer = await mock.submit_order(permit("1"), buy(10))
    events = await take(stream, 2)
    assert states(events) == [State.WORKING, State.FILLED]
    fill = events[1]
    assert isinstance(fill, OrderReport)
    assert isinstance(answer, Accepted)
    assert (fill.order, fill.fill, fill.replayed) == (answer.order, answer.fills[0], False)


async def test_an_ending_is_put_into_words_once(mock: MockConnection) -> None:
    """The stream tells an order's ending by the very value that the answer has told, also after what came before it."""
    stream = mock.subscribe(START_NS)
    await take(stream, 1)
    answer = await mock.submit_order(permit("1"), buy(10))
    before, ending = await take(stream, 2)
    assert isinstance(answer, Accepted)
    assert isinstance(before, OrderReport)
    assert isinstance(ending, OrderReport)
    assert ending.order is answer.order
    assert before.order.state is State.WORKING


async def test_what_was_missed_is_told_before_feed_up(broker: MockBroker, still_clock: FakeClock) -> None:
    """A subscription tells again what happened since a moment, by executions with their ids, and nothing older."""
    mock = broker.open(LINK)
    await mock.submit_order(permit("old"), buy(1))
    still_clock.advance(10)
    live = mock.subscribe(still_clock.now_ns())
    await take(live, 1)
    await mock.submit_order(permit("filled"), buy(300))
    resting = await mock.submit_order(permit("resting"), buy(1, 150))
    assert isinstance(resting, Accepted)
    assert resting.order is not None
    await mock.cancel_order(resting.order.broker_order_id)
    told = await take(live, 4)
    again = broker.open(LINK).subscribe(START_NS + 1)
    replay = await take(again, 3)
    assert replay[-1] == FeedUp(START_NS + 1)
    reports = [event for event in replay if isinstance(event, OrderReport)]
    assert [report.order.client_order_id for report in reports] == ["filled", "resting"]
    assert [report.order.state for report in reports] == [State.FILLED, State.CANCELED]
    assert all(report.replayed for report in reports)
    first = told[1]
    assert isinstance(first, OrderReport)
    assert reports[0].fill == first.fill


async def test_an_order_filled_in_part_is_replayed_in_its_steps(broker: MockBroker, mock: MockConnection) -> None:
    """A partly filled and then cancelled order is replayed as its execution and then its end."""
    broker.exchange.set_price("F", Decimal(10))
    asked = replace(buy(5001), symbol="F", time_in_force=TimeInForce.IOC)
    await mock.submit_order(permit("1"), asked)
    filled, canceled, up = await take(mock.subscribe(0), 3)
    assert isinstance(filled, OrderReport)
    assert isinstance(canceled, OrderReport)
    assert (filled.order.state, filled.order.cum_quantity) == (State.PARTIAL, Decimal(5000))
    assert filled.fill is not None
    assert (canceled.order.state, canceled.fill) == (State.CANCELED, None)
    assert up == FeedUp(0)


async def test_a_resting_order_fills_as_prices_move(
    broker: MockBroker, mock: MockConnection, still_clock: FakeClock
) -> None:
    """While an order rests the market is looked at every quarter of a second, and the fill comes by the stream."""
    stream = mock.subscribe(START_NS)
    await take(stream, 1)
    await mock.submit_order(permit("1"), buy(10, 190))
    await take(stream, 1)
    await still_clock.pass_time(1)
    broker.exchange.set_price("AAPL", Decimal(189))
    await still_clock.pass_time(0.25)
    assert states(await take(stream, 1)) == [State.FILLED]


async def test_the_ticker_runs_only_for_resting_orders(
    broker: MockBroker, mock: MockConnection, still_clock: FakeClock
) -> None:
    """The ticker starts with the first resting order, ends with the last, and starts again for the next."""
    await mock.submit_order(permit("1"), buy(1))
    assert broker._ticker is None
    for name in ("2", "3"):
        answer = await mock.submit_order(permit(name), buy(1, 150))
        assert isinstance(answer, Accepted)
        assert answer.order is not None
        ticker = broker._ticker
        assert ticker is not None
        assert not ticker.done()
        await mock.cancel_order(answer.order.broker_order_id)
        await still_clock.pass_time(0.25)
        assert ticker.done()


async def test_the_last_disconnect_stops_the_ticker(broker: MockBroker, still_clock: FakeClock) -> None:
    """The ticker outlives one of two connections, not both."""
    one, two = broker.open(LINK), broker.open(LINK)
    await one.submit_order(permit("1"), buy(1, 150))
    ticker = broker._ticker
    assert ticker is not None
    await one.disconnect()
    await still_clock.pass_time(1)
    assert not ticker.done()
    await two.disconnect()
    await still_clock.pass_time(0)
    assert ticker.cancelled()


async def test_a_disconnect_ends_the_stream(mock: MockConnection) -> None:
    """A subscription of a closed connection tells FeedDown and ends."""
    stream = mock.subscribe(START_NS)
    await take(stream, 1)
    await mock.disconnect()
    assert [type(event) for event in [event async for event in stream]] == [FeedDown]


async def test_a_subscriber_that_leaves_is_forgotten(broker: MockBroker, mock: MockConnection) -> None:
    """Closing the stream stops collecting for it."""
    stream = mock.subscribe(START_NS)
    await take(stream, 1)
    assert broker._feeds
    await stream.aclose()  # type: ignore[attr-defined] # the port promises an iterator, the room gives a generator
    assert not broker._feeds
