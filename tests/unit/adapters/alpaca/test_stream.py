"""The order feed against a scripted REST side and a websocket on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from brokergw.adapters.alpaca import AlpacaConfig
from brokergw.adapters.alpaca.stream import events_of
from brokergw.model.outcome import BrokerEvent, FeedDown, FeedUp, OrderReport
from brokergw.transport.feed import Subscription
from brokergw.transport.websocket import Frame, LinkOpened, LinkPolicy, SupervisedLink
from tests.fixtures.alpaca_wire import KEY, NOW_NS, SECRET, ScriptedAlpaca, answer, sample
from tests.fixtures.hasty import HastyClock

ORDER_ID = sample("http_get_order")["id"]
QUICK = LinkPolicy(backoff_first_s=0.01, backoff_max_s=0.02, stable_s=1e6)

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def streaming(*talks: Talk, binary: bool = True) -> AsyncIterator[tuple[ScriptedAlpaca, AlpacaConfig, list[Any]]]:
    """Serve trade_updates: each connection is greeted properly, then talks; keeps what the client sent."""
    heard: list[Any] = []
    connections = 0

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal connections
        talk = talks[min(connections, len(talks) - 1)]
        connections += 1
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        send = socket.send_bytes if binary else (lambda raw: socket.send_str(raw.decode()))
        for greeting in ("ws_authorized", "ws_listening"):
            heard.append(await socket.receive_json())
            await send(json.dumps(sample(greeting)).encode())
        await talk(socket)
        return socket

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = AlpacaConfig(paper_stream_url=f"ws://127.0.0.1:{runner.addresses[0][1]}/stream", link=QUICK)
    alpaca = ScriptedAlpaca()
    alpaca.clock = HastyClock()  # type: ignore[assignment]
    alpaca.on("GET", "/v2/account/activities/FILL", answer([]))
    alpaca.on("GET", "/v2/orders?", answer([]))
    try:
        yield alpaca, config, heard
    finally:
        await runner.cleanup()


def telling(*names: str, then: Talk | None = None) -> Talk:
    async def tell(socket: web.WebSocketResponse) -> None:
        for name in names:
            await socket.send_bytes(json.dumps(sample(name)).encode())
        if then is not None:
            await then(socket)
        else:
            await wait(socket)

    return tell


async def wait(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


async def leave(socket: web.WebSocketResponse) -> None:
    await socket.close()


async def collect(
    alpaca: ScriptedAlpaca, config: AlpacaConfig, count: int, since_ns: int = NOW_NS
) -> list[BrokerEvent]:
    events: list[BrokerEvent] = []
    async with asyncio.timeout(5), aclosing(alpaca.open(config).subscribe(since_ns)) as feed:
        async for event in feed:
            events.append(event)
            if len(events) == count:
                break
    return events


def told(events: list[BrokerEvent]) -> list[str]:
    """Shorten events: kinds of feed news, states, and executions by their total."""
    short = []
    for event in events:
        match event:
            case FeedUp():
                short.append("up")
            case FeedDown():
                short.append("down")
            case OrderReport(order, fill=None):
                short.append(order.state.value)
            case OrderReport(order, fill=fill):
                assert fill is not None
                short.append(f"{order.state.value} {fill.quantity}@{fill.price}")
    return short


@pytest.mark.parametrize("frames", ["binary", "text"])
async def test_the_feed_signs_in_and_tells_orders_and_executions(frames: str) -> None:
    """After sign-in and listening the feed is up, and updates arrive in canonical terms, from either kind of frame."""
    talk = telling("ws_new", "ws_partial_fill", "ws_fill", "ws_canceled")
    async with streaming(talk, binary=frames == "binary") as (alpaca, config, heard):
        events = await collect(alpaca, config, 4)
    assert told(events) == ["up", "WORKING", "PARTIAL 4@180.2", "FILLED 6@180.1"]
    assert heard == [
        {"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}},
        {"action": "listen", "data": {"streams": ["trade_updates"]}},
    ]
    last = events[-1]
    assert isinstance(last, OrderReport)
    assert last.fill is not None
    assert last.fill.position_quantity == Decimal(10)
    assert not last.replayed


async def test_an_execution_told_twice_is_told_once() -> None:
    """A repeated event, and an older state behind a newer one, are not told again."""
    talk = telling("ws_partial_fill", "ws_partial_fill", "ws_new", "ws_fill")
    async with streaming(talk) as (alpaca, config, _):
        events = await collect(alpaca, config, 3)
    assert told(events) == ["up", "PARTIAL 4@180.2", "FILLED 6@180.1"]


async def test_a_lost_link_is_down_then_made_whole_then_up() -> None:
    """What happened while the link was down is told between FeedDown and FeedUp, each execution once."""
    talks = (telling("ws_new", "ws_partial_fill", then=leave), telling("ws_fill"))
    async with streaming(*talks) as (alpaca, config, _):
        filled = sample("ws_fill")["data"]["order"]
        alpaca.on("GET", "/v2/account/activities/FILL", answer([]), answer(sample("http_get_activities_fill")))
        alpaca.on("GET", "/v2/orders?", answer([]), answer([]), answer([filled]), answer([]))
        events = await collect(alpaca, config, 6)
    assert told(events) == ["up", "WORKING", "PARTIAL 4@180.2", "down", "FILLED 6@180.1", "up"]
    replayed = events[4]
    assert isinstance(replayed, OrderReport)
    assert replayed.replayed
    assert replayed.fill is not None
    assert replayed.fill.execution_id == f"{ORDER_ID}:10"


async def test_an_order_open_at_the_loss_is_asked_for() -> None:
    """An old order that ended in silence is found although no list holds it any more."""
    talks = (telling("ws_new", then=leave), wait)
    async with streaming(*talks) as (alpaca, config, _):
        alpaca.on("GET", f"/v2/orders/{ORDER_ID}", answer(sample("ws_canceled")["data"]["order"]))
        events = await collect(alpaca, config, 5)
    assert told(events) == ["up", "WORKING", "down", "CANCELED", "up"]


async def test_a_back_fill_that_fails_keeps_the_feed_down() -> None:
    """The feed is not up before it is whole: a failed back-fill is a loss, and the next try may succeed."""
    async with streaming(wait) as (alpaca, config, _):
        alpaca.on("GET", "/v2/account/activities/FILL", answer("", 500), answer("", 500), answer([]))
        events = await collect(alpaca, config, 2)
    assert events[0] == FeedDown("the back-fill failed: Alpaca: HTTP 500")
    assert isinstance(events[1], FeedUp)


async def test_the_first_listening_tells_what_happened_since() -> None:
    """A listener that names a time in the past hears everything since then before the feed is up."""
    async with streaming(wait) as (alpaca, config, _):
        filled = sample("ws_fill")["data"]["order"]
        alpaca.on("GET", "/v2/account/activities/FILL", answer(sample("http_get_activities_fill")))
        alpaca.on("GET", "/v2/orders?", answer([filled]))
        events = await collect(alpaca, config, 3)
    assert told(events) == ["PARTIAL 4@180.2", "FILLED 6@180.1", "up"]


async def test_activities_that_lag_are_waited_for() -> None:
    """When an order's total exceeds its known executions, they are asked for again instead of left out."""
    async with streaming(wait) as (alpaca, config, _):
        alpaca.clock = HastyClock(100)  # type: ignore[assignment]
        rows = sample("http_get_activities_fill")
        alpaca.on("GET", "/v2/account/activities/FILL", answer(rows[:1]), answer(rows[:1]), answer(rows))
        alpaca.on("GET", "/v2/orders?", answer([sample("ws_fill")["data"]["order"]]))
        events = await collect(alpaca, config, 3)
    assert told(events) == ["PARTIAL 4@180.2", "FILLED 6@180.1", "up"]


