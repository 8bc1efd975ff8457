"""Finding out whether the files outside the database know of more than it does."""

from collections.abc import Sequence
from pathlib import Path

from brokergw.store.audit.signing import TrustedKeys
from brokergw.store.notary.checkpoint import Checkpoint, CheckpointUnreadable, SignedCheckpoint, newest_retention
from brokergw.store.notary.file import files_in
from brokergw.store.notary.findings import Pruned
from brokergw.store.notary.pages import LogPages
from brokergw.store.notary.tails import tails_in


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


async def cut(pages: LogPages, folder: Path, keys: TrustedKeys) -> Sequence[str]:
    """Name the chains that lack a row which a file notes as durable, or have another one in its place."""
    made = newest_retention(await pages.retentions(), keys)
    pruned = Pruned.by(made)
    noted = [each for _, some in tails_in(folder) for each in some if not pruned.covers(each.head, each.time_ns)]
    there = await pages.hashes([(each.head.chain, each.head.sequence) for each in noted])
    heads = (each.head for each in noted)
    return sorted({head.chain for head in heads if there.get((head.chain, head.sequence)) != head.hash})


def _last(path: Path) -> Checkpoint | None:
    whole = path.read_text().rpartition("\n")[0]
    try:
        return Checkpoint.read(SignedCheckpoint.from_line(whole.rpartition("\n")[2]).body)
    except CheckpointUnreadable:
        # What is wrong with the file is a verification's to tell.
        return None
