"""The broker's time, beside the answer to a websocket's handshake."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from email.utils import formatdate
from itertools import count

import pytest
from aiohttp import web

from brokergw.transport.heard_clock import HeardClock
from brokergw.transport.websocket import LinkLost, SupervisedLink, Wire
from tests.fixtures.hasty import HastyClock

AHEAD_S = 3600


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Give the address of a server an hour ahead, whose clock goes by a second with each handshake; it hangs up."""
    seconds = count(AHEAD_S)
    clock = HastyClock()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        date = formatdate(clock.now_ns() // 1_000_000_000 + next(seconds), usegmt=True)
        if request.path == "/refused":
            return web.Response(status=503, headers={"Date": date})
        socket = web.WebSocketResponse()
        socket.headers["Date"] = date
        await socket.prepare(request)
        await socket.close()
        return socket

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def no_greeting(_: Wire) -> None:
    """Greet with nothing."""


@pytest.mark.parametrize("path", ["/stream", "/refused"])
async def test_a_handshake_tells_the_time(url: str, path: str) -> None:
    """Let in or refused, its answer has a Date like any other; two of them agree."""
    clock = HastyClock(1000)
    heard = HeardClock(HastyClock())
    link = SupervisedLink(url + path, clock=clock, greet=no_greeting, heard=heard)
    apart_s = None
    async with aclosing(link.listen()) as events:
        async for event in events:
            apart_s = heard.apart_s()
            if isinstance(event, LinkLost) and apart_s is not None:
                break
    assert apart_s is not None
    # What the machine took meanwhile is no difference.
    assert AHEAD_S - 60 < apart_s <= AHEAD_S
