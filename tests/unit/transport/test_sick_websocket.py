"""What a websocket server that floods, redirects or does not read costs, on real sockets."""

import asyncio
import base64
import hashlib
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import pytest

from brokergw.transport.connecting import OUTLET
from brokergw.transport.http import NotSentError, UnknownError
from brokergw.transport.intake import MIB, Intake
from brokergw.transport.rows import ReadBytes, ReadText, Unusable, read_json
from brokergw.transport.websocket import Frame, LinkEvent, LinkLost, LinkOpened, LinkPolicy, SupervisedLink, Wire
from tests.fixtures.hasty import HastyClock
from tests.fixtures.permits import permit
from tests.sickbroker.moods import MOODS, Kind, Patient

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What RFC 6455 has a server mix into its answer."""


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Shake hands as a websocket server does."""
    head = await reader.readuntil(b"\r\n\r\n")
    key = next(
        line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())  # noqa: S324 - the protocol's choice
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def text_frame(text: bytes) -> bytes:
    assert len(text) < 126, "a short frame"
    return bytes((0x81, len(text))) + text


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """Serve one talk to each connection; gives where. Those that still run are ended with the server."""
    running: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await talk(reader, writer)
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            running.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream"
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running)


async def no_greeting(wire: Wire) -> None:
    """Greet with nothing."""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """The keys are told to the server whose address is known, and to none that it points at."""
    visitors: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append(b"somebody")
        await upgrade(reader, writer)

    async def greet(wire: Wire) -> None:
        await wire.send("the keys")

    async with talking(elsewhere) as other:

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            where = other.replace("ws:", "http:").encode()
            writer.write(b"HTTP/1.1 %d Away\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, where))

        async with talking(redirect) as url:
            link = SupervisedLink(url, clock=HastyClock(), greet=greet)
            async with aclosing(link.listen()) as happenings:
                assert await anext(happenings) == LinkLost(f"the handshake was answered with HTTP {status}")
    assert visitors == []


async def read_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the connection, and read nothing that comes over it."""
    await upgrade(reader, writer)
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader._transport.pause_reading()  # type: ignore[attr-defined] # that is the sickness
    await asyncio.sleep(3600)


async def talk_on(link: SupervisedLink) -> None:
    while True:
        await link.send("x" * 1_000_000)


async def test_who_does_not_read_loses_the_link() -> None:
    """A send to a server that reads nothing ends in time, its outcome is unknown, and the link is renewed."""
    async with talking(read_nothing) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=LinkPolicy(send_s=0.2))
        async with aclosing(link.listen()) as happenings:
            assert await anext(happenings) == LinkOpened()
            with pytest.raises(UnknownError, match="TimeoutError"):
                await asyncio.wait_for(talk_on(link), 20)
            assert await anext(happenings) == LinkLost("the other side has not read for 0.2 s")


async def test_an_order_does_not_wait_behind_what_the_other_side_has_not_read() -> None:
    """Bytes that wait leave when the other side likes, after a halt too: so an order stays here, which is proved."""
    async with talking(read_nothing) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=LinkPolicy(send_s=30.0))
        async with aclosing(link.listen()) as happenings:
            assert await anext(happenings) == LinkOpened()
            stuck = asyncio.create_task(talk_on(link))
            assert link._socket is not None
            outlet = link._socket.raw.get_extra_info(OUTLET)
            while not outlet.stuck:
                await asyncio.sleep(0.005)
            right = permit("c")
            with pytest.raises(NotSentError, match="behind in its reading"):
                await link.send("order", right)
            assert not right.spent
            stuck.cancel()


async def test_a_flood_is_read_at_the_pace_of_the_intake() -> None:
    """Beyond its burst a server is read no faster than the policy says, and nothing is lost."""
    clock = HastyClock(100)

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(text_frame(b"news") * 40)

    policy = LinkPolicy(intake=Intake(pieces_per_s=10, burst_s=2), mute_s=1e6)
    began = clock.monotonic()
    async with talking(flood) as url:
        link = SupervisedLink(url, clock=clock, greet=no_greeting, policy=policy)
        async with aclosing(link.listen()) as happenings:
            assert [await anext(happenings) for _ in range(41)][1:] == [Frame("news")] * 40
    assert clock.monotonic() - began >= 1.9, "40 frames at ten a second, of which 20 were free"


async def test_heads_without_end_are_a_failed_connect() -> None:
    """A server that says nothing else is tried again, as any other that is not there."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await MOODS["endless-continue"].act(Patient(reader, writer, b"", b""))

    async with talking(talk) as url:
        link = SupervisedLink(url, clock=HastyClock(100), greet=no_greeting)
        async with aclosing(link.listen()) as happenings:
            for _ in range(2):
                assert await anext(happenings) == LinkLost("not connected: TooManyHeads")


async def test_a_refused_handshake_is_not_unpacked() -> None:
    """A bomb in place of a handshake stays as small as it came."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await MOODS["gzip-bomb"].act(Patient(reader, writer, b"", b""))

    async with talking(talk) as url:
        link = SupervisedLink(url, clock=HastyClock(100), greet=no_greeting)
        async with aclosing(link.listen()) as happenings:
            # The first one makes the bomb, too.
            assert await anext(happenings) == LinkLost("the handshake was answered with HTTP 200")
            tracemalloc.start()
            assert await anext(happenings) == LinkLost("the handshake was answered with HTTP 200")
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 6 * MIB, "the bomb is two, and sender and receiver have a part of it in their hands"


@pytest.mark.parametrize(("held", "lost"), [(9, False), (10, False), (11, True)])
async def test_what_waits_for_the_reader_is_bounded(held: int, *, lost: bool) -> None:
    """Frames that fit into the intake wait for a slow reader; one more costs the link, and leaves nothing behind."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(text_frame(b"y" * 100) * held)

    intake = Intake(held_bytes_max=10 * (100 + 256))
    async with talking(flood) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=LinkPolicy(intake=intake))
        async with aclosing(link.listen()) as happenings:
            assert await anext(happenings) == LinkOpened()
            async with asyncio.timeout(20):
                # The loss waits behind the frames.
                while link._socket is None or link._socket.backlog.qsize() < held:
                    await asyncio.sleep(0.01)
            for _ in range(min(held, 10)):
                assert await anext(happenings) == Frame("y" * 100)
            link.drop("enough")
            why = "the reader fell behind" if lost else "enough"
            assert await anext(happenings) == LinkLost(why)
    assert intake.held_bytes == 0


