"""Taking the oldest part of the log away, such that what is left can still be verified.

First a signed checkpoint says what goes: of each chain the last row that goes with its hash, of each process the last
checkpoint. That releases the rows, which the database keeps from everybody otherwise. Then they are removed, piece by
piece, each piece with a row that says so. What such a checkpoint said is said again by the next one, for as long as
some checkpoint that is left names a row that is gone; so the newest one is enough to know.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, delete, func, select, text

from brokergw.model.errors import GatewayError
from brokergw.model.events import AuditRow
from brokergw.model.whose import everyone
from brokergw.ports.clock import Clock
from brokergw.store.audit.canonical import GENESIS
from brokergw.store.audit.chain import Head, write_audit
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.notary.checkpoint import Checkpoint, CheckpointUnreadable, SignedCheckpoint, newest_retention
from brokergw.store.notary.file import files_in
from brokergw.store.notary.keeper import Keeper
from brokergw.store.notary.pages import retentions
from brokergw.store.notary.tails import tails_in
from brokergw.store.tables import AUDIT, AUDIT_CHAINS, AUDIT_CHECKPOINTS

log = structlog.get_logger(__name__)

EVERY_S: Final = 3_600.0
_OLD: Final = everyone("retention takes the oldest rows of the audit log, whosever they are")
_DAY_NS: Final = 86_400 * 1_000_000_000
_PIECE: Final = 500
_ROWS_MAX: Final = 20_000
"""How many rows of a chain one round releases; the next one goes on."""

_REMOVE = {
    "sqlite": text(
        "DELETE FROM broker_audit_log WHERE chain = :chain AND sequence IN (SELECT sequence FROM broker_audit_log"
        " WHERE chain = :chain AND sequence <= :last ORDER BY sequence LIMIT :most)"
    ),
    "postgresql": text("SELECT brokergw_prune_audit(:chain, :most)"),
}
_REMOVE_CHECKPOINTS = {
    "sqlite": text(
        "DELETE FROM audit_checkpoints WHERE (instance_id, number) IN (SELECT instance_id, number"
        " FROM audit_checkpoints WHERE time_ns < (SELECT max(horizon_ns) FROM audit_checkpoints)"
        " ORDER BY time_ns LIMIT :most)"
    ),
    "postgresql": text("SELECT brokergw_prune_checkpoints(:most)"),
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one round takes: new last rows, those that must be said again, and chains that nobody names any more."""

    going: tuple[Head, ...]
    gone: tuple[Head, ...]
    forgotten: tuple[str, ...]
    checkpoints: tuple[tuple[str, int], ...]
    old_checkpoints: bool


