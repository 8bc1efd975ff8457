"""Requests over one websocket, against servers on real sockets that answer, are silent, hang up or talk nonsense."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from brokergw.transport.http import NotSentError, UnknownError
from brokergw.transport.intake import MIB
from brokergw.transport.websocket import LinkError, LinkLost, LinkOpened, LinkPolicy, Wire
from brokergw.transport.ws_calls import CallLink, Told, _Listener, ask_on
from tests.fixtures.hasty import HastyClock
from tests.fixtures.permits import expired_permit, permit
from tests.unit.transport.test_websocket import Talk, idle, leave, speaking

Row = dict[str, Any]
QUICK = LinkPolicy(open_s=2.0, backoff_first_s=0.01, backoff_max_s=0.02, stable_s=1e6)


class Plain:
    """A dialogue without a greeting: frames are objects with an `id`."""

    def __init__(self, greeting: Callable[[Wire], Awaitable[None]] | None = None, beats: Sequence[str] = ()) -> None:
        self.heard_all: list[Row] = []
        self._greeting = greeting
        self._beats = beats

    async def greet(self, wire: Wire) -> None:
        if self._greeting is not None:
            await self._greeting(wire)

    def read(self, data: str | bytes) -> tuple[str, Row]:
        row = json.loads(data)
        if not isinstance(row, dict):
            raise ValueError("no object")  # noqa: TRY004 - what the port asks for
        return str(row.get("id", "")), row

    def heard(self, message: Row) -> None:
        self.heard_all.append(message)

    def beat(self) -> Sequence[str]:
        return self._beats


class Server:
    """What arrived, and what is done about it."""

    def __init__(self, act: Callable[[web.WebSocketResponse, Row], Awaitable[None]]) -> None:
        self.arrived: list[Row] = []
        self._act = act

    async def talk(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            row = json.loads(message.data)
            self.arrived.append(row)
            await self._act(socket, row)


async def echo(socket: web.WebSocketResponse, row: Row) -> None:
    await socket.send_json(row | {"answer": True})


async def nothing(_: web.WebSocketResponse, row: Row) -> None:
    """Hear a request out and say nothing."""


async def hang_up(socket: web.WebSocketResponse, _: Row) -> None:
    await socket.close()


async def babble(socket: web.WebSocketResponse, _: Row) -> None:
    await socket.send_str('{"id":')


@asynccontextmanager
async def calling(
    *talks: Talk | int, dialogue: Plain | None = None, answer_s: float = 0.2, policy: LinkPolicy = QUICK
) -> AsyncIterator[CallLink[Row]]:
    """Open a link for calls to a server that talks so."""
    async with speaking(*talks) as url:
        link = CallLink[Row](url, dialogue or Plain(), clock=HastyClock(), policy=policy, answer_s=answer_s)
        try:
            yield link
        finally:
            await link.close()


def request(what: str = "do") -> Callable[[str], str]:
    return lambda correlation: json.dumps({"id": correlation, "what": what})


async def test_each_answer_finds_its_request() -> None:
    """Requests that are under way together get their own answers, whatever the order in which these come."""
    waiting: list[Row] = []

    async def backwards(socket: web.WebSocketResponse, row: Row) -> None:
        waiting.append(row)
        if len(waiting) == 3:
            for each in reversed(waiting):
                await echo(socket, each)

    async with calling(Server(backwards).talk) as link:
        answers = await asyncio.gather(*(link.call(request(what)) for what in ("a", "b", "c")))
    assert [answer["what"] for answer in answers] == ["a", "b", "c"]


async def test_an_answer_is_an_event_too_and_its_followers_are_events_alone() -> None:
    """Whoever listens hears every message, and a second one with the same id disturbs nobody."""

    async def twice(socket: web.WebSocketResponse, row: Row) -> None:
        await echo(socket, row)
        await socket.send_json(row | {"more": True})

    async with calling(Server(twice).talk) as link, aclosing(link.events()) as events:
        assert await anext(events) == LinkOpened()
        await link.call(request())
        told = [await anext(events), await anext(events)]
    assert [isinstance(each, Told) and "more" in each.message for each in told] == [False, True]


async def test_a_permit_is_spent_by_the_request_alone() -> None:
    """A fresh permit lets one frame out; a spent one lets none out and leaves the outcome open."""
    server, right = Server(echo), permit("x")
    async with calling(server.talk) as link:
        await link.call(request(), right)
        assert right.spent
        with pytest.raises(UnknownError):
            await link.call(request(), right)
    assert len(server.arrived) == 1


async def test_an_expired_permit_lets_nothing_out() -> None:
    """A permit that has expired is the proof that nothing left."""
    server = Server(echo)
    async with calling(server.talk) as link:
        await link.ready()
        with pytest.raises(NotSentError):
            await link.call(request(), expired_permit("x"))
        await link.call(request())
    assert len(server.arrived) == 1


async def test_no_link_is_not_sent_and_soon_told() -> None:
    """Where nobody answers the handshake a request is not sent, the next one at once."""
    link = CallLink[Row]("ws://127.0.0.1:1", Plain(), clock=HastyClock(), policy=LinkPolicy(), answer_s=5)
    async with asyncio.timeout(2):
        for _ in range(20):
            with pytest.raises(NotSentError):
                await link.call(request(), permit("x"))
    await link.close()


@pytest.mark.parametrize(("act", "stale"), [(nothing, False), (hang_up, True), (babble, False)])
async def test_what_left_without_an_answer_is_unknown(act: Any, stale: bool) -> None:  # noqa: FBT001 - a case
    """Silence, a link that is hung up and a frame of no sense leave the outcome open, and nothing is repeated."""
    server = Server(act)
    async with calling(server.talk) as link:
        with pytest.raises(UnknownError) as caught:
            await link.call(request())
        assert caught.value.stale is stale
    assert len(server.arrived) == 1


async def test_every_request_under_way_is_unknown_when_the_link_is_lost() -> None:
    """A loss ends the wait of all who wait, and no other request pays for it."""
    first = Server(nothing)

    async def cut(socket: web.WebSocketResponse) -> None:
        async for message in socket:
            first.arrived.append(json.loads(message.data))
            if len(first.arrived) == 3:
                await socket.close()

    async with calling(cut, Server(echo).talk, answer_s=5) as link:
        ended = await asyncio.gather(*(link.call(request()) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in ended] == [UnknownError] * 3
        assert (await link.call(request("after")))["what"] == "after"


async def test_a_request_waits_for_the_link_to_be_renewed() -> None:
    """A request that comes right after a loss goes out on the next link."""
    server = Server(echo)
    async with calling(leave, server.talk) as link, aclosing(link.events()) as events:
        while not isinstance(await anext(events), LinkLost):
            pass
        assert (await link.call(request()))["answer"] is True
    assert len(server.arrived) == 1


async def test_requests_are_turned_away_while_no_link_can_be_had() -> None:
    """Once an attempt has failed nobody waits for the pause to be over."""
    async with calling(503, policy=LinkPolicy(backoff_first_s=60)) as link:
        async with asyncio.timeout(2):
            for _ in range(3):
                with pytest.raises(NotSentError, match="503"):
                    await link.call(request())


async def test_a_greeting_that_is_refused_lets_no_request_out() -> None:
    """A link whose greeting fails never stands."""

    async def refused(wire: Wire) -> None:
        await ask_on(wire, Plain(), "hello", json.dumps({"id": "hello"}))
        raise LinkError("refused")

    server = Server(echo)
    async with calling(server.talk, dialogue=Plain(refused)) as link:
        with pytest.raises(NotSentError, match="refused"):
            await link.call(request())
    assert {row["id"] for row in server.arrived} == {"hello"}


async def test_a_greeting_hears_what_is_not_its_answer() -> None:
    """Messages that come before the answer to a greeting are noticed, and nonsense ends the greeting."""
    dialogue = Plain()

    async def greeting(wire: Wire) -> None:
        await ask_on(wire, dialogue, "hello", json.dumps({"id": "hello"}))

    dialogue._greeting = greeting

    async def chatty(socket: web.WebSocketResponse, row: Row) -> None:
        await socket.send_json({"news": 1})
        await echo(socket, row)

    async with calling(Server(chatty).talk, dialogue=dialogue) as link:
        await link.ready()
    assert {"news": 1} in dialogue.heard_all


async def test_what_is_beaten_keeps_a_link_up_and_its_silence_ends_it() -> None:
    """The dialogue's own beats are said in place of pings; what does not answer them is lost."""
    answering, mute = Server(echo), Server(nothing)
    patient = LinkPolicy(heartbeat_s=0.05, mute_s=1.5)
    async with calling(answering.talk, dialogue=Plain(beats=('{"beat":1}',)), policy=patient) as link:
        await link.ready()
        async with asyncio.timeout(20):
            while len(answering.arrived) < 40:
                await asyncio.sleep(0.05)
        assert link.up
    hasty = LinkPolicy(backoff_first_s=0.01, backoff_max_s=0.02, heartbeat_s=0.02, mute_s=0.3)
    async with (
        calling(mute.talk, dialogue=Plain(beats=('{"beat":1}',)), policy=hasty) as link,
        aclosing(link.events()) as events,
        asyncio.timeout(20),
    ):
        while not isinstance(lost := await anext(events), LinkLost):
            pass
    assert lost == LinkLost("mute for 0.3 s")


