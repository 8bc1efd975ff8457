"""How the supervised link behaves against a websocket server on a real socket, with time sped up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import aiohttp
from aiohttp import web

from brokergw.transport.websocket import (
    Frame,
    LinkError,
    LinkEvent,
    LinkLost,
    LinkOpened,
    LinkPolicy,
    SupervisedLink,
    Wire,
)
from tests.fixtures.hasty import HastyClock

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def speaking(*talks: Talk | int, autoping: bool = True) -> AsyncIterator[str]:
    """Serve one talk per connection, the last one again and again; a number is an HTTP refusal."""
    count = 0

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal count
        talk = talks[min(count, len(talks) - 1)]
        count += 1
        if isinstance(talk, int):
            return web.Response(status=talk)
        socket = web.WebSocketResponse(autoping=autoping, timeout=0.1)
        await socket.prepare(request)
        await talk(socket)
        return socket

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/stream"
    finally:
        await runner.cleanup()


async def no_greeting(wire: Wire) -> None:
    """Greet with nothing."""


async def idle(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


async def deaf(socket: web.WebSocketResponse) -> None:
    """Read but answer nothing, not even pings."""
    while (await socket.receive()).type not in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}:
        pass


async def leave(socket: web.WebSocketResponse) -> None:
    await socket.close()


async def collect(link: SupervisedLink, count: int) -> list[LinkEvent]:
    events: list[LinkEvent] = []
    async with aclosing(link.listen()) as happenings:
        async for event in happenings:
            events.append(event)
            if len(events) == count:
                break
    return events


async def test_frames_are_given_as_they_came() -> None:
    """Text and binary frames arrive in order behind the opening."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_str("one")
        await socket.send_bytes(b"two")
        await idle(socket)

    async with speaking(talk) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting)
        assert await collect(link, 3) == [LinkOpened(), Frame("one"), Frame(b"two")]


async def test_the_greeting_comes_before_the_opening() -> None:
    """The link opens once its greeting is through, and what the greeting read is not given again."""

    async def talk(socket: web.WebSocketResponse) -> None:
        assert (await socket.receive_str()) == "hello"
        await socket.send_str("welcome")
        await socket.send_str("news")
        await idle(socket)

    async def greet(wire: Wire) -> None:
        await wire.send("hello")
        assert await wire.receive() == "welcome"

    async with speaking(talk) as url:
        assert await collect(SupervisedLink(url, clock=HastyClock(), greet=greet), 2) == [LinkOpened(), Frame("news")]


async def test_a_closed_link_is_lost_and_opened_again() -> None:
    """When the server closes, the listener hears of the loss, and of the next opening after a pause."""
    clock = HastyClock(100)
    async with speaking(leave, idle) as url:
        events = await collect(SupervisedLink(url, clock=clock, greet=no_greeting), 3)
    assert [type(event) for event in events] == [LinkOpened, LinkLost, LinkOpened]


async def test_pauses_double_up_to_their_limit_until_a_link_was_stable() -> None:
    """A server that accepts and hangs up is left alone for longer each time."""
    clock = HastyClock(1000)
    policy = LinkPolicy(backoff_first_s=1, backoff_max_s=8, stable_s=1e9, heartbeat_s=1e6, open_s=1e5)
    async with speaking(leave) as url:
        await collect(SupervisedLink(url, clock=clock, greet=no_greeting, policy=policy), 12)
    pauses = [slept for slept in clock.slept if slept < 1e4]
    for pause, expected in zip(pauses, (1, 2, 4, 8, 8), strict=True):
        assert 0.75 * expected <= pause <= 1.25 * expected


async def test_a_stable_link_starts_the_pauses_over() -> None:
    """After a link that lasted, the first pause is the short one again."""
    clock = HastyClock(1000)
    policy = LinkPolicy(backoff_first_s=1, backoff_max_s=64, stable_s=0, heartbeat_s=1e6, open_s=1e5)
    async with speaking(leave) as url:
        await collect(SupervisedLink(url, clock=clock, greet=no_greeting, policy=policy), 8)
    assert all(pause <= 1.25 for pause in clock.slept if pause < 1e4)


async def test_a_refused_handshake_is_a_loss_with_its_status() -> None:
    """An HTTP answer instead of a websocket is told with its status and tried again."""
    async with speaking(429, idle) as url:
        events = await collect(SupervisedLink(url, clock=HastyClock(100), greet=no_greeting), 2)
    assert events == [LinkLost("the handshake was answered with HTTP 429"), LinkOpened()]


async def test_a_mute_link_is_given_up() -> None:
    """A peer that answers no ping is lost after the mute time."""
    clock = HastyClock(100)
    async with speaking(deaf, autoping=False) as url:
        events = await collect(SupervisedLink(url, clock=clock, greet=no_greeting), 2)
    assert events == [LinkOpened(), LinkLost("mute for 30 s")]


