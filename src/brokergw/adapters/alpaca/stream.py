"""Alpaca's `trade_updates`: signed in, listened to, and made whole after every loss.

Theory of operation: Alpaca numbers nothing and replays nothing, so each time the link opens, `History` tells what
happened since the last moment known to be whole, while new frames wait; then comes FeedUp, then the frames. What the
history told already is not told again. When the history cannot be read, the link is given up and tried again later:
a feed is up only when it is whole. Frames are JSON in binary or text frames (docs, Websocket Streaming).
"""

import json
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, Final

from brokergw.adapters.alpaca import mapping, records
from brokergw.adapters.alpaca.api import Api
from brokergw.adapters.alpaca.backfill import History
from brokergw.adapters.alpaca.config import AlpacaConfig
from brokergw.adapters.alpaca.session import Session
from brokergw.model.errors import GatewayError
from brokergw.model.order import FillKind
from brokergw.model.outcome import BrokerEvent, BrokerFill, BrokerOrder, FeedDown, FeedUp, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.rows import (
    Row,
    Unusable,
    as_row,
    decimal,
    optional_decimal,
    optional_text,
    parse_time,
    read_row,
    text,
)
from brokergw.transport.told import Told
from brokergw.transport.websocket import Frame, LinkError, LinkEvent, LinkLost, LinkOpened, SupervisedLink, Wire

logger = logging.getLogger(__name__)

_STREAM: Final = "trade_updates"
_KINDS: Final = {
    "fill": FillKind.NEW,
    "partial_fill": FillKind.NEW,
    "trade_correct": FillKind.CORRECTION,
    "trade_bust": FillKind.BUST,
}
"""Trade updates that are executions, or are about one."""


