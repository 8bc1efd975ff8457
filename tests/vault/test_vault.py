"""The short form of `python -m tests.vault`."""

from pathlib import Path

from tests.vault.rounds import play
from tests.vault.world import open_world

RECORDS = 1_600


async def test_a_rotation_is_killed_and_ended_while_the_vault_is_in_use(store_url: str, tmp_path: Path) -> None:
    """Nothing that is stored fails to open at any time, no change is lost, and the old key opens nothing any more."""
    async with open_world(tmp_path, store_url, RECORDS, 5) as world:
        report = await play(world, kills=1)
    assert report.found == []
    assert RECORDS // 2 <= report.killed_at[0] < RECORDS
    assert report.opened > 0
    assert report.changed > 0
