"""Authenticators over a SQL database: which codes are used up is decided there, for all processes alike."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, case, delete, insert, null, select, update

from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.mfa import Authenticator, CodeVerdict
from brokergw.model.whose import only, these
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.risk.mode_changes import end_live, touch
from brokergw.store.tables import MFA_AUTHENTICATORS
from brokergw.store.vault.places import place_of_seed
from brokergw.store.vault.seal import Seal, Sealed


class SqlAuthenticators:
    """Implements `ports.mfa.Authenticators`. `run` gives each write a transaction that no call's failure undoes."""

    def __init__(self, run: RunsWork, reader: Reader, seal: Seal) -> None:
        self._run = run
        self._reader = reader
        self._seal = seal

    async def get(self, user_id: str) -> Authenticator | None:
        """Read a user's authenticator; raises MFA_NOT_ENROLLED when its secret does not open."""
        wanted = select(MFA_AUTHENTICATORS).where(MFA_AUTHENTICATORS.c.user_id == user_id)
        row = await self._reader.query(only(user_id), lambda database: database.execute(wanted).one_or_none())
        return None if row is None else self._opened(row)

    async def enroll(self, new: Authenticator, audit: AuditRow | None = None) -> bool:
        """Keep a new one, in place of one that was neither confirmed nor locked; False where another stands."""
        sealed = self._seal.close(new.secret, place_of_seed(new.user_id, new.authenticator_id))

        def work(database: Connection) -> bool:
            if not touch(database, new.user_id):
                raise NotFound(Reason.USER_NOT_FOUND, "user", new.user_id)
            table = MFA_AUTHENTICATORS
            unused = (table.c.confirm_time_ns.is_(None), table.c.lock_time_ns.is_(None))
            database.execute(delete(table).where(table.c.user_id == new.user_id, *unused))
            if database.scalar(select(table.c.user_id).where(table.c.user_id == new.user_id)) is not None:
                return False
            database.execute(
                insert(table).values(
                    user_id=new.user_id,
                    authenticator_id=new.authenticator_id,
                    sealed_secret=sealed,
                    enroll_time_ns=new.enroll_time_ns,
                    last_step=new.last_step,
                    failures=new.failures,
                )
            )
            if audit is not None:
                write_audit(database, audit)
            return True

        return bool(await self._run(only(new.user_id), work))

    async def take_code(
        self,
        user_id: str,
        authenticator_id: str,
        step: int | None,
        time_ns: int,
        failures_max: int,
        audit: Callable[[CodeVerdict], AuditRow] | None = None,
    ) -> CodeVerdict:
        """Use up a code's step, once over all processes; `step` is None for a wrong code."""

        def look(database: Connection) -> CodeVerdict:
            # The change is numbered first, as every other write does, so that none waits for another in a circle.
            if step is not None and touch(database, user_id) and _use_up(database, authenticator_id, step, time_ns):
                return CodeVerdict.ACCEPTED
            if _count_miss(database, authenticator_id, time_ns, failures_max):
                return CodeVerdict.REFUSED
            there = select(MFA_AUTHENTICATORS.c.user_id).where(_is(authenticator_id))
            return CodeVerdict.GONE if database.scalar(there) is None else CodeVerdict.LOCKED

        def work(database: Connection) -> CodeVerdict:
            verdict = look(database)
            if audit is not None:
                write_audit(database, audit(verdict))
            return verdict

        taken: CodeVerdict = await self._run(only(user_id), work)
        return taken

    async def reset(self, user_id: str, audit: AuditRow) -> bool:
        """Remove a user's authenticator, end live trading with it, and tell the audit; False when there is none."""

        def work(database: Connection) -> bool:
            if not touch(database, user_id):
                return False
            gone = database.execute(delete(MFA_AUTHENTICATORS).where(MFA_AUTHENTICATORS.c.user_id == user_id))
            if not gone.rowcount:
                return False
            end_live(database, user_id)
            write_audit(database, audit)
            return True

        return bool(await self._run(these((user_id, audit.user_id)), work))

    async def unlock(self, user_id: str, audit: AuditRow) -> bool:
        """Let codes be looked at again, and tell the audit; False when there is no authenticator."""
        owned = MFA_AUTHENTICATORS.c.user_id == user_id
        change = update(MFA_AUTHENTICATORS).where(owned).values(failures=0, lock_time_ns=null())

        def work(database: Connection) -> bool:
            if not touch(database, user_id) or not database.execute(change).rowcount:
                return False
            write_audit(database, audit)
            return True

        return bool(await self._run(these((user_id, audit.user_id)), work))

    def _opened(self, row: Any) -> Authenticator:
        try:
            secret = self._seal.open(row.sealed_secret, place_of_seed(row.user_id, row.authenticator_id))
        except Sealed:
            raise GatewayError(
                Reason.MFA_NOT_ENROLLED, "the authenticator cannot be opened any more; an administrator must reset it"
            ) from None
        return Authenticator(
            user_id=row.user_id,
            authenticator_id=row.authenticator_id,
            secret=secret,
            enroll_time_ns=row.enroll_time_ns,
            confirm_time_ns=row.confirm_time_ns,
            last_step=row.last_step,
            code_time_ns=row.code_time_ns,
            failures=row.failures,
            lock_time_ns=row.lock_time_ns,
        )


def _use_up(database: Connection, authenticator_id: str, step: int, time_ns: int) -> bool:
    """Take a step if none as late was taken; of several who try at once the database lets one."""
    table = MFA_AUTHENTICATORS
    taken = (
        update(table)
        .where(_is(authenticator_id), table.c.last_step < step, table.c.lock_time_ns.is_(None))
        .values(
            last_step=step,
            code_time_ns=time_ns,
            failures=0,
            confirm_time_ns=case((table.c.confirm_time_ns.is_(None), time_ns), else_=table.c.confirm_time_ns),
        )
    )
    return database.execute(taken).rowcount == 1


def _count_miss(database: Connection, authenticator_id: str, time_ns: int, failures_max: int) -> bool:
    """Count a wrong code, and lock with the last that is allowed; False where it is locked already."""
    table = MFA_AUTHENTICATORS
    counted = (
        update(table)
        .where(_is(authenticator_id), table.c.lock_time_ns.is_(None))
        .values(
            failures=table.c.failures + 1,
            lock_time_ns=case((table.c.failures + 1 >= failures_max, time_ns), else_=null()),
        )
    )
    return database.execute(counted).rowcount == 1


def _is(authenticator_id: str) -> Any:
    return MFA_AUTHENTICATORS.c.authenticator_id == authenticator_id
