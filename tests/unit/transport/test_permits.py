"""What a permit lets out of the house, against servers on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from brokergw.ports.permit import VALID_S, Permit
from brokergw.transport.http import Http, NotSentError, Timeouts, UnknownError
from tests.fixtures.permits import expired_permit, permit

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENT = Timeouts(connect=2.0, pool=2.0, read=0.3, total=4.0)


@dataclass
class Wire:
    """A server that keeps every byte it is sent, and says `answers` in turn, one per request or at once."""

    answers: list[bytes] = field(default_factory=lambda: [OK, OK, OK])
    speaks_first: bool = False
    received: bytearray = field(default_factory=bytearray)
    connections: int = 0
    talks: list[asyncio.Task[None]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.talks.append(task)
        with suppress(ConnectionError), closing(writer):
            if self.speaks_first:
                writer.write(self.answers.pop(0))
            while data := await reader.read(65536):
                self.received += data
                if b"\r\n\r\n" in data and self.answers:
                    writer.write(self.answers.pop(0))
        self.ended.set()


@asynccontextmanager
async def wire(**how: object) -> AsyncIterator[Wire]:
    it = Wire(**how)  # type: ignore[arg-type]
    listener = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v2/orders"
    try:
        yield it
    finally:
        listener.close()
        await asyncio.wait_for(asyncio.gather(*it.talks), 2)


@asynccontextmanager
async def client(connections_max: int = 10) -> AsyncIterator[Http]:
    http = Http(timeouts=PATIENT, connections_max=connections_max)
    http.retain()
    try:
        yield http
    finally:
        await http.release()


def granted(monotonic: Callable[[], float]) -> Permit:
    return Permit(order_id="o", attempt=1, client_order_id="c", granted_at=monotonic(), monotonic=monotonic)


async def test_a_fresh_permit_lets_the_request_out_and_is_spent() -> None:
    """The request arrives, and its permit cannot be used again."""
    async with wire() as server, client() as http:
        right = permit("c")
        assert (await http.send("POST", server.url, {}, b"order", right)).status == 200
        assert right.spent
        with pytest.raises(UnknownError, match="spent before"):
            await http.send("POST", server.url, {}, b"order", right)
        assert bytes(server.received).count(b"POST ") == 1


@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "kept-alive connection"])
async def test_an_expired_permit_sends_no_byte(warm: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """With a connection at hand, new or old, an expired permit puts nothing on it, and that is proved (C6)."""
    async with wire() as server, client() as http:
        if warm:
            await http.send("GET", server.url, {})
        before = len(server.received)
        with pytest.raises(NotSentError, match="not spent within"):
            await http.send("POST", server.url, {}, b"order", expired_permit("c"))
        await asyncio.wait_for(server.ended.wait(), 1)
        assert server.connections == 1
        assert len(server.received) == before


async def test_a_connection_that_comes_too_late_carries_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A permit that expires while the connection is being made is refused after it is there, before the first byte."""
    now = [100.0]
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def slow(*args: object, **kwargs: object) -> object:
        made = await connect(*args, **kwargs)  # type: ignore[call-overload]
        now[0] += VALID_S + 0.1
        return made

    monkeypatch.setattr(loop, "create_connection", slow)
    async with wire() as server, client() as http:
        with pytest.raises(NotSentError, match="not spent within"):
            await http.send("POST", server.url, {}, b"order", granted(lambda: now[0]))
        await asyncio.wait_for(server.ended.wait(), 1)
        assert server.connections == 1
        assert not server.received


async def test_waiting_for_the_pool_uses_the_permit_up() -> None:
    """A request that gets its connection only after its permit has expired is not sent."""
    now = [100.0]
    async with wire(answers=[]) as server, client(connections_max=1) as http:
        first = asyncio.create_task(http.send("POST", server.url, {}, b"first", permit("a")))
        while b"first" not in server.received:
            await asyncio.sleep(0.005)
        second = asyncio.create_task(http.send("POST", server.url, {}, b"second", granted(lambda: now[0])))
        await asyncio.sleep(0.02)
        now[0] += VALID_S + 0.1
        with pytest.raises(UnknownError):
            await first
        with pytest.raises(NotSentError, match="not spent within"):
            await second
        assert b"second" not in server.received


async def test_a_loop_that_stands_still_before_the_write_keeps_the_order_here() -> None:
    """A freeze after the connection was handed over and before the bytes are given to it is noticed (C6)."""
    now = [100.0]
    async with wire() as server, client() as http:
        await http.send("GET", server.url, {})
        before = len(server.received)
        loop = asyncio.get_running_loop()
        attempt = asyncio.create_task(http.send("POST", server.url, {}, b"order", granted(lambda: now[0])))
        await asyncio.sleep(0)
        # The attempt has its connection by now; what writes to it runs in the loop's next turn, behind this.
        loop.call_soon(lambda: now.__setitem__(0, now[0] + VALID_S + 0.1))
        now[0] += VALID_S + 0.1
        with pytest.raises(NotSentError, match="not spent within"):
            await attempt
        assert len(server.received) == before


async def test_an_answer_before_the_request_is_no_answer() -> None:
    """A server that speaks first has not been sent anything, and nothing it said counts."""
    async with wire(speaks_first=True) as server, client() as http:
        right = permit("c")
        try:
            reply = await http.send("POST", server.url, {}, b"order", right)
        except NotSentError:
            await asyncio.sleep(0.02)
            assert not server.received
        else:
            assert (reply.status, right.spent) == (200, True)


async def test_giving_up_before_the_first_byte_is_a_proof() -> None:
    """An attempt that ran out of its total time without a connection has sent nothing, by its unspent permit."""
    async with wire() as server, client() as http:
        hasty = Http(timeouts=Timeouts(total=0.0))
        hasty.retain()
        right = permit("c")
        with pytest.raises(NotSentError):
            await hasty.send("POST", server.url, {}, b"order", right)
        await hasty.release()
        await asyncio.sleep(0.02)
        assert not server.received
        assert not right.spent
        await http.send("GET", server.url, {})


async def test_after_the_first_byte_nothing_is_a_proof() -> None:
    """A server that reads and hangs up leaves the attempt unknown, its permit spent."""
    async with wire(answers=[]) as server, client() as http:
        right = permit("c")
        with pytest.raises(UnknownError):
            await http.send("POST", server.url, {}, b"order", right)
        assert right.spent
        assert b"order" in server.received


async def test_another_transport_is_handed_the_request_only_under_a_good_permit() -> None:
    """Where a transport replaces the network, the permit is spent at its door."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(200)

    http = Http(transport=httpx.MockTransport(answer))
    with pytest.raises(NotSentError):
        await http.send("POST", "http://broker/", {}, b"order", expired_permit("c"))
    assert not asked
    right = permit("c")
    await http.send("POST", "http://broker/", {}, b"order", right)
    assert (asked, right.spent) == (["POST"], True)


async def test_two_tasks_with_one_permit_send_once() -> None:
    """Of two attempts under one permit at the same time, one leaves; the other is unknown, never not sent."""
    async with wire() as server, client() as http:
        right = permit("c")
        answers = await asyncio.gather(
            *(http.send("POST", server.url, {}, b"{}", right) for _ in range(2)), return_exceptions=True
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Reply", "UnknownError"]
        assert bytes(server.received).count(b"POST ") == 1