async def test_who_falls_behind_is_told_of_a_loss_and_begins_again() -> None:
    """A listener that does not listen costs no more than its queue, and knows that it missed something."""

    async def flood(socket: web.WebSocketResponse) -> None:
        for number in range(60):
            await socket.send_json({"number": number})
        await idle(socket)

    policy = LinkPolicy(backoff_first_s=0.01, stable_s=1e6, backlog_max=20)
    dialogue = Plain()
    async with calling(flood, dialogue=dialogue, policy=policy) as link, aclosing(link.events()) as events:
        assert await anext(events) == LinkOpened()
        async with asyncio.timeout(5):
            while len(dialogue.heard_all) < 60:
                await asyncio.sleep(0.01)
        assert await anext(events) == LinkLost("the reader fell behind")
        assert await anext(events) == LinkOpened()


@pytest.mark.parametrize(("more", "lost"), [(MIB - 1, False), (MIB, False), (MIB + 1, True)])
async def test_what_waits_for_a_listener_is_bounded_in_bytes_too(more: int, *, lost: bool) -> None:
    """Few large messages count as many small ones do; one alone may have any size."""
    listener = _Listener[str](10)
    listener.put(Told("large"), 3 * MIB)
    listener.put(Told("more"), more)
    heard = [await listener.next(), await listener.next()]
    expected: list[Any] = [LinkLost("the reader fell behind"), LinkOpened()] if lost else [Told("large"), Told("more")]
    assert heard == expected
    listener.put(Told("alone"), 5 * MIB)
    assert await listener.next() == Told("alone")


