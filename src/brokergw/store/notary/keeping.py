"""What a process needs to keep the audit log: a chain for each of its writers, and a keeper that signs them."""

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from brokergw.ports.clock import Clock
from brokergw.store.audit.chain import Chain, chained
from brokergw.store.audit.signing import Signer, TrustedKeys
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.notary.keeper import Keeper
from brokergw.store.notary.log import SqlAuditLog
from brokergw.store.notary.retention import AuditRetention
from brokergw.store.notary.tails import TailFile


@dataclass(frozen=True, slots=True)
class AuditKeeping:
    """The secret of 32 bytes that signs the log, the folder for the checkpoints outside the database, and for how many
    days the log is kept, 0 for ever.
    """

    secret: bytes = field(repr=False)
    folder: Path
    retention_days: int = 0


class Chains:
    """The chains of one process."""

    def __init__(self, instance_id: str, clock: Clock, keeping: AuditKeeping | None, dialect: str) -> None:
        self._instance_id = instance_id
        self._clock = clock
        self._keeping = keeping
        self._signer = None if keeping is None else Signer(keeping.secret)
        self._dialect = dialect
        self._chains: list[Chain] = []
        self._tails = None if keeping is None else TailFile(keeping.folder, instance_id, clock.now_ns)

    def on(self, engine: Engine, writer: str) -> Engine:
        """Give an engine, over the same connections, whose transactions write into a chain of their own."""
        noting = {} if self._tails is None else {"note": self._tails.note}
        chain = Chain(writer, self._instance_id, self._clock, self._signer, self._dialect, **noting)
        self._chains.append(chain)
        return chained(engine, chain)

    def log(self, reader: Reader) -> SqlAuditLog:
        """Give the log for reading; what nobody here can sign, nobody here can verify."""
        keys = TrustedKeys() if self._signer is None else TrustedKeys(self._signer.public_key)
        return SqlAuditLog(reader, keys, [] if self._keeping is None else [self._keeping.folder], self._dialect)

    def keeper(self, run: RunsWork, reader: Reader, engine: Engine) -> Keeper | None:
        """Make the one who signs them, where there is something to sign with."""
        if self._keeping is None or self._signer is None or self._tails is None:
            return None
        return Keeper(
            self._chains,
            run=run,
            reader=reader,
            engine=engine,
            clock=self._clock,
            signer=self._signer,
            instance_id=self._instance_id,
            folder=self._keeping.folder,
            tails=self._tails,
        )

    def retention(self, keeper: Keeper | None, run: RunsWork, reader: Reader) -> AuditRetention | None:
        """Make the one who prunes them, where the log is not kept for ever."""
        if self._keeping is None or keeper is None or not self._keeping.retention_days:
            return None
        return AuditRetention(keeper, run, reader, self._clock, self._keeping.retention_days, self._keeping.folder)