async def test_refused_keys_keep_the_feed_down() -> None:
    """A stream that refuses the key is told as down, once for the same reason, and tried again."""
    tries = 0

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        await socket.receive()
        await socket.send_bytes(json.dumps(sample("ws_unauthorized" if tries < 3 else "ws_authorized")).encode())
        if tries >= 3:
            await socket.receive()
            await socket.send_bytes(json.dumps(sample("ws_listening")).encode())
            await wait(socket)
        return socket

    async with streaming(wait) as (alpaca, config, _):
        runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        other = replace(config, paper_stream_url=f"ws://127.0.0.1:{runner.addresses[0][1]}/stream")
        events = await collect(alpaca, other, 2)
        await runner.cleanup()
    assert events[0] == FeedDown("Alpaca refused the API key")
    assert isinstance(events[1], FeedUp)
    assert tries == 3


async def test_an_event_that_makes_no_sense_does_not_silence_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """An undocumented status is logged, never guessed, and the feed goes on."""

    async def talk(socket: web.WebSocketResponse) -> None:
        strange = sample("ws_new")
        strange["data"]["order"]["status"] = "brand_new_status"
        await socket.send_json(strange)
        await socket.send_str("no json")
        await socket.send_json({"stream": "weather", "data": {}})
        await telling("ws_canceled")(socket)

    async with streaming(talk) as (alpaca, config, _):
        events = await collect(alpaca, config, 2)
    assert told(events) == ["up", "CANCELED"]
    assert caplog.text.count("a trade update cannot be told") == 2
    assert SECRET not in caplog.text


async def test_frames_before_the_feed_is_whole_are_not_told() -> None:
    """What a link told that was given up is left to the next back-fill: a feed that is down tells nothing."""
    async with streaming(wait) as (alpaca, config, _):
        feed = alpaca.open(config)._feed
        link = SupervisedLink("ws://nowhere", clock=feed._clock, greet=feed._greet)
        subscription = Subscription(feed._history.since, link.drop, feed._clock, NOW_NS)
        frame = Frame(json.dumps(sample("ws_new")))
        assert await events_of(link, subscription, frame) == []
        assert told(await events_of(link, subscription, LinkOpened())) == ["up"]
        assert told(await events_of(link, subscription, frame)) == ["WORKING"]


@pytest.mark.parametrize("frame", ["no json", '{"stream":"trade_updates","data":7}'])
async def test_a_stream_that_nobody_understands_is_read_from_the_records(
    frame: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty trade updates in ten seconds that cannot be told are borne, and one more costs the link."""

    async def babble(socket: web.WebSocketResponse) -> None:
        for _ in range(300):
            await socket.send_str(frame)
        await wait(socket)

    async with streaming(babble, telling("ws_canceled")) as (alpaca, config, _):
        events = await collect(alpaca, config, 4)
    assert told(events) == ["up", "down", "up", "CANCELED"]
    assert events[1] == FeedDown("too many frames that cannot be told")
    assert caplog.text.count("a trade update cannot be told") == 5
