"""Opening a store: engines, threads, journal and directories put together."""

import asyncio
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from brokergw.model.ids import new_id
from brokergw.model.whose import NOBODYS
from brokergw.ports.audit import AuditLog
from brokergw.ports.clock import Clock
from brokergw.ports.halts import HaltBook
from brokergw.store.alerts import SqlAlertOutbox
from brokergw.store.check import StoreUnreachable, ensure_tables
from brokergw.store.connections.directory import SqlConnectionDirectory
from brokergw.store.connections.leases import SqlLeases
from brokergw.store.database.aside import Aside
from brokergw.store.database.bell import Bell
from brokergw.store.database.checkpoints import Checkpoints
from brokergw.store.database.claim import FileClaim
from brokergw.store.database.engine import parse_url, reader_engine, switch_engine, writer_engine
from brokergw.store.database.polls import Poll
from brokergw.store.database.reader import Reader
from brokergw.store.database.time import DatabaseTime
from brokergw.store.database.transaction import WriterConnection
from brokergw.store.database.work import RunsWork
from brokergw.store.halts.books import LonelyHaltBook, SharedHaltBook
from brokergw.store.halts.watch import HaltWatch
from brokergw.store.identity.certificates import SqlCertificates
from brokergw.store.identity.keys import SqlKeyDirectory
from brokergw.store.identity.roles import SqlRoles
from brokergw.store.identity.tokens import SqlTokens
from brokergw.store.journal import SqlJournal
from brokergw.store.migrations import is_current, read_epoch
from brokergw.store.notary.keeping import AuditKeeping, Chains
from brokergw.store.oauth.attempts import SqlAttempts
from brokergw.store.oauth.grants import SqlGrants
from brokergw.store.reading.lookups import Lookups
from brokergw.store.risk.limits import SqlLimits
from brokergw.store.risk.losses import SqlRiskDays
from brokergw.store.risk.mfa import SqlAuthenticators
from brokergw.store.risk.modes import SqlModes
from brokergw.store.risk.reconciliations import SqlReconciliations
from brokergw.store.separation.roles import require_separated
from brokergw.store.sieve import KeySieve
from brokergw.store.sql.failure import kind_of
from brokergw.store.sql.statements import Statements
from brokergw.store.vault.ring import KeyRing
from brokergw.store.vault.seal import Seal
from brokergw.store.vault.vault import SqlVault
from brokergw.store.writing.acts import Acts
from brokergw.store.writing.batch import BatchWriter
from brokergw.store.writing.group import GroupCommitter
from brokergw.store.writing.writer import Writer

CAPACITY: Final = 20_000
"""How many units, audit rows and small writes may wait for the writer."""


_ONE: Final = text("SELECT 1")
_HELLO: Final = Poll(NOBODYS, lambda database: database.execute(_ONE).scalar_one())


class StoreOutdated(RuntimeError):
    """The database's tables are not those of this version."""


