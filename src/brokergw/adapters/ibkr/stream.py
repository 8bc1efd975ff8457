"""The order feed: the gateway's websocket, with readings of the lists beside it as a guarantee.

Frames are lost without a word: over the nightly reset, after hours without a `tic`, when another client asks with a
filter. So every few seconds the lists are read as well, and whatever they show that was not told is told then, also
while the websocket is down. The feed counts as up once, after the websocket has opened, both lists have been read.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias

from brokergw.adapters.ibkr.api import Api
from brokergw.adapters.ibkr.book import Book
from brokergw.adapters.ibkr.config import IbkrConfig
from brokergw.adapters.ibkr.orders import Orders
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import BrokerEvent, FeedUp, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.feed import Links, Standing
from brokergw.transport.rows import Row, Unusable, as_row, as_rows, flag, read_json
from brokergw.transport.websocket import Frame, LinkError, LinkEvent, LinkLost, LinkOpened, SupervisedLink, Wire

logger = logging.getLogger(__name__)

_WAITING_MAX: Final = 4
"""Little waits here: what the link keeps it counts in bytes, over all links."""
_NS: Final = 1_000_000_000
_FATAL: Final = frozenset({Reason.BROKER_CREDENTIALS_REFUSED, Reason.BROKER_SESSION_DOWN, Reason.CONNECTION_NOT_USABLE})


@dataclass(frozen=True, slots=True)
class _Read:
    """Both lists, as of after they were asked for."""

    orders: list[Row]
    trades: list[Row]


_Item: TypeAlias = LinkEvent | _Read | None


class OrderFeed:
    """Tells what happens to the orders of one account."""

    def __init__(self, api: Api, orders: Orders, config: IbkrConfig, clock: Clock) -> None:
        self._api = api
        self._orders = orders
        self._config = config
        self._clock = clock
        self._links = Links()
        self.closed = False

    def close(self) -> None:
        """End every subscription, each of which hears FeedDown and no more."""
        self.closed = True
        self._links.close()

    async def events(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Yield reports, FeedUp and FeedDown; raises BROKER_CREDENTIALS_REFUSED where a person must act."""
        wires: list[Wire] = []
        link = SupervisedLink(
            self._config.stream_url,
            clock=self._clock,
            greet=lambda wire: self._greet(wire, wires),
            policy=self._config.link,
        )
        waiting: asyncio.Queue[_Item] = asyncio.Queue(_WAITING_MAX)
        subscription = _Subscription(link, self, self._orders, self._clock, since_ns, self._config.overlap_s)
        tasks = [
            asyncio.create_task(_pump(link, waiting)),
            asyncio.create_task(self._poll(link, waiting)),
            asyncio.create_task(self._tic(wires)),
        ]
        with self._links.held(link):
            try:
                while (item := await waiting.get()) is not None:
                    for event in await subscription.on(item):
                        yield event
                    if subscription.refused is not None:
                        raise subscription.refused
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _greet(self, wire: Wire, wires: list[Wire]) -> None:
        """Get in by the name of the session, and ask for orders and trades."""
        wires.clear()
        try:
            await self._api.session.ready()
            session = await self._api.session.gateway.tickle()
        except GatewayError as error:
            raise LinkError(error.message) from error
        await wire.send(json.dumps({"session": session}))
        while True:
            frame = _frame(await wire.receive())
            if frame.get("topic") == "sts":
                break
        status = frame.get("args")
        if not isinstance(status, dict) or not flag(status, "authenticated"):
            self._api.session.gateway.lost("the stream says so")
            raise LinkError("the gateway's brokerage session is not there")
        await wire.send("sor+{}")
        await wire.send('str+{"realtimeUpdatesOnly":true}')
        wires.append(wire)

    async def _tic(self, wires: list[Wire]) -> None:
        """Say on the stream that somebody is there, without which it falls silent."""
        while True:
            await self._clock.sleep(self._config.tic_s)
            for wire in tuple(wires):
                try:
                    await wire.send("tic")
                except (OSError, RuntimeError):
                    # The link itself notices that it is gone, and tells.
                    wires.clear()

    async def trouble(self) -> GatewayError | None:
        """Ask what is wrong with the session, after a loss that tells nothing of it."""
        try:
            await self._api.session.ready()
            await self._api.session.gateway.tickle()
            await self._api.session.ready()
        except GatewayError as error:
            return error
        return None

    async def read(self) -> _Read:
        """Read both lists; raises GatewayError."""
        orders, trades = await asyncio.gather(self._api.orders(), self._api.trades())
        return _Read(orders, trades)

    async def _poll(self, link: SupervisedLink, waiting: "asyncio.Queue[_Item]") -> None:
        while True:
            await self._clock.sleep(self._config.poll_s)
            try:
                await waiting.put(await self.read())
            except GatewayError as error:
                logger.warning("the lists could not be read: %s", error.message)
                if error.reason in _FATAL:
                    link.drop(error.message)


