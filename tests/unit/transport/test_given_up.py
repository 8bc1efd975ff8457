"""When a websocket that says what is of no use is given up, on real sockets, and how it is left."""

import asyncio
from contextlib import aclosing, nullcontext

import pytest

from brokergw.transport.intake import MIB, Intake
from brokergw.transport.rows import Unusable, read_json
from brokergw.transport.websocket import Frame, LinkLost, LinkOpened, LinkPolicy, SupervisedLink
from tests.fixtures.hasty import HastyClock
from tests.unit.transport.test_sick_websocket import no_greeting, talking, text_frame, upgrade


@pytest.mark.parametrize(("size", "lost"), [(999, False), (1_000, False), (1_001, True)])
async def test_a_frame_that_is_too_large_costs_the_link(size: int, *, lost: bool) -> None:
    """What nobody would say is not read to its end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(bytes((0x81, 126)) + size.to_bytes(2, "big") + b"x" * size)

    policy = LinkPolicy(frame_bytes_max=1_000)
    async with talking(talk) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=policy)
        async with aclosing(link.listen()) as happenings:
            assert await anext(happenings) == LinkOpened()
            told = await anext(happenings)
    assert told == (LinkLost("the other side breaks the protocol (code 1009)") if lost else Frame("x" * size))


@pytest.mark.parametrize(("values", "read"), [(9_999, True), (10_000, True), (10_001, False)])
async def test_a_frame_of_too_many_values_is_not_taken_apart(values: int, *, read: bool) -> None:
    """As objects they would take a hundred times the room; who gets the frame hears that it is of no use."""
    text = b"[" + b"1.25," * (values - 1) + b"1]"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(bytes((0x81, 126)) + len(text).to_bytes(2, "big") + text)

    async with talking(talk) as url:
        policy = LinkPolicy(frame_values_max=10_000)
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=policy)
        async with aclosing(link.listen()) as happenings:
            _, frame = [await anext(happenings) for _ in range(2)]
    assert isinstance(frame, Frame)
    with nullcontext() if read else pytest.raises(Unusable, match="too much"):
        assert len(read_json(frame.data)) == values


@pytest.mark.parametrize(("unclear", "lost"), [(19, False), (20, False), (21, True)])
async def test_a_link_that_tells_what_nobody_understands_is_given_up(unclear: int, *, lost: bool) -> None:
    """So many holes are no feed: what waits behind the last of them is not told any more, and nothing of it is kept."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(text_frame(b"what?") * 200)

    intake = Intake()
    async with talking(talk) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting, policy=LinkPolicy(intake=intake))
        async with aclosing(link.listen()) as happenings:
            assert await anext(happenings) == LinkOpened()
            for _ in range(unclear):
                assert await anext(happenings) == Frame("what?")
                link.unclear("nobody understands")
            told = await anext(happenings)
            assert told == (LinkLost("too many frames that cannot be told") if lost else Frame("what?"))
            assert bool(intake.held_bytes) is not lost


async def test_a_flood_is_not_listened_to_for_its_goodbye() -> None:
    """A link that is given up is cut: to wait for an answer to a close is to read all that comes before it."""
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await upgrade(reader, writer)
        while True:
            writer.write(text_frame(b"z" * 100) * 100)
            await writer.drain()
            sent += 10_200
            await asyncio.sleep(0)

    async with talking(talk) as url:
        link = SupervisedLink(url, clock=HastyClock(), greet=no_greeting)
        async with aclosing(link.listen()) as happenings:
            assert await anext(happenings) == LinkOpened()
            assert isinstance(await anext(happenings), Frame)
            link.drop("enough")
            while isinstance(told := await anext(happenings), Frame):
                before = sent
            assert told == LinkLost("enough")
            assert sent - before < MIB
