"""What the HTTP client proves about requests that went wrong, against servers that misbehave on real sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import httpx
import pytest

from brokergw.transport.http import Http, NotSentError, Timeouts, UnknownError, redacted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
QUICK = Timeouts(connect=0.3, pool=0.2, read=0.3, total=1.0)

Behaviour = Callable[["Server", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A TCP server that counts the requests it read whole."""

    behaviour: Behaviour
    requests: list[bytes] = field(default_factory=list)
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Give an address to send to."""
        return f"http://127.0.0.1:{self.port}/v2/orders"

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request whole and count it."""
        head = await reader.readuntil(b"\r\n\r\n")
        size = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        request = head + await reader.readexactly(size)
        self.requests.append(request)
        self.arrived.set()
        return request


@asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[Server]:
    server = Server(behaviour)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behaviour(server, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(converse, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def client(
    timeouts: Timeouts = QUICK, answer_bytes_max: int = 1000, connections_max: int = 10
) -> AsyncIterator[Http]:
    http = Http(timeouts=timeouts, answer_bytes_max=answer_bytes_max, connections_max=connections_max)
    http.retain()
    try:
        yield http
    finally:
        await http.release()


async def hang_up(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read(reader)


async def answer_once_then_hang_up(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read(reader)
    writer.write(OK)
    await server.read(reader)


async def stay_silent(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read(reader)
    await asyncio.sleep(2)


def answering(answer: bytes) -> Behaviour:
    async def answer_all(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.read(reader)
            writer.write(answer)

    return answer_all


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "GET"])
async def test_a_request_read_and_dropped_is_unknown_and_sent_once(method: str) -> None:
    """A server that reads a request and hangs up has seen it once, and the outcome is unknown."""
    async with serving(hang_up) as server, client() as http:
        with pytest.raises(UnknownError) as caught:
            await http.send(method, server.url, {}, b"{}")
        assert caught.value.stale
        assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "GET"])
async def test_no_layer_repeats_a_request_on_a_kept_alive_connection(method: str) -> None:
    """A kept-alive connection that is closed after the second request yields two requests in all, not three."""
    async with serving(answer_once_then_hang_up) as server, client() as http:
        assert (await http.send(method, server.url, {}, b"{}")).status == 200
        with pytest.raises(UnknownError):
            await http.send(method, server.url, {}, b"{}")
        assert len(server.requests) == 2


async def test_a_refused_connection_is_not_sent() -> None:
    """Where nobody listens, nothing was sent."""
    async with serving(hang_up) as server:
        url = server.url
    async with client() as http:
        with pytest.raises(NotSentError):
            await http.send("POST", url, {}, b"{}")


async def test_a_failed_tls_handshake_is_not_sent() -> None:
    """A peer that does not speak TLS has received no request."""
    async with serving(answering(OK)) as server, client() as http:
        with pytest.raises(NotSentError):
            await http.send("POST", server.url.replace("http:", "https:"), {}, b"{}")
        assert not server.requests


async def test_a_tls_handshake_that_hangs_is_not_sent() -> None:
    """A connection that is not ready in time was never handed the request."""
    async with serving(stay_silent) as server, client() as http:
        with pytest.raises(NotSentError):
            await http.send("POST", server.url.replace("http:", "https:"), {}, b"{}")


async def test_waiting_for_the_pool_in_vain_is_not_sent() -> None:
    """With every connection in use, the request that finds none was not sent."""
    patient = Timeouts(connect=0.1, pool=0.1, read=1.0, total=1.5)
    async with serving(stay_silent) as server, client(patient, connections_max=1) as http:
        first = asyncio.create_task(http.send("POST", server.url, {}, b"first"))
        await server.arrived.wait()
        with pytest.raises(NotSentError):
            await http.send("POST", server.url, {}, b"second")
        with pytest.raises(UnknownError):
            await first
        assert [request[-5:] for request in server.requests] == [b"first"]


async def test_no_answer_in_time_is_unknown() -> None:
    """A server that stays silent after reading leaves the outcome unknown."""
    async with serving(stay_silent) as server, client() as http:
        with pytest.raises(UnknownError) as caught:
            await http.send("POST", server.url, {}, b"{}")
        assert not caught.value.stale


async def test_an_answer_that_drips_is_unknown_after_the_total_time() -> None:
    """The total time bounds an answer that arrives in time but byte by byte."""

    async def drip(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(30):
            writer.write(b"x")
            await asyncio.sleep(0.05)

    async with serving(drip) as server, client(Timeouts(read=0.3, total=0.4)) as http:
        with pytest.raises(UnknownError, match="no complete answer within"):
            await http.send("POST", server.url, {}, b"{}")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", id="truncated"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", id="truncated chunk"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="truncated head"),
    ],
)
async def test_a_broken_answer_is_unknown(answer: bytes) -> None:
    """An answer that breaks off or is no HTTP says nothing about the command."""

    async def answer_and_close(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        writer.write(answer)

    async with serving(answer_and_close) as server, client() as http:
        with pytest.raises(UnknownError):
            await http.send("POST", server.url, {}, b"{}")
        assert len(server.requests) == 1


async def test_a_reset_connection_is_unknown() -> None:
    """A TCP reset after the request was read leaves the outcome unknown."""

    async def reset(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        writer.transport.abort()

    async with serving(reset) as server, client() as http:
        with pytest.raises(UnknownError):
            await http.send("POST", server.url, {}, b"{}")


async def test_an_answer_beyond_the_cap_is_unknown() -> None:
    """An answer larger than the cap is not read to its end."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    async with serving(answering(answer)) as server, client() as http:
        with pytest.raises(UnknownError, match="exceeds 1000 bytes"):
            await http.send("POST", server.url, {}, b"{}")


async def test_a_redirect_is_an_answer() -> None:
    """A redirect is given back, not followed: credentials and orders go to one host only."""
    answer = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n"
    async with serving(answering(answer)) as server, client() as http:
        assert (await http.send("POST", server.url, {}, b"{}")).status == 307
        assert len(server.requests) == 1


async def test_cookies_do_not_travel_between_users_of_a_pool() -> None:
    """A cookie set for one request is not sent with the next, which may be another user's."""
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=alice\r\nContent-Length: 0\r\n\r\n"
    async with serving(answering(answer)) as server, client() as http:
        # A cookie store would not even take cookies from a bare address.
        url = server.url.replace("127.0.0.1", "localhost")
        await http.send("GET", url, {})
        await http.send("GET", url, {})
        assert b"alice" not in server.requests[1]


async def test_the_request_arrives_as_given() -> None:
    """Method, path, headers and body reach the server unchanged."""
    async with serving(answering(OK)) as server, client() as http:
        reply = await http.send("POST", server.url + "/BTC%2FUSD?a=%26%2B%3D%20", {"X-Key": "k"}, b'{"a":1}')
        assert reply.body == b"ok"
    head, body = server.requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /v2/orders/BTC%2FUSD?a=%26%2B%3D%20 HTTP/1.1\r\n")
    assert b"x-key: k" in head.lower()
    assert body == b'{"a":1}'


async def test_the_last_user_closes_the_pool_and_the_next_request_opens_another() -> None:
    """A released pool lets go of its sockets, and a connection opened later works again."""
    closed = asyncio.Event()

    async def watch(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answering(OK)(server, reader, writer)
        finally:
            closed.set()

    http = Http(timeouts=QUICK)
    async with serving(watch) as server:
        http.retain()
        http.retain()
        await http.send("GET", server.url, {})
        await http.release()
        assert not closed.is_set()
        await http.release()
        await asyncio.wait_for(closed.wait(), 1)
        http.retain()
        assert (await http.send("GET", server.url, {})).status == 200
        await http.release()


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_other_transports_prove_not_sent_by_their_connect_errors(error: type[httpx.TransportError]) -> None:
    """What httpx itself raises before there is a connection is a proof."""

    def refuse(_: httpx.Request) -> httpx.Response:
        raise error("no")

    with pytest.raises(NotSentError):
        await Http(transport=httpx.MockTransport(refuse)).send("POST", "http://broker/", {}, b"")


@pytest.mark.parametrize(
    "error",
    [httpx.WriteError, httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.ProxyError, OSError],
)
async def test_every_other_error_is_unknown(error: type[Exception]) -> None:
    """What is not listed as a proof is unknown."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise error("no")

    with pytest.raises(UnknownError):
        await Http(transport=httpx.MockTransport(fail)).send("POST", "http://broker/", {}, b"")


async def test_a_connect_error_made_of_an_aiohttp_error_is_no_proof() -> None:
    """The translation to httpx calls a server that hung up a connect timeout, which must not count as not sent."""

    def hang_up_in_translation(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("translated") from aiohttp.ServerDisconnectedError()

    with pytest.raises(UnknownError):
        await Http(transport=httpx.MockTransport(hang_up_in_translation)).send("POST", "http://broker/", {}, b"")


def test_headers_that_may_authenticate_are_redacted() -> None:
    """Keys, secrets, tokens and signatures print as stars, harmless headers as they are."""
    shown = redacted(
        {"APCA-API-KEY-ID": "a", "APCA-API-SECRET-KEY": "b", "Authorization": "c", "X-Sign": "d", "Accept": "json"}
    )
    assert shown == {
        "APCA-API-KEY-ID": "***",
        "APCA-API-SECRET-KEY": "***",
        "Authorization": "***",
        "X-Sign": "***",
        "Accept": "json",
    }


async def test_the_log_shows_neither_secret_nor_body(caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative level, a request logs its path and status only."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"answer-body"))
    with caplog.at_level(logging.DEBUG):
        await Http(transport=transport).send(
            "POST", "http://broker/v2/orders?q=query-text", {"APCA-API-SECRET-KEY": "hidden"}, b"order-body"
        )
    assert "/v2/orders" in caplog.text
    for secret in ("hidden", "order-body", "answer-body", "query-text"):
        assert secret not in caplog.text
