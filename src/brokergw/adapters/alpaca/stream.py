"""Alpaca's `trade_updates`: signed in, listened to, and made whole after every loss.

Alpaca numbers nothing and replays nothing: see `transport/feed.py`. Frames are JSON in binary or text frames (docs,
Websocket Streaming).
"""

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from typing import Final

from brokergw.adapters.alpaca import mapping, records
from brokergw.adapters.alpaca.api import Api
from brokergw.adapters.alpaca.backfill import History
from brokergw.adapters.alpaca.config import AlpacaConfig
from brokergw.adapters.alpaca.session import Session
from brokergw.model.errors import GatewayError
from brokergw.model.order import FillKind
from brokergw.model.outcome import BrokerEvent, BrokerFill, BrokerOrder, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.feed import Links, Subscription
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
        self._links = Links()

    def close(self) -> None:
        """End every subscription, each of which hears FeedDown and no more."""
        self._links.close()

    async def fills_of(self, order: BrokerOrder) -> list[OrderReport]:
        """Give the executions of one order, oldest first."""
        return await self._history.fills_of(order)

    async def events(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Yield reports, FeedUp and FeedDown until `close`."""
        link = SupervisedLink(self._url, clock=self._clock, greet=self._greet, policy=self._policy)
        subscription = Subscription(self._history.since, link.drop, self._clock, since_ns)
        with self._links.held(link):
            async with aclosing(link.listen()) as happenings:
                async for happening in happenings:
                    for event in await events_of(link, subscription, happening):
                        yield event

    async def _greet(self, wire: Wire) -> None:
        try:
            keys = await self._session.sign_in()
        except GatewayError as error:
            raise LinkError(error.message) from error
        await wire.send(json.dumps({"action": "authenticate", "data": keys}))
        answer = await _answer(wire, "authorization")
        if answer.get("status") != "authorized":
            with suppress(GatewayError):
                await self._session.has_another(keys.get("oauth_token", ""))
            raise LinkError(f"Alpaca refused the {'token' if 'oauth_token' in keys else 'API key'}")
        await wire.send(json.dumps({"action": "listen", "data": {"streams": [_STREAM]}}))
        if _STREAM not in ((await _answer(wire, "listening")).get("streams") or ()):
            raise LinkError("Alpaca does not stream order updates to this key")


async def events_of(link: SupervisedLink, subscription: Subscription, happening: LinkEvent) -> list[BrokerEvent]:
    """Turn what happened to the link into what the listener is told."""
    match happening:
        case LinkOpened():
            return await subscription.opened()
        case LinkLost(why):
            return subscription.lost(why)
        case Frame(data):
            return subscription.heard(_reports(link, data, subscription.told)) if subscription.up else []


def _reports(link: SupervisedLink, data: str | bytes, told: Told) -> Iterator[OrderReport]:
    """Read a frame; one that makes no sense is logged and left to the sweep and to the next back-fill."""
    try:
        message = read_row(data)
        if message.get("stream") == _STREAM:
            yield report_of(as_row(message.get("data")), told)
    except Unusable as error:
        link.unclear(f"a trade update cannot be told: {error}")


async def _answer(wire: Wire, stream: str) -> Row:
    while True:
        try:
            message = read_row(await wire.receive())
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
