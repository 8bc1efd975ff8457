"""Steps that cards share: orders to send, answers to insist on, and waiting until the broker's world has moved."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count, groupby
from typing import Any, Self, TypeVar

from brokergw.model.capability import Feature
from brokergw.model.lifecycle import State
from brokergw.model.outcome import (
    Absent,
    Accepted,
    BrokerEvent,
    BrokerFill,
    BrokerOrder,
    FeedDown,
    FeedUp,
    Found,
    Lookup,
    NotSent,
    OrderReport,
    Outcome,
    Rejected,
)
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Bench
from tests.fixtures.permits import permit

_Seen = TypeVar("_Seen")

PRICE = Decimal(100)
"""What the bench's stock costs in every card."""

_SENDS = 3

_ids = count(1)


def new_id() -> str:
    """Make a client order id that no other card uses."""
    return f"exam-{next(_ids):05}"


market_time: ContextVar[TimeInForce] = ContextVar("market_time", default=TimeInForce.DAY)
"""How long market orders live at the bench of the card at hand."""


def market(symbol: str, side: Side = Side.BUY, quantity: str | None = "10", **changes: Any) -> OrderTerms:
    """Make a market order, for the day where the broker has such."""
    base: dict[str, Any] = {
        "symbol": symbol,
        "side": side,
        "type": OrderType.MARKET,
        "time_in_force": market_time.get(),
        "quantity": None if quantity is None else Decimal(quantity),
    }
    return OrderTerms(**(base | changes))


def resting(symbol: str, quantity: str = "10", price: str = "90", **changes: Any) -> OrderTerms:
    """Make a buy order far below the price, good till cancelled."""
    base: dict[str, Any] = {
        "type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "limit_price": Decimal(price),
    }
    return market(symbol, quantity=quantity, **(base | changes))


def accepted(outcome: Outcome) -> BrokerOrder:
    """Insist that a command was accepted, and give its order."""
    assert isinstance(outcome, Accepted), outcome
    assert outcome.order is not None
    return outcome.order


def rejected(outcome: Outcome, reason: str) -> None:
    """Insist that a command was refused for a reason."""
    assert isinstance(outcome, Rejected), outcome
    assert outcome.reason == reason, outcome


async def place(broker: BrokerAdapter, terms: OrderTerms) -> BrokerOrder:
    """Send an order that must be accepted, and again where a busy machine has let nothing of it out in time."""
    sends = 1
    while isinstance(outcome := await broker.submit_order(permit(new_id()), terms), NotSent) and sends < _SENDS:
        sends += 1
    return accepted(outcome)


async def show(broker: BrokerAdapter, order_id: str) -> BrokerOrder:
    """Look up an order that must be there."""
    lookup = await broker.get_order(order_id)
    assert isinstance(lookup, Found), lookup
    return lookup.order


async def look_for(bench: Bench, broker: BrokerAdapter, client_order_id: str, terms: OrderTerms) -> Lookup:
    """Look one of our orders up as its broker allows: by our id, or by its content in the lists.

    A record of an order that the broker refused is no order.
    """
    if Feature.FIND_BY_CLIENT_ORDER_ID in bench.capabilities.features:
        return await broker.find_order(client_order_id)
    now_ns = bench.clock.now_ns()
    history = await broker.order_history(now_ns - 3600 * 10**9, now_ns + 60 * 10**9)
    seen = {order.broker_order_id: order for order in (*await broker.get_open_orders(), *history)}
    alike = [o for o in seen.values() if o.terms == terms and o.state is not State.REJECTED_BY_BROKER]
    assert len(alike) <= 1
    return Found(alike[0]) if alike else Absent()


def told_as(bench: Bench, client_order_id: str) -> str:
    """Give the client order id that a broker tells back: none where it never hears of ours."""
    return client_order_id if Feature.FIND_BY_CLIENT_ORDER_ID in bench.capabilities.features else ""


async def reach(bench: Bench, broker: BrokerAdapter, order_id: str, *states: State) -> BrokerOrder:
    """Wait until an order is in one of some states."""

    async def arrived() -> BrokerOrder | None:
        order = await show(broker, order_id)
        return order if order.state in states else None

    return await eventually(bench, arrived)


async def eventually(bench: Bench, look: Callable[[], Awaitable[_Seen | None]], within_s: float = 20) -> _Seen:
    """Look again and again, with the market moving, until there is something to see."""
    async with asyncio.timeout(within_s):
        while True:
            seen = await look()
            if seen is not None:
                return seen
            bench.tick()
            await bench.clock.sleep(0.01)


async def buy(bench: Bench, broker: BrokerAdapter, quantity: str = "10", symbol: str = "") -> BrokerOrder:
    """Buy at market and wait for the fill."""
    order = await place(broker, market(symbol or bench.stock, quantity=quantity))
    return await reach(bench, broker, order.broker_order_id, State.FILLED)


@dataclass
class Listener:
    """Listens to a broker's stream in the background and keeps what it hears."""

    bench: Bench
    broker: BrokerAdapter
    since_ns: int | None = None
    events: list[BrokerEvent] = field(default_factory=list)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        """Listen, and wait until the feed is up."""
        self._task = asyncio.create_task(self._listen())
        await self.until(lambda: any(isinstance(event, FeedUp) for event in self.events))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, condition: Callable[[], bool], within_s: float = 20) -> None:
        """Wait for what is heard to satisfy a condition, with the market moving."""
        async with asyncio.timeout(within_s):
            while not condition():
                assert self._task is not None
                if self._task.done():
                    self._task.result()
                self.bench.tick()
                await self.bench.clock.sleep(0.01)

    async def ended(self) -> None:
        """Wait until the stream is over."""
        assert self._task is not None
        await asyncio.wait_for(asyncio.shield(self._task), 5)

    def states(self, order_id: str) -> list[State]:
        """Give the states an order was reported in."""
        return [event.order.state for event in self._reports(order_id)]

    def fills(self, order_id: str = "") -> list[BrokerFill]:
        """Give the executions told, each id once, in the order of telling; of one order or of all."""
        told = {event.fill.execution_id: event.fill for event in self._reports(order_id) if event.fill is not None}
        return list(told.values())

    def feed(self) -> list[type[BrokerEvent]]:
        """Give the turns of the feed: a loss may be told again, for another reason, before it is made good."""
        told = (type(event) for event in self.events if isinstance(event, FeedUp | FeedDown))
        return [turn for turn, _ in groupby(told)]

    def _reports(self, order_id: str) -> list[OrderReport]:
        reports = [event for event in self.events if isinstance(event, OrderReport)]
        return [report for report in reports if order_id in {"", report.order.broker_order_id}]

    async def _listen(self) -> None:
        since_ns = self.bench.clock.now_ns() if self.since_ns is None else self.since_ns
        async with aclosing(self.broker.subscribe(since_ns)) as events:  # type: ignore[type-var]
            async for event in events:
                self.events.append(event)