class Store:
    """An open store, a part for each subject (`journal`, `keys`, `connections` …); close it before the loop ends."""

    def __init__(
        self,
        writing: Engine,
        reading: Engine,
        *,
        clock: Clock,
        seal: Seal,
        capacity: int,
        audit: AuditKeeping | None,
        patient: bool = False,
    ) -> None:
        self._writing = writing
        self._reading = reading
        instance_id = new_id("ins")
        chains = Chains(instance_id, clock, audit, writing.dialect.name)
        chained = chains.on(writing, "group")
        self._connection = WriterConnection(chained, patient=patient)
        batches = BatchWriter(Statements(writing.dialect.name), instance_id)
        committer = GroupCommitter(self._connection, batches, clock)
        shared = writing.dialect.name != "sqlite"
        self._checkpoints = None if shared else Checkpoints(writing)
        note = {} if self._checkpoints is None else {"note": self._checkpoints.note}
        self._writer = Writer(committer, capacity=capacity, **note)
        self._reader = Reader(reading)
        self._claim = None if shared else FileClaim(Path(str(writing.url.database)))
        self._aside = Aside(chains.on(writing, "aside")) if shared else None
        # SQLite has one writer, and one process has nobody to be late for.
        run: RunsWork = self._aside or self._writer.run
        grouped: RunsWork = self._writer.run
        if patient:
            run = grouped = Acts(self._writer.run, clock)
        self._bell = Bell(writing.url, instance_id) if shared else None
        self.leases: Final = SqlLeases(run, self._reader, clock, instance_id, shared=shared)
        self.halts: Final[HaltBook] = (
            _shared_halts(writing, chains, clock, instance_id)
            if shared
            else LonelyHaltBook(self._writer, self._reader, clock)
        )
        lookups = Lookups(reading.dialect.name)
        self.journal: Final = SqlJournal(
            self._writer,
            self._reader,
            lookups,
            run,
            clock,
            read_epoch(reading),
            # One process serves a SQLite file; on PostgreSQL keys may come from anywhere.
            None if shared else KeySieve(),
            self._bell,
        )
        self.time: Final = DatabaseTime(self._reader) if shared else None
        self.keys: Final = SqlKeyDirectory(grouped, self._reader)
        self.roles: Final = SqlRoles(grouped, self._reader)
        self.certificates: Final = SqlCertificates(grouped, self._reader)
        self.tokens: Final = SqlTokens(grouped, self._reader)
        self.connections: Final = SqlConnectionDirectory(grouped, self._reader, seal, self.journal.record, clock, run)
        self.attempts: Final = SqlAttempts(self._writer.run, self._reader, seal)
        self.grants: Final = SqlGrants(self._writer, self._reader, self.connections, clock, instance_id, shared=shared)
        self.vault: Final = SqlVault(run, self._reader, seal, self.leases, self.journal.record, clock)
        self.modes: Final = SqlModes(run, self._reader)
        self.authenticators: Final = SqlAuthenticators(run, self._reader, seal)
        self.reconciliations: Final = SqlReconciliations(run, self._reader, clock)
        self.limits: Final = SqlLimits(self._writer, self._reader)
        self.alerts: Final = SqlAlertOutbox(run, self._reader)
        self.risk_days: Final = SqlRiskDays(run, self._reader)
        self._keeper = chains.keeper(run, self._reader, writing)
        self._audit_retention = chains.retention(self._keeper, run, self._reader)
        self.audit: Final[AuditLog] = chains.log(self._reader)

    async def claim(self) -> None:
        """Become the process, or one of those, that serve this store; call it before serving.

        Raises StoreServed when another process serves this SQLite file. Who has claimed it knows that no earlier
        process lives; whoever only reads or makes keys need not claim it.
        """
        if self._claim is not None:
            self._claim.take()
            await self.leases.outlive_others()
        if self._keeper is not None:
            self._keeper.start()
        if self._audit_retention is not None:
            self._audit_retention.start()

    def begin_service(self) -> None:
        """Say that callers wait for answers from here on: a database that gives none keeps nobody any longer."""
        self._reader.pulse.begin()

    async def ping(self) -> None:
        """Raise JOURNAL_ or AUDIT_UNAVAILABLE unless the database answers and the record can be written."""
        await self._writer.prove()
        await self._reader.poll(_HELLO)

    async def close(self) -> None:
        """Write what waits, then give up threads and connections."""
        if self._bell is not None:
            await self._bell.close()
        await self.halts.close()
        if self._audit_retention is not None:
            await self._audit_retention.close()
        await self._writer.close()
        if self._aside is not None:
            await self._aside.close()
        if self._keeper is not None:
            await self._keeper.close()
        await self._reader.close()
        if self._checkpoints is not None:
            await asyncio.to_thread(self._checkpoints.close)
        self._connection.close()
        self._writing.dispose()
        self._reading.dispose()
        if self._claim is not None:
            self._claim.drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()


def _shared_halts(writing: Engine, chains: Chains, clock: Clock, instance_id: str) -> HaltBook:
    switch = chains.on(switch_engine(writing.url), "switch")
    return SharedHaltBook(switch, HaltWatch(writing.url, instance_id, clock), clock, instance_id)


def _require_current(engine: Engine) -> None:
    if not is_current(engine):
        raise StoreOutdated("the database is not up to date: run `brokergw db upgrade`")


def open_store(
    url: str,
    *,
    clock: Clock,
    credentials_key: bytes | KeyRing,
    audit: AuditKeeping | None = None,
    upgrade_tables: bool = False,
    owner_url: str = "",
    capacity: int = CAPACITY,
    patient: bool = False,
) -> Store:
    """Open the store behind a URL such as `sqlite:////path/file.db` or `postgresql://user@host/name`.

    `credentials_key` is 32 bytes, or a ring of several. Without `audit` the audit log is chained, but nobody signs it.
    A `patient` store is a person's, beside the processes that serve: it waits for its turn, and does each act once.
    Raises StoreUrlInvalid, ValueError for a bad key, StoreOutdated when the tables are not this version's (unless
    `upgrade_tables`, which works as the tables' owner by `owner_url` where that is somebody else), NotSeparated when
    the database does not keep users apart from this role, StoreUnreachable when it cannot be opened.
    """
    ring = credentials_key if isinstance(credentials_key, KeyRing) else KeyRing([credentials_key])
    parsed = parse_url(url)
    if upgrade_tables:
        ensure_tables(url, owner_url)
    writing = writer_engine(parsed, patient=patient)
    reading = reader_engine(parsed)
    try:
        _require_current(reading)
        require_separated(reading)
        return Store(writing, reading, clock=clock, seal=Seal(ring), capacity=capacity, audit=audit, patient=patient)
    except BaseException as error:
        writing.dispose()
        reading.dispose()
        if isinstance(error, SQLAlchemyError):
            raise StoreUnreachable(f"the database cannot be opened: {kind_of(error)}") from error
        raise
