"""The user data stream: opened, kept alive, and made whole after every loss.

Binance numbers nothing over a reconnect and replays nothing: see `transport/feed.py`.

Spot subscribes over the WebSocket API with a signature of its own. Futures open with a listen key, which lives for an
hour unless it is kept alive, and then send SUBSCRIBE with it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from brokergw.adapters.binance import futures, lists, spot
from brokergw.adapters.binance.backfill import History
from brokergw.adapters.binance.config import BinanceConfig, Product
from brokergw.adapters.binance.errors import understood
from brokergw.adapters.binance.orders import Orders
from brokergw.adapters.binance.session import Request, Session
from brokergw.model.errors import GatewayError
from brokergw.model.lifecycle import State
from brokergw.model.outcome import BrokerEvent, BrokerOrder, OrderReport
from brokergw.ports.clock import Clock
from brokergw.transport.feed import Links, Subscription
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, as_row, optional_text, read_row, text, whole
from brokergw.transport.websocket import Frame, LinkError, LinkEvent, LinkLost, LinkOpened, SupervisedLink, Wire

_LISTEN_KEY: Final = "/fapi/v1/listenKey"
_ENDS: Final = frozenset({"eventStreamTerminated", "serverShutdown", "listenKeyExpired"})


class OrderFeed:
    """What happens to one account's orders."""

    def __init__(self, orders: Orders, *, url: str, session: Session, config: BinanceConfig, clock: Clock) -> None:
        self._orders = orders
        self._url = url
        self._session = session
        self._config = config
        self._clock = clock
        self._history = History(orders, clock, overlap_s=config.overlap_s)
        self._links = Links()

    def close(self) -> None:
        """End every subscription, each of which hears FeedDown and no more."""
        self._links.close()

    async def fills_of(self, order: BrokerOrder) -> list[OrderReport]:
        """Give the executions of one order, oldest first."""
        return await self._history.fills_of(order)

    async def events(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Yield reports, FeedUp and FeedDown until `close`."""
        greet = self._greet_spot if self._config.product is Product.SPOT else self._greet_futures
        link = SupervisedLink(self._url, clock=self._clock, greet=greet, policy=self._config.link)
        watcher = _Watcher(link, self._orders, Subscription(self._history.since, link.drop, self._clock, since_ns))
        keeper = asyncio.create_task(self._keep(link)) if self._config.product is Product.FUTURES else None
        try:
            with self._links.held(link):
                async with aclosing(link.listen()) as happenings:
                    async for happening in happenings:
                        for event in await watcher.on(happening):
                            yield event
        finally:
            if keeper is not None:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)

    async def _greet_spot(self, wire: Wire) -> None:
        try:
            params = await self._session.sign_in()
        except GatewayError as error:
            raise LinkError(error.message) from error
        method = "userDataStream.subscribe.signature"
        await wire.send(json.dumps({"id": "subscribe", "method": method, "params": params}))
        answer = await _answer(wire, "subscribe")
        if answer.get("status") != 200:
            refusal = answer.get("error")
            code = refusal.get("code") if isinstance(refusal, dict) else ""
            raise LinkError(f"Binance refused the subscription: {code}")

    async def _greet_futures(self, wire: Wire) -> None:
        listen_key = await self._listen_key("POST")
        await wire.send(json.dumps({"method": "SUBSCRIBE", "params": [listen_key], "id": 1}))
        answer = await _answer(wire, 1)
        if answer.get("result", "none") is not None:
            raise LinkError("Binance refused the subscription")

    async def _listen_key(self, method: str) -> str:
        """Ask for the account's listen key, which makes it live for another hour."""
        reply = await self._session.command(Request(method=method, path=_LISTEN_KEY, signed=False))
        if not isinstance(reply, Reply) or reply.status != 200:
            why = f"HTTP {reply.status}" if isinstance(reply, Reply) else reply.why
            raise LinkError(f"Binance gave no listen key: {why}")
        try:
            row = read_row(reply.body)
            return text(row, "listenKey") if method == "POST" else optional_text(row, "listenKey")
        except Unusable as error:
            raise LinkError(f"Binance gave no listen key: {error}") from error

    async def _keep(self, link: SupervisedLink) -> None:
        """Keep the listen key alive; a dead one ends the link, and the next gets another."""
        while True:
            await self._clock.sleep(self._config.keep_listen_key_s)
            try:
                await self._listen_key("PUT")
            except LinkError as error:
                link.drop(str(error))


class _Watcher:
    """Reads one listener's frames, which may need a symbol or an order to be looked up."""

    def __init__(self, link: SupervisedLink, orders: Orders, subscription: Subscription) -> None:
        self._link = link
        self._orders = orders
        self._subscription = subscription

    async def on(self, happening: LinkEvent) -> list[BrokerEvent]:
        """Turn what happened to the link into what the listener is told."""
        match happening:
            case LinkOpened():
                return await self._subscription.opened()
            case LinkLost(why):
                return self._subscription.lost(why)
            case Frame(data):
                return await self._frame(data) if self._subscription.up else []

    async def _frame(self, data: str | bytes) -> list[BrokerEvent]:
        try:
            report = await self._report(_event(data))
        except Unusable as error:
            self._link.unclear(f"an event cannot be told: {error}")
            return []
        except GatewayError as error:
            # What it was about can be learned after a back-fill only.
            self._link.drop(f"an event could not be read: {error.message}")
            return []
        return self._subscription.heard([] if report is None else [report])

    async def _report(self, event: Row) -> OrderReport | None:
        match event.get("e"):
            case "executionReport":
                return await self._spot_report(event)
            case "listStatus":
                # It tells what a list is made of; how its orders fare is told of each.
                self._orders.groups.learn(event)
            case "ORDER_TRADE_UPDATE":
                return await self._futures_report(as_row(event.get("o")))
            case "ALGO_UPDATE":
                return await self._algo_report(as_row(event.get("o")), whole(event, "T"))
            case name if name in _ENDS:
                self._link.drop(f"Binance ends the stream: {name}")
        return None

    async def _spot_report(self, event: Row) -> OrderReport:
        report = spot.report(event, await self._symbols(event))
        listed = lists.list_id(event)
        return (
            report if listed is None else replace(report, order=await self._orders.groups.heard(listed, report.order))
        )

    async def _symbols(self, event: Row) -> dict[str, str]:
        wire = text(event, "s")
        return {wire: await self._orders.symbol(wire)}

    async def _futures_report(self, event: Row) -> OrderReport:
        report = futures.report(event, await self._symbols(event))
        order_id = report.order.broker_order_id
        if self._orders.is_new(order_id):
            if not self._orders.has_sent(report.order.client_order_id):
                # It may be what a conditional order has become, which is told by another kind of event.
                await self._orders.learn_children_of(text(event, "s"))
            if self._orders.algo_of(order_id) is None:
                self._orders.takes_plain(order_id)
        algo = self._orders.algo_of(order_id)
        return report if algo is None else replace(report, order=futures.joined(algo, report.order))

    async def _algo_report(self, event: Row, time_ms: int) -> OrderReport | None:
        row = futures.algo_event(event, time_ms)
        with understood():
            order = futures.order(row, await self._symbols(event))
        triggered = self._orders.learn_child(row, order) is not None and order.state is State.TRIGGERED
        # From then on its child's events tell how it fares.
        if triggered and (event.get("X") != "TRIGGERED" or self._subscription.told.cum_quantity(order)):
            return None
        return OrderReport(order, order.update_time_ns)


async def _answer(wire: Wire, asked: object) -> Row:
    while True:
        try:
            message = read_row(await wire.receive())
        except Unusable as error:
            raise LinkError(f"the greeting was answered with something else: {error}") from error
        if message.get("id") == asked:
            return message


def _event(data: str | bytes) -> Row:
    """Take an event out of its envelope: spot's `event`, a combined stream's `data`, or none."""
    message: dict[str, Any] = read_row(data)
    for name in ("event", "data"):
        if name in message:
            return as_row(message[name])
    return message