async def test_pongs_keep_a_quiet_link() -> None:
    """A peer that says nothing but answers pings stays connected for longer than the mute time."""
    clock = HastyClock(200)

    async def late_news(socket: web.WebSocketResponse) -> None:
        pings = 0
        while pings < 6:
            message = await socket.receive()
            assert message.type is aiohttp.WSMsgType.PING
            await socket.pong(message.data)
            pings += 1
        await socket.send_str("after a minute")
        await idle(socket)

    async with speaking(late_news, autoping=False) as url:
        events = await collect(SupervisedLink(url, clock=clock, greet=no_greeting), 2)
    assert events == [LinkOpened(), Frame("after a minute")]


async def test_the_peers_pings_are_answered() -> None:
    """A server that checks its clients hears a pong."""
    answered: list[aiohttp.WSMsgType] = []

    async def check(socket: web.WebSocketResponse) -> None:
        await socket.ping(b"x")
        answered.append((await socket.receive()).type)
        await socket.send_str("checked")
        await idle(socket)

    async with speaking(check, autoping=False) as url:
        await collect(SupervisedLink(url, clock=HastyClock(), greet=no_greeting), 2)
    assert answered == [aiohttp.WSMsgType.PONG]


async def test_a_greeting_that_hangs_is_given_up() -> None:
    """A server that accepts but never answers the greeting is lost after the opening time."""

    async def greet(wire: Wire) -> None:
        await wire.receive()

    async with speaking(idle) as url:
        events = await collect(SupervisedLink(url, clock=HastyClock(100), greet=greet), 1)
    assert events == [LinkLost("not opened within 10 s")]


async def test_a_greeting_that_is_refused_is_a_loss() -> None:
    """A greeting's own complaint becomes the reason of the loss."""

    async def greet(wire: Wire) -> None:
        raise LinkError("the key was refused")

    async with speaking(idle) as url:
        events = await collect(SupervisedLink(url, clock=HastyClock(100), greet=greet), 1)
    assert events == [LinkLost("the key was refused")]


async def test_a_dropped_link_is_opened_again() -> None:
    """The listener may give a link up, with its reason told back."""
    link: SupervisedLink
    events: list[LinkEvent] = []
    async with speaking(idle) as url:
        link = SupervisedLink(url, clock=HastyClock(100), greet=no_greeting)
        async with aclosing(link.listen()) as happenings:
            async for event in happenings:
                events.append(event)
                if len(events) == 1:
                    link.drop("not whole")
                if len(events) == 3:
                    break
    assert events == [LinkOpened(), LinkLost("not whole"), LinkOpened()]


async def test_a_closed_link_ends_its_listening() -> None:
    """After closing, the listener hears of the loss, and then its generator is over."""
    async with speaking(idle) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting)
        events: list[LinkEvent] = []
        async for event in link.listen():
            events.append(event)
            link.close()
    assert events == [LinkOpened(), LinkLost("closed by us")]


async def test_closing_ends_a_pause_too() -> None:
    """A link that waits before its next attempt is over at once when it is closed."""
    async with speaking(503) as url:
        policy = LinkPolicy(backoff_first_s=3600, backoff_max_s=3600)
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=policy)
        events: list[LinkEvent] = []
        async for event in link.listen():
            events.append(event)
            asyncio.get_running_loop().call_later(0.05, link.close)
    assert events == [LinkLost("the handshake was answered with HTTP 503")]


async def test_a_reader_that_falls_behind_loses_the_link() -> None:
    """Frames are never dropped silently: beyond the backlog the link counts as lost."""

    async def flood(socket: web.WebSocketResponse) -> None:
        for number in range(50):
            await socket.send_str(str(number))
        await idle(socket)

    async with speaking(flood) as url:
        clock = HastyClock()
        link = SupervisedLink(url, clock=clock, greet=no_greeting, policy=LinkPolicy(backlog_max=10))
        events: list[LinkEvent] = []
        async with aclosing(link.listen()) as happenings:
            async for event in happenings:
                events.append(event)
                if isinstance(event, LinkOpened):
                    await clock.sleep(0.3)
                if isinstance(event, LinkLost):
                    break
    assert events[1:] == [*(Frame(str(number)) for number in range(10)), LinkLost("the reader fell behind")]


async def test_an_address_may_be_asked_for_anew() -> None:
    """Where the server is may change with each connect; while nobody can tell, the link is lost and tried again."""
    told: list[str | None] = [None]

    async def where() -> str:
        if (address := told.pop()) is None:
            raise LinkError("nobody knows where")
        return address

    async with speaking(idle) as url:
        told.insert(0, url)
        events = await collect(SupervisedLink(where, clock=HastyClock(20), greet=no_greeting), 2)
    assert events == [LinkLost("nobody knows where"), LinkOpened()]
