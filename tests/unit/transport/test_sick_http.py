"""What an HTTP server that answers without end, or not at all, costs: bounded memory, and only those who ask it."""

import asyncio
import time
from contextlib import suppress

import pytest

from brokergw.transport.http import Http, NotSentError, Timeouts, UnknownError
from brokergw.transport.intake import MIB, Intake
from brokergw.transport.rows import ReadBytes, Unusable, read_json
from brokergw.transport.turns import LARGE
from tests.unit.transport.test_http import OK, Server, answering, client, serving

PATIENT = Timeouts(connect=2, pool=0.2, read=5, total=10)
PIECE = 64 * 1024


async def pour(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a body that never ends; whoever hangs up is forgotten."""
    request = await server.read(reader)
    try:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * PIECE + b"\r\n")
            await writer.drain()
    finally:
        server.requests.remove(request)


async def all_hung_up(server: Server) -> None:
    async with asyncio.timeout(10):
        while server.requests:
            await asyncio.sleep(0.01)


async def hang(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read(reader)
    await reader.read()


@pytest.mark.parametrize(("size", "fits"), [(999, True), (1000, True), (1001, False)])
async def test_an_answer_that_says_it_is_too_large_is_not_read(size: int, *, fits: bool) -> None:
    """A declared length above the cap is refused at once, without a byte of it; one at the cap is read."""
    body = b"x" * size if fits else b""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
    async with serving(answering(answer)) as server, client(PATIENT, answer_bytes_max=1000) as http:
        if fits:
            assert len((await http.send("GET", server.url, {})).body) == size
        else:
            with pytest.raises(UnknownError, match="exceeds 1000 bytes"):
                await http.send("GET", server.url, {})


async def test_answers_without_end_hold_no_more_together_than_the_intake_allows() -> None:
    """Of many endless answers at once each ends as unknown, what they held is bounded, and nothing of it stays."""
    intake = Intake(bytes_per_s=1e9, held_bytes_max=2 * MIB)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, intake.held_bytes)
            await asyncio.sleep(0)

    async with serving(pour) as server:
        http = Http(timeouts=PATIENT, answer_bytes_max=16 * MIB, intake=intake)
        http.retain()
        watching = asyncio.create_task(watch())
        ended = await asyncio.gather(*(http.send("GET", server.url, {}) for _ in range(20)), return_exceptions=True)
        watching.cancel()
        await http.release()
        await all_hung_up(server)
    assert {str(each) for each in ended} == {"the answers under way are too large together"}
    assert MIB < most <= 2 * MIB
    assert intake.held_bytes == 0


async def test_small_answers_get_through_beside_large_ones() -> None:
    """When large answers have taken all the room, an answer of ordinary size is read all the same."""
    ordinary = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n[" % PIECE + b" " * (PIECE - 2) + b"]"
    intake = Intake(held_bytes_max=0)
    async with serving(answering(ordinary)) as server:
        http = Http(timeouts=PATIENT, intake=intake)
        http.retain()
        assert len((await http.send("GET", server.url, {})).body) == PIECE
        await http.release()


async def test_a_large_answer_is_read_at_a_bounded_pace() -> None:
    """Beyond the burst an endless answer comes no faster than the intake says, so it costs little time of the loop."""
    intake = Intake(bytes_per_s=4 * MIB, burst_s=0.25)
    async with serving(pour) as server:
        http = Http(timeouts=PATIENT, answer_bytes_max=4 * MIB, intake=intake)
        http.retain()
        began = asyncio.get_running_loop().time()
        with pytest.raises(UnknownError, match="exceeds"):
            await http.send("GET", server.url, {})
        took_s = asyncio.get_running_loop().time() - began
        await http.release()
        await all_hung_up(server)
    assert took_s >= 0.4, "four MiB at four a second, of which one comes at once, and the last piece is not waited for"


async def test_a_host_that_hangs_takes_no_connections_from_another() -> None:
    """With every connection to one host in use, a request to another one is answered."""
    async with serving(hang) as sick, serving(answering(OK)) as well, client(PATIENT, connections_max=10) as http:
        hanging = [asyncio.create_task(http.send("GET", sick.url, {})) for _ in range(10)]
        await sick.arrived.wait()
        assert (await http.send("GET", well.url, {})).body == b"ok"
        for each in hanging:
            each.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_cancel_finds_a_connection_where_everything_else_hangs() -> None:
    """Requests that hang leave connections free that only cancels take."""

    async def hang_unless_cancel(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not (await server.read(reader)).startswith(b"DELETE"):
            await reader.read()
        writer.write(OK)

    async with serving(hang_unless_cancel) as server, client(PATIENT, connections_max=10) as http:
        hanging = [asyncio.create_task(http.send("GET", server.url, {})) for _ in range(30)]
        refused, _ = await asyncio.wait(hanging, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        for each in refused:
            with pytest.raises(NotSentError):
                await each
        assert (await http.send("DELETE", server.url, {})).status == 200
        for each in hanging:
            each.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*hanging, return_exceptions=True)
    assert sum(request.startswith(b"GET") for request in server.requests) == 9


@pytest.mark.parametrize(("size", "read"), [(LARGE - 1, False), (LARGE, True), (LARGE + 1, True)])
async def test_a_large_answer_comes_read(size: int, *, read: bool) -> None:
    """Its document has been read in turns with everybody else, and whoever asked takes it as it is."""
    body = b'["%s"]' % (b"x" * (size - 4))
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with serving(answering(answer)) as server, client(PATIENT, answer_bytes_max=MIB) as http:
        reply = await http.send("GET", server.url, {})
    assert isinstance(reply.body, ReadBytes) is read
    assert reply.body == body
    assert read_json(reply.body) == ["x" * (size - 4)]


async def test_a_large_answer_comes_read_behind_space_too() -> None:
    """Space before a document does not make it one that is read in one go."""
    body = b" " + b"[%s]" % (b" " * LARGE)
    async with (
        serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)) as server,
        client(PATIENT, answer_bytes_max=MIB) as http,
    ):
        reply = await http.send("GET", server.url, {})
    assert isinstance(reply.body, ReadBytes)
    assert read_json(reply.body) == []


@pytest.mark.parametrize(("size", "kept"), [(LARGE - 1, True), (LARGE, False), (LARGE + 1, False)])
@pytest.mark.parametrize("filler", [b"\x1f\x8b", b"<html>", b"[" * 1_000])
async def test_a_large_answer_that_is_no_document_is_not_kept(filler: bytes, size: int, *, kept: bool) -> None:
    """Whoever keeps the answer, or the error that it became, keeps nothing of what came."""
    body = (filler * size)[:size]
    async with (
        serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body)) as server,
        client(PATIENT, answer_bytes_max=MIB) as http,
    ):
        reply = await http.send("GET", server.url, {})
    assert reply.body == (body if kept else b"")
    for _ in range(2):
        with pytest.raises(Unusable, match="no JSON") as refused:
            read_json(reply.body)
        assert refused.value.__context__ is None, "what the parser raises holds what it read"
        if isinstance(reply.body, ReadBytes):
            assert reply.body.document.__traceback__ is None, "its frames hold the body"


@pytest.mark.parametrize(("interim", "read"), [(7, True), (8, False), (5_000, False)])
async def test_interim_answers_are_few(interim: int, *, read: bool) -> None:
    """A few of them at once are passed over; with the answer itself no more than eight, and a flood ends at once."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" * interim
    async with serving(answering(hints + OK)) as server, client(PATIENT) as http:
        if read:
            assert (await http.send("GET", server.url, {})).body == b"ok"
        else:
            with pytest.raises(UnknownError, match="too many answers"):
                await http.send("GET", server.url, {})


async def test_a_flood_of_interim_answers_costs_little_of_the_loop() -> None:
    """A server that says nothing else is left at once."""

    async def hint_for_ever(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await server.read(reader)
        try:
            while True:
                writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" * 500)
                await writer.drain()
        finally:
            server.requests.remove(request)

    async with serving(hint_for_ever) as server, client(PATIENT) as http:
        began = time.process_time()
        for _ in range(10):
            with pytest.raises(UnknownError, match="too many answers"):
                await http.send("GET", server.url, {})
        assert time.process_time() - began < 1.0
    await all_hung_up(server)