class _Subscription:
    """One listener's view of the feed; `_whole_ns` is the time until which it has been told everything."""

    def __init__(
        self,
        link: SupervisedLink,
        feed: OrderFeed,
        orders: Orders,
        clock: Clock,
        since_ns: int,
        overlap_s: int,
    ) -> None:
        self._link = link
        self._feed = feed
        self._orders = orders
        self._clock = clock
        self._whole_ns = since_ns
        self._overlap_ns = overlap_s * _NS
        self._book = Book()
        self._seeded = False
        self._standing = Standing()
        self.refused: GatewayError | None = None

    async def on(self, item: LinkEvent | _Read) -> list[BrokerEvent]:
        """Turn what happened into what the listener is told."""
        match item:
            case LinkOpened():
                return await self._opened()
            case LinkLost(why):
                return await self._lost(why)
            case Frame(data):
                return list(await self._frame(data))
            case _Read():
                return list(await self._news(item, replayed=not self._standing.up)) if self._seeded else []

    async def _opened(self) -> list[BrokerEvent]:
        opened_ns = self._clock.now_ns()
        try:
            missed = await self._news(await self._feed.read(), replayed=True)
        except GatewayError as error:
            self._link.drop(f"the lists could not be read: {error.message}")
            return []
        up = FeedUp(self._whole_ns)
        self._whole_ns = opened_ns
        self._standing.risen()
        return [*missed, up]

    async def _news(self, read: _Read, *, replayed: bool) -> list[OrderReport]:
        self._book.take_trades(read.trades)
        readable = await self._orders.readable(self._book.take_list(read.orders))
        if not self._seeded:
            self._seeded = True
            for row, order in readable:
                self._book.pass_over(row, order, max(0, self._whole_ns - self._overlap_ns))
        reports = [report for row, order in readable for report in self._book.news(row, order, replayed=replayed)]
        return sorted(reports, key=lambda report: report.event_time_ns)

    async def _frame(self, data: str | bytes) -> list[OrderReport]:
        """Read a frame; one that makes no sense is logged and left to the lists."""
        try:
            frame = _frame(data)
            rows = self._touched(frame)
        except Unusable as error:
            self._link.unclear(f"a frame cannot be told: {error}")
            return []
        try:
            readable = await self._orders.readable(rows)
        except GatewayError as error:
            self._link.drop(f"a contract could not be looked up: {error.message}")
            return []
        return [report for row, order in readable for report in self._book.news(row, order, replayed=False)]

    def _touched(self, frame: Row) -> list[Row]:
        """Take a frame in, and give the rows of the orders that it is about."""
        match frame.get("topic"):
            case "sor" if self._standing.up:
                changes = [self._book.take_change(change) for change in as_rows(frame.get("args"))]
                return [row for row in changes if row is not None]
            case "str" if self._standing.up:
                return self._book.take_trades(as_rows(frame.get("args")))
            case "sts":
                status = as_row(frame.get("args"))
                if status.get("authenticated") is False or flag(status, "competing"):
                    self._link.drop("the gateway's brokerage session has ended")
            case "error":
                self._link.unclear("the gateway's stream tells of an error")
        return []

    async def _lost(self, why: str) -> list[BrokerEvent]:
        trouble = await self._feed.trouble() if not self._feed.closed else None
        if trouble is not None and trouble.reason in _FATAL:
            why = trouble.message
            if trouble.reason is Reason.BROKER_CREDENTIALS_REFUSED:
                self.refused = trouble
        return self._standing.fallen(why, trouble)


async def _pump(link: SupervisedLink, waiting: "asyncio.Queue[_Item]") -> None:
    try:
        async with aclosing(link.listen()) as happenings:
            async for happening in happenings:
                await waiting.put(happening)
    except Exception:
        await waiting.put(None)
        raise
    await waiting.put(None)


def _frame(data: str | bytes) -> Row:
    # Bytes that are no UTF-8 occur now and then inside texts that nobody needs here.
    return as_row(read_json(data.decode("utf-8", "replace") if isinstance(data, bytes) else data))