class OrderFeed:
    """What happens to one account's orders."""

    def __init__(self, api: Api, *, url: str, session: Session, config: AlpacaConfig, clock: Clock) -> None:
        self._url = url
        self._session = session
        self._policy = config.link
        self._clock = clock
        self._history = History(api, clock, look_back_s=config.look_back_s, overlap_s=config.overlap_s)
        self._links: set[SupervisedLink] = set()

    def close(self) -> None:
        """End every subscription, each of which hears FeedDown and no more."""
        for link in self._links:
            link.close()

    async def fills_of(self, order: BrokerOrder) -> list[OrderReport]:
        """Give the executions of one order, oldest first."""
        return await self._history.fills_of(order)

    async def events(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Yield reports, FeedUp and FeedDown until `close`."""
        link = SupervisedLink(self._url, clock=self._clock, greet=self._greet, policy=self._policy)
        subscription = _Subscription(link, self._history, self._clock, since_ns)
        self._links.add(link)
        try:
            async with aclosing(link.listen()) as happenings:
                async for happening in happenings:
                    for event in await subscription.on(happening):
                        yield event
        finally:
            self._links.discard(link)

    async def _greet(self, wire: Wire) -> None:
        try:
            keys = await self._session.sign_in()
        except GatewayError as error:
            raise LinkError(error.message) from error
        await wire.send(json.dumps({"action": "authenticate", "data": keys}))
        answer = await _answer(wire, "authorization")
        if answer.get("status") != "authorized":
            await self._session.has_another(keys.get("oauth_token", ""))
            raise LinkError(f"Alpaca refused the {'token' if 'oauth_token' in keys else 'API key'}")
        await wire.send(json.dumps({"action": "listen", "data": {"streams": [_STREAM]}}))
        if _STREAM not in ((await _answer(wire, "listening")).get("streams") or ()):
            raise LinkError("Alpaca does not stream order updates to this key")


class _Subscription:
    """One listener's view of the feed; `_whole_ns` is the time until which it has been told everything."""

    def __init__(self, link: SupervisedLink, history: History, clock: Clock, since_ns: int) -> None:
        self._link = link
        self._history = history
        self._clock = clock
        self._whole_ns = since_ns
        self._told = Told()
        self._up = False
        self._why = ""

    async def on(self, happening: LinkEvent) -> list[BrokerEvent]:
        """Turn what happened to the link into what the listener is told."""
        match happening:
            case LinkOpened():
                return await self._opened()
            case LinkLost(why):
                return self._lost(why)
            case Frame(data):
                return self._frame(data)

    async def _opened(self) -> list[BrokerEvent]:
        opened_ns = self._clock.now_ns()
        try:
            missed = await self._history.since(self._whole_ns, self._told)
        except GatewayError as error:
            self._link.drop(f"the back-fill failed: {error.message}")
            return []
        events: list[BrokerEvent] = [report for report in missed if self._told.news(report)]
        events.append(FeedUp(self._whole_ns))
        self._whole_ns, self._up, self._why = opened_ns, True, ""
        return events

    def _frame(self, data: str | bytes) -> list[BrokerEvent]:
        if not self._up:
            return []
        reports = list(self._reports(data))
        for report in reports:
            # Alpaca tells in order, so everything before this event has been told; a time to come is not believed.
            self._whole_ns = max(self._whole_ns, min(report.event_time_ns, self._clock.now_ns()))
        return [report for report in reports if self._told.news(report)]

    def _reports(self, data: str | bytes) -> Iterator[OrderReport]:
        """Read a frame; one that makes no sense is logged and left to the sweep and to the next back-fill."""
        try:
            message = _message(data)
            if message.get("stream") == _STREAM:
                yield report_of(as_row(message.get("data")), self._told)
        except Unusable as error:
            logger.warning("a trade update cannot be told: %s", error)

    def _lost(self, why: str) -> list[BrokerEvent]:
        known = not self._up and why == self._why
        self._up, self._why = False, why
        return [] if known else [FeedDown(why)]


async def _answer(wire: Wire, stream: str) -> Row:
    while True:
        try:
            message = _message(await wire.receive())
        except Unusable as error:
            raise LinkError(f"the greeting was answered with something else: {error}") from error
        name = message.get("stream")
        if name == stream:
            return as_row(message.get("data"))
        if name == "authorization":
            raise LinkError("Alpaca refused the API key")


def report_of(event: Row, told: Told | None = None) -> OrderReport:
    """Read one trade update; every event carries the whole order, executions their price and quantity too.

    `told` remembers the names that Alpaca gave to executions on this stream, by which an amendment refers to them.
    """
    order = mapping.order(as_row(event.get("order")))
    stamp = optional_text(event, "timestamp") or optional_text(event, "at")
    time_ns = parse_time(stamp) if stamp else order.update_time_ns
    kind = _KINDS.get(optional_text(event, "event"))
    if kind is None:
        return OrderReport(order, time_ns)
    fill = _fill(event, order, time_ns) if kind is FillKind.NEW else _amendment(event, kind, time_ns, told or Told())
    if told is not None and (name := optional_text(event, "execution_id")):
        told.named(name, fill)
    return OrderReport(order, time_ns, fill)


def _fill(event: Row, order: BrokerOrder, time_ns: int) -> BrokerFill:
    return BrokerFill(
        execution_id=records.execution_id(order.broker_order_id, order.cum_quantity),
        quantity=decimal(event, "qty"),
        price=decimal(event, "price"),
        trade_time_ns=time_ns,
        synthetic_id=True,
        position_quantity=optional_decimal(event, "position_qty"),
    )


def _amendment(event: Row, kind: FillKind, time_ns: int, told: Told) -> BrokerFill:
    """Read a bust or a correction. No record of Alpaca's repeats it, so its own id serves; without the execution's
    name it is left to the order's record to find the one that it is about.
    """
    about = told.execution(optional_text(event, "previous_execution_id"))
    quantity = optional_decimal(event, "qty") or (about.quantity if about is not None else None)
    price = optional_decimal(event, "price") or (about.price if about is not None else None)
    if quantity is None or price is None:
        raise Unusable("an amended execution has neither a known name nor its size")
    return BrokerFill(
        execution_id=text(event, "execution_id"),
        quantity=quantity,
        price=price,
        trade_time_ns=time_ns,
        kind=kind,
        refers_to_execution_id=about.execution_id if about is not None else "",
        position_quantity=optional_decimal(event, "position_qty"),
    )


def _message(data: str | bytes) -> dict[str, Any]:
    return read_row(data.encode() if isinstance(data, str) else data)
