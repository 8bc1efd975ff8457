"""Finding out at the start whether the files outside the database know of more than it does."""

from collections.abc import Sequence
from pathlib import Path

from brokergw.store.notary.checkpoint import Checkpoint, CheckpointUnreadable, SignedCheckpoint
from brokergw.store.notary.file import files_in
from brokergw.store.notary.pages import LogPages


async def behind(pages: LogPages, folder: Path) -> Sequence[str]:
    """Name the processes whose last checkpoint is in a file and not in the table; raises JOURNAL_UNAVAILABLE, OSError.

    That is so after a restore from a backup, and after somebody has removed it. What retention took is no sign.
    """
    last = {}
    for instance_id, path in files_in(folder):
        made = _last(path)
        if made is not None:
            last[instance_id, made.number] = made
    there = await pages.bodies(list(last)) if last else {}
    horizon_ns = max((row.horizon_ns for row in await pages.retentions()), default=0)
    return [place[0] for place, made in sorted(last.items()) if place not in there and made.time_ns >= horizon_ns]


def _last(path: Path) -> Checkpoint | None:
    whole = path.read_text().rpartition("\n")[0]
    try:
        return Checkpoint.read(SignedCheckpoint.from_line(whole.rpartition("\n")[2]).body)
    except CheckpointUnreadable:
        # What is wrong with the file is a verification's to tell.
        return None
