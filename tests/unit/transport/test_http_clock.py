"""The broker's time, beside what its answers over real sockets say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp import web

from brokergw.transport.http import Http
from tests.fixtures.clock import START_NS, FakeClock


class Server:
    """A broker on a port, whose answers say what a test writes into their heads."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.takes_s = 0.0
        self.heads: dict[str, str] = {}
        self.url = ""

    async def answer(self, _: web.BaseRequest) -> web.Response:
        self.clock.advance(self.takes_s)
        return web.Response(text="{}", headers=self.heads)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        runner = web.ServerRunner(web.Server(self.answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()


@pytest.fixture
async def server(still_clock: FakeClock) -> AsyncIterator[Server]:
    """Give a broker that is listening."""
    server = Server(still_clock)
    async with server.listening():
        yield server


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """Give a pool that is closed after the test."""
    http = Http()
    http.retain()
    yield http
    await http.release()


def date(second: int) -> str:
    return f"Fri, 15 Jan 2027 08:00:{second:02d} GMT"


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_every_answer_tells_the_time(server: Server, http: Http, method: str) -> None:
    """Whatever was asked for: from the moment in which the request leaves to that in which the head has come."""
    heard = http.heard_clock(server.url, server.clock)
    server.takes_s = 1.0
    for second in (10, 20):
        server.heads["Date"] = date(second)
        await http.send(method, server.url + "/any", {}, b"{}" if method == "POST" else None)
    # The second answer came at 2 s and said 20; the first, at 1 s, said 10.
    assert heard.apart_s() == 9.0


async def test_a_host_that_nobody_asked_about_is_not_compared(server: Server, http: Http) -> None:
    """What another host's answers say is no word on this one."""
    heard = http.heard_clock("http://127.0.0.1:1/", server.clock)
    for second in (10, 20):
        server.heads["Date"] = date(second)
        await http.send("GET", server.url, {})
    assert heard.apart_s() is None


async def test_all_who_share_a_pool_hear_the_same(server: Server, http: Http) -> None:
    """One broker has one clock, whatever the path."""
    one, other = (http.heard_clock(server.url + path, server.clock) for path in ("/v2/orders", ""))
    for second in (10, 20):
        server.heads["Date"] = date(second)
        await http.send("GET", server.url, {})
    assert one.apart_s() == other.apart_s() == 10.0


async def test_a_kept_answer_is_not_believed(server: Server, http: Http) -> None:
    """Its Age says that a cache gave it."""
    heard = http.heard_clock(server.url, server.clock)
    server.heads["Age"] = "7"
    for second in (10, 20):
        server.heads["Date"] = date(second)
        await http.send("GET", server.url, {})
    assert heard.apart_s() is None


async def test_what_stands_in_for_the_network_is_heard_too(still_clock: FakeClock) -> None:
    """A test's transport tells the time as a socket does."""
    seconds = iter((10, 20))

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"date": date(next(seconds))})

    http = Http(transport=httpx.MockTransport(answer))
    heard = http.heard_clock("http://broker/", still_clock)
    assert still_clock.now_ns() == START_NS
    for _ in range(2):
        await http.send("GET", "http://broker/any", {})
    assert heard.apart_s() == 10.0