async def test_what_nobody_reads_any_more_is_not_held() -> None:
    """A link that is given up with frames in its backlog gives their room back."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(text_frame(b"news") * 40)

    intake = Intake()
    async with talking(flood) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=LinkPolicy(intake=intake))
        async with aclosing(link.listen()) as happenings:
            await anext(happenings)
            async with asyncio.timeout(20):
                while not intake.held_bytes:
                    await asyncio.sleep(0.01)
    assert intake.held_bytes == 0


async def test_a_flood_lets_others_have_their_turn() -> None:
    """However much waits, whoever else has something to do is held up for a few frames only."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(text_frame(b"news") * 320)

    turns = 0

    async def somebody() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    intake = Intake()
    async with talking(flood) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=LinkPolicy(intake=intake))
        async with aclosing(link.listen()) as happenings:
            await anext(happenings)
            async with asyncio.timeout(20):
                while intake.held_bytes < 320 * (4 + 256):
                    await asyncio.sleep(0.01)
            task = asyncio.create_task(somebody())
            await asyncio.sleep(0)
            before = turns
            for _ in range(320):
                await anext(happenings)
            assert turns - before >= 320 // 32 - 1
            task.cancel()


async def test_a_tls_handshake_that_hangs_is_given_up() -> None:
    """A server that accepts and never answers the handshake costs one opening time."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing."""

    async with talking(silent) as url:
        link = SupervisedLink(url.replace("ws:", "wss:"), clock=HastyClock(100), greet=no_greeting)
        async with aclosing(link.listen()) as happenings:
            assert await anext(happenings) == LinkLost("not opened within 10 s")


@pytest.mark.parametrize("mood", [mood.name for mood in MOODS.values() if mood.kind is Kind.STREAM])
async def test_a_sick_stream_is_borne(mood: str) -> None:
    """Whatever comes, what is kept of it is bounded, and the link is either read at a pace or given up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await MOODS[mood].act(Patient(reader, writer, b"", b""))

    clock, intake = HastyClock(20), Intake(pieces_per_s=1000, held_bytes_max=MIB)
    policy = LinkPolicy(intake=intake, send_s=0.2, heartbeat_s=2, mute_s=10, backoff_first_s=1000)
    heard: list[LinkEvent] = []

    async def listen(link: SupervisedLink) -> None:
        async with aclosing(link.listen()) as happenings:
            async for happening in happenings:
                heard.append(happening)  # noqa: PERF401 - it is looked at while it grows

    async with talking(talk) as url:
        listening = asyncio.create_task(
            listen(SupervisedLink(url, clock=clock, greet=no_greeting, policy=policy)), name=mood
        )
        async with asyncio.timeout(20):
            while sum(0 < slept < 1 for slept in clock.slept) < 20 and not any(isinstance(e, LinkLost) for e in heard):
                assert intake.held_bytes <= MIB
                await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert heard[0] == LinkOpened()
    assert intake.held_bytes == 0


@pytest.mark.parametrize("lenient", [False, True])
async def test_a_large_frame_comes_read(*, lenient: bool) -> None:
    """Its document is there already; what is no UTF-8 in it spoils it, unless the policy looks over that."""
    good, bad = b'{"a":["%s"]}' % (b"x" * 40_000), b'{"a":["%s\xff"]}' % (b"x" * 40_000)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        for data in (good, bad):
            writer.write(bytes((0x82, 126)) + len(data).to_bytes(2, "big") + data)

    policy = LinkPolicy(lenient=lenient)
    async with talking(talk) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=policy)
        async with aclosing(link.listen()) as happenings:
            opened, first, second = [await anext(happenings) for _ in range(3)]
    assert opened == LinkOpened()
    assert isinstance(first, Frame)
    assert isinstance(first.data, ReadBytes | ReadText)
    assert first.data == (good.decode() if lenient else good)
    assert read_json(first.data) == {"a": ["x" * 40_000]}
    assert isinstance(second, Frame)
    if lenient:
        assert read_json(second.data) == {"a": ["x" * 40_000 + "�"]}
    else:
        with pytest.raises(Unusable):
            read_json(second.data)
