"""The short form of `python -m tests.failclosed`."""

import pytest

from tests.failclosed.rounds import ANSWERED_WITHIN_S, play
from tests.failclosed.world import open_world
from tests.fixtures.pace import Pace
from tests.reasons import SkipReason, skip


@pytest.mark.parametrize(
    ("database", "rounds"),
    [
        ("sqlite", (("locked", True), ("full", False))),
        ("postgresql", (("frozen", False), ("audit-locked", True))),
    ],
)
async def test_without_a_record_nothing_leaves_and_nothing_hangs(
    database: str, rounds: tuple[tuple[str, bool], ...], pace: Pace
) -> None:
    """K, P: while the record is away orders are refused in time and never leave, cancels pass, health says so, streams
    stay open; once it is back everything is on record exactly once, the audit log whole and the ledger right. Also when
    the process is killed meanwhile.
    """
    async with open_world(database) as world:
        for trouble, crash in rounds:
            if trouble not in world.troubles:
                skip(SkipReason.DISK_NOT_MOUNTABLE)
            last = (trouble, crash) == rounds[-1]
            report = await play(world, database, trouble, away_s=1.2, crash=crash, count=last)
            assert report.found == []
            for method in ("SubmitOrder", "ModifyOrder"):
                assert report.slowest[method] < pace.allows(ANSWERED_WITHIN_S)
