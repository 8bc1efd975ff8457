"""Finding out whether the log is what was written.

First the files outside the database are held against the table of checkpoints, then that table against the keys and
the rows that it names, then every row against the one before it. In this order, because rows and checkpoints are added
meanwhile: what an earlier step has seen must be there in a later one.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from brokergw.ports.audit import AuditFault, AuditReport
from brokergw.store.audit.canonical import GENESIS, LEAD, row_hash
from brokergw.store.audit.chain import OPENED, Head
from brokergw.store.audit.signing import TrustedKeys
from brokergw.store.notary.checkpoint import (
    Checkpoint,
    CheckpointUnreadable,
    SignedCheckpoint,
    genuine,
    newest_retention,
)
from brokergw.store.notary.file import files_in
from brokergw.store.notary.findings import Findings, Pruned
from brokergw.store.notary.heads import is_signed_opening, opened_behind
from brokergw.store.notary.pages import PAGE, LogPages
from brokergw.store.notary.tails import tails_in


class Verification:
    """One walk over everything; `folder` holds the files of checkpoints, if there are any at hand."""

    def __init__(self, pages: LogPages, keys: TrustedKeys, folders: Sequence[Path]) -> None:
        self._pages = pages
        self._keys = keys
        self._folders = folders
        self._findings = Findings()
        self._pruned = Pruned()
        self._rows = 0
        self._checkpoints = 0
        self._signed_ns: int | None = None
        self._lengths: dict[str, int] = {}
        self._openings: set[str] = set()
        self._unsigned = 0

    async def run(self) -> AuditReport:
        """Walk; raises JOURNAL_UNAVAILABLE, or OSError for a file that cannot be read."""
        made = newest_retention(await self._pages.retentions(), self._keys)
        self._pruned = Pruned.by(made)
        for folder in self._folders:
            for instance_id, path in files_in(folder):
                await self._check_file(instance_id, path)
            await self._check_tails(folder)
        await self._check_checkpoints()
        await self._check_rows()
        self._findings.explain(self._lengths, self._pruned)
        return AuditReport(
            rows=self._rows,
            chains=len(self._lengths),
            checkpoints=self._checkpoints,
            unsigned=self._unsigned,
            found=self._findings.found,
            pruned=sum(head.sequence for head in self._pruned.heads.values()),
            signed_time_ns=self._signed_ns,
            public_keys=self._keys.public_keys,
            problems=self._findings.problems,
        )

    async def _check_file(self, instance_id: str, path: Path) -> None:
        number = 0
        with path.open() as file:
            while lines := list(islice(file, PAGE)):
                # A process may be in the middle of its last line, or have been killed there.
                kept = [line for line in lines if line.endswith("\n")]
                await self._check_lines(instance_id, kept, number)
                number += len(lines)

    async def _check_tails(self, folder: Path) -> None:
        noted = [each for _, some in tails_in(folder) for each in some]
        for start in range(0, len(noted), PAGE):
            some = noted[start : start + PAGE]
            hashes = await self._pages.hashes([(each.head.chain, each.head.sequence) for each in some])
            self._findings.noted(some, hashes, self._pruned)

    async def _check_lines(self, instance_id: str, lines: Sequence[str], done: int) -> None:
        """Hold a file's lines against the table; what the table has lost is believed where its signature is good."""
        there = await self._pages.bodies([(instance_id, done + each) for each in range(1, len(lines) + 1)])
        lost: list[Checkpoint] = []
        for number, line in enumerate(lines, done + 1):
            try:
                signed = SignedCheckpoint.from_line(line)
            except CheckpointUnreadable:
                self._findings.problem(
                    AuditFault.CHECKPOINT_FORGED, instance_id, number, "a line of the file is no checkpoint"
                )
                continue
            if there.get((instance_id, number)) == (signed.body, signed.key_id, signed.signature):
                continue
            made = genuine(signed, self._keys)
            if made is None or (made.instance_id, made.number) != (instance_id, number):
                self._findings.problem(
                    AuditFault.CHECKPOINT_FORGED, instance_id, number, "a line of the file is not what was signed"
                )
            elif made.time_ns >= self._pruned.horizon_ns:
                lost.append(made)
                self._findings.problem(
                    AuditFault.CHECKPOINT_MISSING,
                    instance_id,
                    number,
                    "the file has it, the database has not: it was removed, or the database was restored",
                )
        await self._hold_against_rows(lost)

    async def _check_checkpoints(self) -> None:
        before: tuple[str, int, str] = ("", 0, GENESIS)
        async for rows in self._pages.checkpoints():
            believed = []
            for row in rows:
                before, made = self._check_checkpoint(row, before)
                if made is not None:
                    believed.append(made)
            await self._hold_against_rows(believed)
            self._checkpoints += len(rows)

    def _check_checkpoint(
        self, row: Any, before: tuple[str, int, str]
    ) -> tuple[tuple[str, int, str], Checkpoint | None]:
        if row.number <= self._pruned.checkpoints.get(row.instance_id, 0):
            # Released, and not removed yet.
            return before, None
        signed = SignedCheckpoint(row.body, row.key_id, row.signature)
        instance_id, number, previous = before
        first = row.instance_id != instance_id
        if first:
            number, previous = self._pruned.checkpoints.get(row.instance_id, 0), GENESIS
        after = (row.instance_id, row.number, signed.hash)
        if row.number != number + 1:
            self._findings.problem(
                AuditFault.CHECKPOINT_MISSING, row.instance_id, number + 1, f"the next one there is {row.number}"
            )
            previous = ""
        if not self._keys.knows(row.key_id):
            detail = f"signed with the key {row.key_id}, which is not among those trusted here"
            self._findings.problem(AuditFault.KEY_UNKNOWN, row.instance_id, row.number, detail)
            return after, None
        made = genuine(signed, self._keys)
        if made is None or not _is_of(made, row, signed.hash):
            self._findings.problem(
                AuditFault.CHECKPOINT_FORGED, row.instance_id, row.number, "it is not what was signed"
            )
            return after, None
        if previous and made.previous != previous and not (first and number):
            self._findings.problem(
                AuditFault.CHECKPOINT_FORGED, row.instance_id, row.number, "it does not follow the one before it"
            )
        self._signed_ns = max(self._signed_ns or 0, made.time_ns)
        return after, made

    async def _hold_against_rows(self, made: Sequence[Checkpoint]) -> None:
        places = [(head.chain, head.sequence) for each in made for head in each.heads]
        hashes: dict[tuple[str, int], str] = {}
        for start in range(0, len(places), PAGE):
            hashes |= await self._pages.hashes(places[start : start + PAGE])
        for each in made:
            self._findings.signed(each, hashes, self._pruned)

    async def _check_rows(self) -> None:
        before = Head("", 0, GENESIS)
        async for rows in self._pages.rows():
            openings = []
            for row in rows:
                if row.chain != before.chain:
                    before = self._pruned.heads.get(row.chain, Head(row.chain, 0, GENESIS))
                    if before.sequence == 0:
                        openings.append(row)
                if row.sequence <= self._pruned.last_of(row.chain):
                    # Released, and not removed yet.
                    continue
                self._check_row(row, before)
                before = Head(row.chain, row.sequence, row.hash)
                self._lengths[row.chain] = row.sequence
            await self._check_openings(openings)
            self._rows += len(rows)

    def _check_row(self, row: Any, before: Head) -> None:
        signs = self._findings.signs.get(row.chain)
        if row.sequence != before.sequence + 1:
            detail = f"row {before.sequence} is followed by row {row.sequence}"
            self._findings.problem(AuditFault.ROW_MISSING, row.chain, before.sequence + 1, detail)
        elif row.previous_hash != before.hash:
            detail = "it names another row before it than the one that stands there"
            self._findings.problem(AuditFault.ROW_CHANGED, row.chain, row.sequence, detail)
        if row.hash != row_hash(row.chain, row.sequence, row.previous_hash, tuple(row)[LEAD:]):
            self._findings.problem(
                AuditFault.ROW_CHANGED, row.chain, row.sequence, "its content is not what was hashed"
            )
        if signs is None or row.sequence > signs.last:
            self._unsigned += 1
        if signs is not None and signs.ended is not None and row.sequence > signs.ended:
            self._findings.problem(
                AuditFault.ROW_FORGED, row.chain, row.sequence, f"the chain had ended with row {signs.ended}"
            )

    async def _check_openings(self, rows: Sequence[Any]) -> None:
        """See that who holds the key began each chain, behind a checkpoint that there is."""
        behind: dict[tuple[str, int], str] = {}
        for row in rows:
            if row.action == OPENED and is_signed_opening(row.chain, row.detail, self._keys):
                told = opened_behind(row.detail)
                if told is not None and told[2] >= self._pruned.horizon_ns:
                    behind[told[:2]] = row.chain
            elif row.chain not in self._findings.signs:
                self._findings.problem(
                    AuditFault.CHAIN_FORGED, row.chain, row.sequence, "nobody who holds the key began it or signed it"
                )
        there = await self._pages.bodies(list(behind))
        for instance_id, number in behind.keys() - there.keys():
            detail = f"the chain {behind[instance_id, number]} was begun behind it"
            self._findings.problem(AuditFault.CHECKPOINT_MISSING, instance_id, number, detail)


def _is_of(made: Checkpoint, row: Any, hash_: str) -> bool:
    """Tell whether the columns of a row say what its signed text says."""
    told = (row.instance_id, row.number, row.time_ns, row.horizon_ns, row.hash)
    return told == (made.instance_id, made.number, made.time_ns, made.horizon_ns, hash_)