class AuditRetention:
    """Prunes for one process, every hour, what is older than so many days."""

    def __init__(self, keeper: Keeper, run: RunsWork, reader: Reader, clock: Clock, days: int, folder: Path) -> None:
        self._keeper = keeper
        self._run = run
        self._reader = reader
        self._clock = clock
        self._days = days
        self._folder = folder
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to prune."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="prune the audit log")

    async def close(self) -> None:
        """Prune no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def prune(self) -> int:
        """Take away what is too old; gives how many rows. Raises JOURNAL_UNAVAILABLE, OSError."""
        horizon_ns = self._clock.now_ns() - self._days * _DAY_NS
        plan = await self._reader.query(_OLD, lambda database: _plan(database, horizon_ns, self._keeper))
        if plan.going or plan.old_checkpoints:
            await self._keeper.sign(
                horizon_ns=horizon_ns, pruned=(*plan.gone, *plan.going), pruned_checkpoints=plan.checkpoints
            )
        removed = 0
        for head in (*plan.going, *plan.gone):
            removed += await self._remove(head)
        if plan.old_checkpoints:
            while await self._run(_OLD, _remove_checkpoints) == _PIECE:
                pass
        if plan.forgotten:
            gone = delete(AUDIT_CHAINS).where(AUDIT_CHAINS.c.chain.in_(plan.forgotten))
            await self._run(_OLD, lambda database: database.execute(gone) and None)
        await asyncio.to_thread(_remove_files, self._folder, horizon_ns)
        return removed

    async def _work(self) -> None:
        while True:
            try:
                while await self.prune() >= _ROWS_MAX:
                    pass
            except (GatewayError, OSError) as error:
                log.error("the audit log is not pruned", kind=type(error).__name__)  # noqa: TRY400 - the kind says it
            await self._clock.sleep(EVERY_S)

    async def _remove(self, head: Head) -> int:
        removed = 0
        while count := await self._run(_OLD, lambda database: self._remove_piece(database, head)):
            removed += count
        return removed

    def _remove_piece(self, database: Connection, head: Head) -> int:
        """Remove some rows that a checkpoint has released, and say so in the same commit."""
        values = {"chain": head.chain, "last": head.sequence, "most": _PIECE}
        done = database.execute(_REMOVE[database.dialect.name], values)
        count = int(done.scalar_one()) if done.returns_rows else done.rowcount
        if count:
            write_audit(database, self._row(f"{count} rows of {head.chain} up to {head.sequence}"))
        return count

    def _row(self, detail: str) -> AuditRow:
        return AuditRow(
            time_ns=self._clock.now_ns(),
            request_id="",
            user_id="",
            key_id="",
            action="audit.pruned",
            outcome="OK",
            detail=detail,
        )


def _plan(database: Connection, horizon_ns: int, keeper: Keeper) -> _Plan:
    before = newest_retention(retentions(database), keeper.keys)
    taken = {} if before is None else {head.chain: head for head in before.pruned}
    going, gone, forgotten = [], [], []
    for chain, sign_time_ns in database.execute(select(AUDIT_CHAINS.c.chain, AUDIT_CHAINS.c.sign_time_ns)):
        # What was taken is believed as it was signed, not as the table of chains has it.
        start = taken.get(chain, Head(chain, 0, GENESIS))
        last = _last_old(database, start, horizon_ns)
        if last != start:
            going.append(last)
        elif start.sequence and sign_time_ns < horizon_ns and _is_empty(database, chain):
            forgotten.append(chain)
        elif start.sequence:
            gone.append(start)
    old = AUDIT_CHECKPOINTS.c.time_ns < horizon_ns
    numbers = select(AUDIT_CHECKPOINTS.c.instance_id, func.max(AUDIT_CHECKPOINTS.c.number)).where(old)
    known = {} if before is None else dict(before.pruned_checkpoints)
    known |= {row[0]: row[1] for row in database.execute(numbers.group_by(AUDIT_CHECKPOINTS.c.instance_id))}
    left = set(database.scalars(select(AUDIT_CHECKPOINTS.c.instance_id).where(~old).distinct())) | {keeper.instance_id}
    return _Plan(
        tuple(going),
        tuple(gone),
        tuple(forgotten),
        tuple(sorted((instance, number) for instance, number in known.items() if instance in left)),
        database.scalar(select(AUDIT_CHECKPOINTS.c.number).where(old).limit(1)) is not None,
    )


def _last_old(database: Connection, start: Head, horizon_ns: int) -> Head:
    """Find the last row of a chain that may go; `start` where none may.

    All before it are older too, and each follows the one before: where somebody has taken one already, it stays seen.
    """
    columns = AUDIT.c.sequence, AUDIT.c.time_ns, AUDIT.c.previous_hash, AUDIT.c.hash
    wanted = select(*columns).where(AUDIT.c.chain == start.chain, AUDIT.c.sequence > start.sequence)
    last = start
    for row in database.execute(wanted.order_by(AUDIT.c.sequence).limit(_ROWS_MAX)):
        if row.time_ns >= horizon_ns or (row.sequence, row.previous_hash) != (last.sequence + 1, last.hash):
            break
        last = Head(start.chain, row.sequence, row.hash)
    return last


def _is_empty(database: Connection, chain: str) -> bool:
    return database.scalar(select(AUDIT.c.sequence).where(AUDIT.c.chain == chain).limit(1)) is None


def _remove_checkpoints(database: Connection) -> int:
    done: Any = database.execute(_REMOVE_CHECKPOINTS[database.dialect.name], {"most": _PIECE})
    return int(done.scalar_one()) if done.returns_rows else done.rowcount


def _remove_files(folder: Path, horizon_ns: int) -> None:
    """Remove the files whose last checkpoint, or whose newest head, is too old."""
    for path, noted in tails_in(folder):
        if noted and max(each.time_ns for each in noted) < horizon_ns:
            path.unlink(missing_ok=True)
    for _, path in files_in(folder):
        last = path.read_text().rstrip("\n").rpartition("\n")[2]
        try:
            made = Checkpoint.read(SignedCheckpoint.from_line(last).body)
        except CheckpointUnreadable:
            continue
        if made.time_ns < horizon_ns:
            path.unlink()
