"""When a link that brings more than may be read is given up, and which."""

import asyncio
from contextlib import nullcontext

import aiohttp
import pytest

from brokergw.transport.intake import Flood, Intake
from brokergw.transport.link_socket import LinkError, LinkPolicy, LinkSocket
from brokergw.transport.pace import Unclear


class Steps:
    """A clock that stands still but for who sleeps."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


async def rest(socket: LinkSocket) -> None:
    """Count a frame, as who receives it does."""
    if not await socket.pace.rest(socket.clock, socket.heard_at, 0):
        raise LinkError("the other side floods")


@pytest.mark.parametrize(("frames", "lost"), [(95, False), (96, False), (97, True)])
async def test_who_floods_for_long_loses_the_link(frames: int, *, lost: bool) -> None:
    """Ten seconds of nothing but more than may be read are borne; what comes then is told too late to be worth it."""
    policy = LinkPolicy(intake=Intake(pieces_per_s=8, burst_s=2))
    socket = LinkSocket(None, Steps(), policy)  # type: ignore[arg-type] # nothing is read from it
    with pytest.raises(LinkError, match="floods") if lost else nullcontext():
        for _ in range(frames):
            socket.heard_at = socket.clock.monotonic()
            await rest(socket)


@pytest.mark.parametrize(("every", "lost"), [(20, False), (12, False), (10, True), (9, True)])
async def test_who_has_a_small_part_in_a_flood_keeps_the_link(every: int, *, lost: bool) -> None:
    """All links of a broker are read at one pace, and only those that take a tenth of it are given up."""
    clock, policy = Steps(), LinkPolicy(intake=Intake(pieces_per_s=8, burst_s=2))
    flooding, other = (LinkSocket(None, clock, policy) for _ in range(2))  # type: ignore[arg-type] # as above
    with pytest.raises(LinkError, match="floods") if lost else nullcontext():
        for number in range(300):
            socket = other if number % every == 0 else flooding
            socket.heard_at = clock.at
            # The one that floods is kept for the test's sake.
            flooding.pace._flood = Flood()
            await rest(socket)


async def test_a_pause_ends_a_flood() -> None:
    """Bursts with rest between them are none."""
    policy = LinkPolicy(intake=Intake(pieces_per_s=8, burst_s=2))
    socket = LinkSocket(None, Steps(), policy)  # type: ignore[arg-type] # as above
    for _ in range(5):
        for _ in range(60):
            socket.heard_at = socket.clock.monotonic()
            await rest(socket)
        await socket.clock.sleep(3)


class Pings:
    """A websocket on which nothing comes but so many pings, and then its end."""

    close_code = 1000

    def __init__(self, left: int) -> None:
        self.left = left
        self.answered = 0

    async def receive(self) -> aiohttp.WSMessage:
        if self.left == 0:
            return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)
        self.left -= 1
        return aiohttp.WSMessage(aiohttp.WSMsgType.PING, b"", None)

    async def pong(self, _data: bytes) -> None:
        self.answered += 1


@pytest.mark.parametrize(("pings", "seconds", "lost"), [(32, 0.0, False), (191, 9.9375, False), (193, 10.0, True)])
async def test_a_ping_takes_as_much_as_ten_frames(pings: int, seconds: float, *, lost: bool) -> None:
    """It costs its answer: 32 may come at once where 320 frames may, and ten seconds of more are a flood."""
    raw = Pings(pings)
    policy = LinkPolicy(intake=Intake(pieces_per_s=160, burst_s=2))
    socket = LinkSocket(raw, Steps(), policy)  # type: ignore[arg-type] # it only receives
    with pytest.raises(LinkError, match="floods" if lost else "closed"):
        await socket.receive()
    assert socket.clock.monotonic() == pytest.approx(seconds, abs=0.01)
    assert raw.answered == pings - lost


@pytest.mark.parametrize("each_second", [1, 1_000, 2_000])
async def test_a_healthy_busy_stream_is_not_given_up(each_second: int) -> None:
    """Thousands of fills in a second, a kilobyte each, for a minute after a burst: that is what the intake is for."""
    socket = LinkSocket(None, Steps(), LinkPolicy())  # type: ignore[arg-type] # nothing is read from it
    for second in range(60):
        for _ in range(each_second if second else 4_000):
            socket.heard_at = max(socket.clock.monotonic(), float(second))
            assert await socket.pace.rest(socket.clock, socket.heard_at, 1_000)
        await socket.clock.sleep(max(0.0, second + 1 - socket.clock.monotonic()))


@pytest.mark.parametrize(("frames", "borne"), [(19, True), (20, True), (21, False)])
def test_frames_that_cannot_be_told_are_borne_up_to_a_number(frames: int, *, borne: bool) -> None:
    """Twenty in ten seconds are; one more is one too many."""
    unclear = Unclear()
    assert any(unclear.too_many(9.999) for _ in range(frames)) is not borne


@pytest.mark.parametrize(("later_s", "borne"), [(9.9, False), (10.0, True), (10.1, True)])
def test_frames_that_could_not_be_told_are_forgotten(later_s: float, *, borne: bool) -> None:
    """Ten seconds later twenty more are borne."""
    unclear = Unclear()
    for _ in range(20):
        unclear.too_many(5.0)
    assert any(unclear.too_many(5.0 + later_s) for _ in range(20)) is not borne


@pytest.mark.parametrize(("frames", "turns"), [(63, 0), (64, 1), (127, 1), (128, 2)])
async def test_who_reads_within_the_intake_lets_others_have_their_turn(frames: int, turns: int) -> None:
    """After sixty-four frames in one go whoever else has something to do comes first."""
    had = 0

    async def somebody() -> None:
        nonlocal had
        while True:
            await asyncio.sleep(0)
            had += 1

    socket = LinkSocket(None, Steps(), LinkPolicy())  # type: ignore[arg-type] # as above
    task = asyncio.create_task(somebody())
    await asyncio.sleep(0)
    for _ in range(frames):
        await socket.pace.rest(socket.clock, 0.0, 10)
    assert had == turns
    task.cancel()


@pytest.mark.parametrize(("number", "told"), [(4, True), (5, True), (6, False)])
def test_only_the_first_frames_that_cannot_be_told_are_logged(number: int, *, told: bool) -> None:
    """Five in ten seconds say what is wrong with the others."""
    unclear = Unclear()
    for _ in range(number):
        unclear.too_many(1.0)
    assert unclear.is_told is told
