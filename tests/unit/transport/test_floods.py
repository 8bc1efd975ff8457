"""When a link that brings more than may be read is given up, and which."""

from contextlib import nullcontext

import pytest

from brokergw.transport.intake import Flood, Intake
from brokergw.transport.websocket import LinkError, LinkPolicy, _Socket


class Steps:
    """A clock that stands still but for who sleeps."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.mark.parametrize(("frames", "lost"), [(95, False), (96, False), (97, True)])
async def test_who_floods_for_long_loses_the_link(frames: int, *, lost: bool) -> None:
    """Ten seconds of nothing but more than may be read are borne; what comes then is told too late to be worth it."""
    policy = LinkPolicy(intake=Intake(pieces_per_s=8, burst_s=2))
    socket = _Socket(None, Steps(), policy)  # type: ignore[arg-type] # nothing is read from it
    with pytest.raises(LinkError, match="floods") if lost else nullcontext():
        for _ in range(frames):
            socket.heard_at = socket.clock.monotonic()
            await socket._pace(0)


@pytest.mark.parametrize(("every", "lost"), [(20, False), (12, False), (10, True), (9, True)])
async def test_who_has_a_small_part_in_a_flood_keeps_the_link(every: int, *, lost: bool) -> None:
    """All links of a broker are read at one pace, and only those that take a tenth of it are given up."""
    clock, policy = Steps(), LinkPolicy(intake=Intake(pieces_per_s=8, burst_s=2))
    flooding, other = (_Socket(None, clock, policy) for _ in range(2))  # type: ignore[arg-type] # as above
    with pytest.raises(LinkError, match="floods") if lost else nullcontext():
        for number in range(300):
            socket = other if number % every == 0 else flooding
            socket.heard_at = clock.at
            # The one that floods is kept for the test's sake.
            flooding.flood = Flood()
            await socket._pace(0)


async def test_a_pause_ends_a_flood() -> None:
    """Bursts with rest between them are none."""
    policy = LinkPolicy(intake=Intake(pieces_per_s=8, burst_s=2))
    socket = _Socket(None, Steps(), policy)  # type: ignore[arg-type] # as above
    for _ in range(5):
        for _ in range(60):
            socket.heard_at = socket.clock.monotonic()
            await socket._pace(0)
        await socket.clock.sleep(3)
