"""What happens to one account's orders: execution events as they come, made whole after every loss.

cTrader numbers nothing and replays nothing: see `transport/feed.py`. An execution is known by its deal id, which the
stream and the records share.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from brokergw.adapters.ctrader.backfill import History
from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.payloads import Message
from brokergw.adapters.ctrader.reader import Reader
from brokergw.adapters.ctrader.session import Session
from brokergw.model.errors import GatewayError
from brokergw.model.outcome import BrokerEvent, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.feed import Subscription
from brokergw.transport.rows import Row, Unusable, optional_int64
from brokergw.transport.websocket import LinkLost, LinkOpened
from brokergw.transport.ws_calls import CallEvent
from brokergw.transport.ws_calls import Told as Heard

_NO_ORDER = frozenset({9, 10, 12})
"""Execution types that are about money alone: swaps, deposits, bonuses."""


class OrderFeed:
    """What happens to one account's orders."""

    def __init__(self, session: Session, history: History, reader: Reader, clock: Clock) -> None:
        self._session = session
        self._history = history
        self._reader = reader
        self._clock = clock

    async def events(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Yield reports, FeedUp and FeedDown until the session is closed."""
        subscription = Subscription(self._history.since, self._session.drop, self._clock, since_ns)
        async with aclosing(self._session.events()) as happenings:
            async for happening in happenings:
                for event in await self._on(subscription, happening):
                    yield event

    async def _on(self, subscription: Subscription, happening: CallEvent[Message]) -> list[BrokerEvent]:
        """Turn what happened to the link into what the listener is told."""
        match happening:
            case LinkOpened():
                return await subscription.opened()
            case LinkLost(why):
                return subscription.lost(why)
            case Heard(message) if subscription.up and message.kind == Kind.EXECUTION_EVENT:
                return subscription.heard(await self._reports(message))
            case _:
                return []

    async def _reports(self, message: Message) -> list[OrderReport]:
        try:
            report = await self._report(message.payload)
        except (Unusable, GatewayError) as error:
            # The sweep over open orders and the next back-fill tell what this one meant.
            self._session.unclear(f"an execution event cannot be told: {error}")
            return []
        return [] if report is None else [report]

    async def _report(self, row: Row) -> OrderReport | None:
        order_row, deal = row.get("order"), row.get("deal")
        if optional_int64(row, "executionType") in _NO_ORDER or not isinstance(order_row, dict):
            return None
        order = await self._reader.order(order_row)
        fills = await self._reader.fills([deal]) if isinstance(deal, dict) else []
        if not fills:
            return OrderReport(order, order.update_time_ns)
        return OrderReport(order, fills[0].trade_time_ns, fills[0])
