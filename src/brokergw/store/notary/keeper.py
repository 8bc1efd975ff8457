"""Signing how far the chains have come: every second in which something was added, and at the end.

A process signs the heads that it holds in memory for its own chains, and what the database shows for all others: so
each process also bears witness for its neighbours, and the first checkpoint of a new process closes what a dead one
left unsigned, and says so. A chain that nobody with the key began is never signed.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import SQLAlchemyError

from brokergw.model.errors import GatewayError
from brokergw.model.whose import Whose, everyone
from brokergw.ports.clock import Clock
from brokergw.store.audit.canonical import GENESIS
from brokergw.store.audit.chain import Chain
from brokergw.store.audit.signing import Signer, TrustedKeys
from brokergw.store.database.aside import with_second_try
from brokergw.store.database.polls import Poll
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork, Work
from brokergw.store.notary.checkpoint import Checkpoint, SignedCheckpoint
from brokergw.store.notary.file import CheckpointFile
from brokergw.store.notary.heads import OpenChain, is_genuine, open_chains
from brokergw.store.notary.pages import LogPages
from brokergw.store.notary.restored import behind, cut
from brokergw.store.notary.tails import TailFile
from brokergw.store.sql.failure import kind_of
from brokergw.store.tables import AUDIT_CHAINS, AUDIT_CHECKPOINTS

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
_SILENT_NS: Final = 3_600 * 1_000_000_000
"""After so long without a row a chain of another process is no longer looked at; its own process still signs it."""

Write = Callable[[Whose, Work], Awaitable[Any]]
_LOG: Final = everyone("the audit log is signed as a whole, and its heads are rows of any user")


@dataclass(frozen=True, slots=True)
class _Seen:
    chains: Sequence[OpenChain]
    strange: frozenset[str]


class Keeper:
    """Signs for one process. Begin it once the process serves; a process that only writes a little just closes it."""

    def __init__(
        self,
        chains: Sequence[Chain],
        *,
        run: RunsWork,
        reader: Reader,
        engine: Engine,
        clock: Clock,
        signer: Signer,
        instance_id: str,
        folder: Path,
        tails: TailFile,
    ) -> None:
        self._chains = chains
        self._run = run
        self._reader = reader
        self._engine = engine
        self._clock = clock
        self._signer = signer
        self.keys: Final = TrustedKeys(signer.public_key)
        self.instance_id: Final = instance_id
        self._file = CheckpointFile(folder, instance_id)
        self._folder = folder
        self._tails = tails
        self._last = Checkpoint(instance_id=instance_id, number=0, time_ns=0)
        self._last_hash = GENESIS
        self._signed: dict[str, int] = {}
        self._genuine: set[str] = set()
        self._strange: frozenset[str] = frozenset()
        self._silent: list[str] = []
        self._waiting: tuple[Checkpoint, SignedCheckpoint] | None = None
        self._looking = Poll(_LOG, self._look)
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    def start(self) -> None:
        """Begin to sign."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="sign the audit log")

    async def sign(self, **more: Any) -> Checkpoint | None:
        """Sign what is new, with `more` to say; None where nothing is. Raises JOURNAL_UNAVAILABLE or OSError."""
        return await self._sign(self._run, more)

    async def close(self) -> None:
        """Sign the last rows; call it when every writer has ended. Who neither served nor wrote signs nothing."""
        if self._task is None:
            if not any(chain.durable.sequence for chain in self._chains):
                self._tails.close(signed=True)
                return
        else:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        signed = False
        try:
            await self._sign(self._write_alone, {}, last=True)
            signed = True
        except (GatewayError, SQLAlchemyError, OSError) as error:
            # The store closes all the same, and the next process signs these rows.
            log.error("the end of the audit log is not signed", kind=kind_of(error))  # noqa: TRY400 - the kind says it
        self._file.close()
        self._tails.close(signed=signed)

    async def _write_alone(self, whose: Whose, work: Work) -> Any:
        return await asyncio.to_thread(with_second_try, self._engine, whose, work)

    async def _work(self) -> None:
        try:
            pages = LogPages(self._reader, self._engine.dialect.name)
            for instance_id in await behind(pages, self._folder):
                log.error("the database is older than its checkpoints outside: restored, or bent", process=instance_id)
            for chain in await cut(pages, self._folder, self.keys):
                log.error("the audit log lacks rows that were durable, or has others in their place", chain=chain)
        except (GatewayError, OSError) as error:
            log.error("the checkpoints outside are not looked at", kind=kind_of(error))  # noqa: TRY400 - the kind says it
        while True:
            try:
                await self.sign()
                self._failing = False
            except (GatewayError, OSError) as error:
                # The rows are durable and chained; whoever signs next signs them too.
                if not self._failing:
                    log.error("the audit log is not signed", kind=kind_of(error))  # noqa: TRY400 - the kind says it
                self._failing = True
            await self._clock.sleep(EVERY_S)

    async def _sign(self, write: Write, more: Mapping[str, Any], *, last: bool = False) -> Checkpoint | None:
        async with self._turn:
            if self._waiting is not None:
                await self._put(write, *self._waiting, last=False)
            made = await self._compose(more, last=last)
            if made is None:
                return None
            await self._put(write, made, SignedCheckpoint.make(made, self._signer), last=last)
            return made

    async def _put(self, write: Write, made: Checkpoint, signed: SignedCheckpoint, *, last: bool) -> None:
        """Write into the table, then into the file; may be repeated until both went through."""
        self._waiting = made, signed
        ended = [chain.durable.chain for chain in self._chains] if last else self._silent
        await write(_LOG, lambda database: _insert(database, made, signed, ended))
        self._silent = []
        await asyncio.to_thread(self._file.append, signed)
        self._waiting = None
        self._last, self._last_hash = made, signed.hash
        self._signed |= {head.chain: head.sequence for head in made.heads}

    async def _compose(self, more: Mapping[str, Any], *, last: bool) -> Checkpoint | None:
        own = {chain.durable.chain: chain.durable for chain in self._chains}
        seen = await self._reader.poll(self._looking)
        for chain in seen.strange - self._strange:
            log.error("a chain of the audit log was begun by somebody without the key", chain=chain)
        self._strange |= seen.strange
        others = {each.head.chain: each for each in seen.chains if each.head.chain not in own}
        # Each is later than the one before, whatever the clock does.
        now = max(self._clock.now_ns(), self._last.time_ns + 1)
        self._silent = [chain for chain, each in others.items() if each.time_ns < now - _SILENT_NS]
        heads = {chain: head for chain, head in own.items() if head.sequence}
        heads |= {chain: each.head for chain, each in others.items()}
        signed = {} if last else self._signed
        new = tuple(
            head
            for chain, head in sorted(heads.items())
            if head.sequence > (signed if chain in own else self._signed).get(chain, 0)
        )
        if not new and not more:
            return None
        first = self._last.number == 0
        made = Checkpoint(
            instance_id=self.instance_id,
            number=self._last.number + 1,
            time_ns=now,
            previous=self._last_hash,
            heads=new,
            found=tuple(_found(others.values())) if first else (),
            ended=tuple(chain for chain, head in own.items() if head.sequence) if last else (),
        )
        return replace(made, **more)

    def _look(self, database: Connection) -> _Seen:
        """Read the open chains, but for those that nobody with the key began."""
        chains, strange = [], set()
        for each in open_chains(database):
            chain = each.head.chain
            if chain not in self._genuine and not self._may_sign(database, each):
                if not each.pruned_sequence:
                    strange.add(chain)
                continue
            self._genuine.add(chain)
            chains.append(each)
        return _Seen(chains, frozenset(strange))

    def _may_sign(self, database: Connection, each: OpenChain) -> bool:
        if is_genuine(database, each.head.chain, self.keys):
            return True
        # What was there before the first checkpoint of all is taken as it stands.
        return database.scalar(select(AUDIT_CHECKPOINTS.c.number).limit(1)) is None