async def test_closing_ends_listeners_and_requests() -> None:
    """After the end listeners hear of a loss and then nothing, and no request is sent; closing twice is as good."""
    async with calling(Server(echo).talk) as link:
        heard: list[Any] = []

        async def listen() -> None:
            async with aclosing(link.events()) as events:
                heard.extend([event async for event in events])

        listening = asyncio.create_task(listen())
        await link.ready()
        await asyncio.sleep(0)
        await link.close()
        await asyncio.wait_for(listening, 5)
        assert isinstance(heard[-1], LinkLost)
        with pytest.raises(NotSentError):
            await link.call(request())
        await link.close()


async def test_who_stops_waiting_leaves_nothing_behind() -> None:
    """A request whose asker is cancelled is forgotten, and a late answer or loss harms nobody."""
    async with calling(Server(nothing).talk, answer_s=30) as link:
        asking = asyncio.create_task(link.call(request()))
        await link.ready()
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        link.drop("over")
        async with aclosing(link.events()) as events:
            while not isinstance(await anext(events), LinkLost):
                pass


async def test_a_link_that_breaks_down_is_begun_anew(caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody has thought of costs who waits an answer, and is logged; who comes next has a link."""
    times = 0

    async def greeting(_: Wire) -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise LookupError("nobody thought of this")

    async with calling(Server(echo).talk, Server(echo).talk, dialogue=Plain(greeting)) as link:
        with pytest.raises(NotSentError, match="broken: LookupError"):
            await link.ready()
        await link.ready()
        assert link.up
    assert "a link has broken down" in caplog.text


async def test_messages_that_cannot_be_told_cost_the_link() -> None:
    """Who listens may not understand what could be read; twenty-one such messages are no feed."""

    async def babble(socket: web.WebSocketResponse) -> None:
        for number in range(300):
            await socket.send_json({"number": number})
        await idle(socket)

    async with calling(babble, idle) as link, aclosing(link.events()) as events:
        assert await anext(events) == LinkOpened()
        for _ in range(21):
            assert isinstance(await anext(events), Told)
            link.unclear("nobody understands")
        async with asyncio.timeout(5):
            while not isinstance(lost := await anext(events), LinkLost):
                pass
    assert lost == LinkLost("too many frames that cannot be told")
