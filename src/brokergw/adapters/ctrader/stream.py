"""What happens to one account's orders: execution events as they come, made whole after every loss.

Theory of operation: cTrader numbers nothing and replays nothing, so each time the link stands, `History` tells what
happened since the last moment known to be whole; then comes FeedUp, then the events that came meanwhile. What was told
already is not told again: an execution is known by its deal id, which the stream and the records share.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from brokergw.adapters.ctrader.backfill import History
from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.payloads import Message
from brokergw.adapters.ctrader.reader import Reader
from brokergw.adapters.ctrader.session import Session
from brokergw.adapters.ctrader.told import Told
from brokergw.model.errors import GatewayError
from brokergw.model.outcome import BrokerEvent, FeedDown, FeedUp, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.rows import Row, Unusable, optional_int64
from brokergw.transport.websocket import LinkLost, LinkOpened
from brokergw.transport.ws_calls import CallEvent
from brokergw.transport.ws_calls import Told as Heard

logger = logging.getLogger(__name__)

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
        subscription = _Subscription(self._session, self._history, self._reader, self._clock, since_ns)
        async with aclosing(self._session.events()) as happenings:
            async for happening in happenings:
                for event in await subscription.on(happening):
                    yield event


class _Subscription:
    """One listener's view of the feed; `_whole_ns` is the time until which it has been told everything."""

    def __init__(self, session: Session, history: History, reader: Reader, clock: Clock, since_ns: int) -> None:
        self._session = session
        self._history = history
        self._reader = reader
        self._clock = clock
        self._whole_ns = since_ns
        self._told = Told()
        self._up = False
        self._why = ""

    async def on(self, happening: CallEvent[Message]) -> list[BrokerEvent]:
        """Turn what happened to the link into what the listener is told."""
        match happening:
            case LinkOpened():
                return await self._opened()
            case LinkLost(why):
                return self._lost(why)
            case Heard(message):
                return await self._heard(message)

    async def _opened(self) -> list[BrokerEvent]:
        opened_ns = self._clock.now_ns()
        try:
            missed = await self._history.since(self._whole_ns, self._told)
        except GatewayError as error:
            self._session.drop(f"the back-fill failed: {error.message}")
            return []
        events: list[BrokerEvent] = [report for report in missed if self._told.news(report)]
        events.append(FeedUp(self._whole_ns))
        self._whole_ns, self._up, self._why = opened_ns, True, ""
        return events

    async def _heard(self, message: Message) -> list[BrokerEvent]:
        if not self._up or message.kind != Kind.EXECUTION_EVENT:
            return []
        try:
            report = await self._report(message.payload)
        except (Unusable, GatewayError) as error:
            # The sweep over open orders and the next back-fill tell what this one meant.
            logger.warning("an execution event cannot be told: %s", error)
            return []
        if report is None:
            return []
        # What happened before this event has been told; a time to come is not believed.
        self._whole_ns = max(self._whole_ns, min(report.event_time_ns, self._clock.now_ns()))
        return [report] if self._told.news(report) else []

    async def _report(self, row: Row) -> OrderReport | None:
        order_row, deal = row.get("order"), row.get("deal")
        if optional_int64(row, "executionType") in _NO_ORDER or not isinstance(order_row, dict):
            return None
        order = await self._reader.order(order_row)
        fills = await self._reader.fills([deal]) if isinstance(deal, dict) else []
        if not fills:
            return OrderReport(order, order.update_time_ns)
        return OrderReport(order, fills[0].trade_time_ns, fills[0])

    def _lost(self, why: str) -> list[BrokerEvent]:
        known = not self._up and why == self._why
        self._up, self._why = False, why
        return [] if known else [FeedDown(why)]