def _found(others: Any) -> Any:
    for each in others:
        if each.head.sequence > each.signed_sequence:
            yield each.head.chain, each.signed_sequence + 1, each.head.sequence


def _insert(database: Connection, made: Checkpoint, signed: SignedCheckpoint, ended: Sequence[str]) -> None:
    row = AUDIT_CHECKPOINTS.c
    there = select(row.hash).where(row.instance_id == made.instance_id, row.number == made.number)
    if database.scalar(there) is None:
        database.execute(
            AUDIT_CHECKPOINTS.insert().values(
                instance_id=made.instance_id,
                number=made.number,
                time_ns=made.time_ns,
                horizon_ns=made.horizon_ns,
                body=signed.body,
                hash=signed.hash,
                key_id=signed.key_id,
                signature=signed.signature,
            )
        )
    chains = AUDIT_CHAINS.c
    for head in made.heads:
        change = update(AUDIT_CHAINS).where(chains.chain == head.chain, chains.signed_sequence <= head.sequence)
        database.execute(change.values(signed_sequence=head.sequence, sign_time_ns=made.time_ns))
    for head in made.pruned:
        change = update(AUDIT_CHAINS).where(chains.chain == head.chain, chains.pruned_sequence < head.sequence)
        database.execute(change.values(pruned_sequence=head.sequence))
    if ended:
        database.execute(update(AUDIT_CHAINS).where(chains.chain.in_(ended)).values(close_time_ns=made.time_ns))
