"""A link for calls that is left for a fresh one, since the session on it has ended."""

import asyncio
import json

import pytest
from aiohttp import web

from brokergw.transport.http import NotSentError, UnknownError
from brokergw.transport.websocket import LinkPolicy
from brokergw.transport.ws_calls import CallLink
from tests.fixtures.hasty import HastyClock
from tests.fixtures.permits import permit
from tests.unit.transport.test_websocket import idle, speaking
from tests.unit.transport.test_ws_calls import Plain, Row, Server, calling, echo, request


class Held:
    """A server that keeps its answers until it is told to give them, and says nothing to some."""

    def __init__(self) -> None:
        self.arrived: list[Row] = []
        self.go = asyncio.Event()
        self.came = asyncio.Event()

    async def talk(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            row = json.loads(message.data)
            self.arrived.append(row)
            self.came.set()
            if row["what"] == "slow":
                await self.go.wait()
            if row["what"] != "never":
                await echo(socket, row)


async def test_a_link_that_is_left_still_brings_what_was_asked_on_it() -> None:
    """What is under way is answered on the link that is left; what is asked meanwhile goes out on the fresh one."""
    before, after = Held(), Server(echo)
    async with calling(before.talk, after.talk, answer_s=5.0) as link:
        slow = asyncio.create_task(link.call(request("slow")))
        await before.came.wait()
        link.leave("the session has ended")
        link.leave("the session has ended")
        soon = asyncio.create_task(link.call(request("soon"), permit("x")))
        await asyncio.sleep(0.05)
        assert not soon.done()
        before.go.set()
        assert (await slow)["answer"]
        assert (await soon)["answer"]
        again = await link.call(request("again"))
    assert again["answer"]
    assert [row["what"] for row in before.arrived] == ["slow"]
    assert [row["what"] for row in after.arrived] == ["soon", "again"]


async def test_a_link_that_is_left_does_not_wait_for_a_lost_answer() -> None:
    """After a second the link is left anyway: what had no answer is unknown, and who waited goes on."""
    before, after = Held(), Server(echo)
    async with calling(before.talk, after.talk, answer_s=30.0) as link:
        never = asyncio.create_task(link.call(request("never")))
        await before.came.wait()
        link.leave("the session has ended")
        async with asyncio.timeout(10):
            assert (await link.call(request("soon")))["answer"]
        with pytest.raises(UnknownError):
            await never
    assert [row["what"] for row in after.arrived] == ["soon"]


async def test_a_link_that_is_left_and_lost_is_renewed_once() -> None:
    """A link that breaks while it is being left is not given up a second time."""
    before, after = Held(), Server(echo)
    async with calling(before.talk, after.talk, idle, answer_s=30.0) as link:
        never = asyncio.create_task(link.call(request("never")))
        await before.came.wait()
        link.leave("the session has ended")
        link.drop("broken")
        assert (await link.call(request("soon")))["answer"]
        await asyncio.sleep(1.2)
        assert (await link.call(request("later")))["answer"]
        with pytest.raises(UnknownError):
            await never
    assert [row["what"] for row in after.arrived] == ["soon", "later"]


async def test_closing_a_link_that_is_being_left_ends_whoever_waits() -> None:
    """Nobody waits for a fresh link that will not come."""
    before = Held()
    async with calling(before.talk, answer_s=30.0) as link:
        never = asyncio.create_task(link.call(request("never")))
        await before.came.wait()
        link.leave("the session has ended")
        soon = asyncio.create_task(link.call(request("soon")))
        await asyncio.sleep(0)
        await link.close()
        with pytest.raises(NotSentError):
            await soon
        with pytest.raises(UnknownError):
            await never


@pytest.mark.parametrize("lasted_s", [0.0, 6.0])
async def test_a_fresh_link_is_not_waited_for_unless_the_one_before_is_young(lasted_s: float) -> None:
    """However long the pause after a loss would be, a link that was left is renewed at once; a young one is not."""
    policy = LinkPolicy(backoff_first_s=3_600, backoff_max_s=3_600)
    clock, servers = HastyClock(), (Server(echo), Server(echo))
    async with speaking(*(each.talk for each in servers)) as url:
        link = CallLink[Row](url, Plain(), clock=clock, policy=policy, answer_s=30.0)
        try:
            await link.call(request("before"))
            clock.leap(lasted_s)
            link.leave("the session has ended")
            after = asyncio.create_task(link.call(request("after")))
            done, _ = await asyncio.wait({after}, timeout=10.0 if lasted_s else 0.3)
            assert bool(done) is bool(lasted_s)
        finally:
            await link.close()
        if not lasted_s:
            with pytest.raises(NotSentError):
                await after
    assert len(servers[1].arrived) == (1 if lasted_s else 0)
