"""The connection directory over a SQL database, and the sealed credentials in it.

This is the one place where credentials are opened; each opening is on the audit with its purpose before they are used.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection as Database
from sqlalchemy import bindparam, delete, insert, literal, select, update

from brokergw.model.account import BrokerRevocation, Connection, Environment
from brokergw.model.events import AuditRow
from brokergw.model.oauth import TokenKind
from brokergw.model.whose import NOBODYS, Whose, everyone, only
from brokergw.ports.broker import Credentials
from brokergw.ports.clock import Clock
from brokergw.ports.directory import Destroyed
from brokergw.ports.vault import CredentialsMoved, Purpose
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.polls import Poll
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork, Work
from brokergw.store.identity.directory import insert_new, make_user_known
from brokergw.store.reading.numbering import last_change, next_change
from brokergw.store.risk.mode_changes import touch
from brokergw.store.separation.filters import rows_of
from brokergw.store.tables import ACCOUNTS, CONNECTIONS, CREDENTIALS, MODE_BINDINGS, OAUTH_GRANTS
from brokergw.store.vault.places import place_of_credential
from brokergw.store.vault.seal import Place, Seal, Sealed

_SUBJECT: Final = "connections"
_SESSIONS: Final = everyone(
    "sessions of all connections open at the start, and whoever holds a lease follows its broker"
)


class SqlConnectionDirectory:
    """Implements `ports.directory.ConnectionDirectory`.

    `record` puts a row on the audit. `run_grouped` writes with the orders' groups, `run` in a transaction that keeps
    none of them waiting.
    """

    def __init__(
        self,
        run_grouped: RunsWork,
        reader: Reader,
        seal: Seal,
        record: Callable[[AuditRow], None],
        clock: Clock,
        run: RunsWork,
    ) -> None:
        self._run_grouped = run_grouped
        self._run = run
        self._reader = reader
        self._seal = seal
        self._record = record
        self._clock = clock
        self._opened: dict[tuple[str, str], int] = {}

    async def add(self, connection: Connection, credentials: Credentials | None, audit: AuditRow | None = None) -> None:
        """Store a connection, its account and its sealed credentials; raises AlreadyThere for a known id."""
        work = self.adding(connection, credentials, audit)
        await insert_new(self._run_grouped, only(connection.user_id), work, "connection")

    def adding(self, connection: Connection, credentials: Credentials | None, audit: AuditRow | None = None) -> Work:
        """Give the write that stores a connection, for whoever has more to write with it."""
        version = 1 if credentials else 0
        sealed = self._sealed(connection, credentials or {}, version)
        later = {
            "credentials_version": version,
            "label": connection.label,
            "broker_revocation": connection.broker_revocation.value,
        }

        def work(database: Database) -> None:
            numbered = {"change": next_change(database, _SUBJECT)}
            make_user_known(database, connection.user_id, connection.create_time_ns)
            database.execute(insert(CONNECTIONS).values(_connection_row(connection) | later | numbered))
            database.execute(
                insert(ACCOUNTS).values(
                    user_id=connection.user_id,
                    account_id=connection.account_id,
                    connection_id=connection.connection_id,
                    last_sequence=0,
                )
            )
            if sealed:
                database.execute(insert(CREDENTIALS), sealed)
            if audit is not None:
                write_audit(database, audit)

        return work

    async def get(self, whose: Whose, connection_id: str) -> Connection | None:
        """Read one connection."""
        return await self._one(whose, CONNECTIONS.c.connection_id == connection_id)

    async def by_account(self, whose: Whose, account_id: str) -> Connection | None:
        """Read the connection that an account belongs to."""
        return await self._one(whose, ACCOUNTS.c.account_id == account_id)

    async def list(self, user_id: str | None = None) -> Sequence[Connection]:
        """List connections, oldest first; of every user when None."""
        wanted = _CONNECTIONS.order_by(CONNECTIONS.c.create_time_ns, CONNECTIONS.c.connection_id)
        if user_id is not None:
            wanted = wanted.where(CONNECTIONS.c.user_id == user_id)
        whose = _SESSIONS if user_id is None else only(user_id)
        rows = await self._reader.query(whose, lambda database: database.execute(wanted).all())
        return [_connection(row) for row in rows]

    async def changed(self, since: int) -> tuple[Sequence[Connection], int]:
        """List every user's connections that were made or changed after a change, and tell the latest change."""
        latest = await self._reader.poll(_LATEST)
        if since >= latest:
            return [], since
        rows = await self._reader.query(_SESSIONS, lambda database: database.execute(_CHANGED, {"since": since}).all())
        # A number may be taken and nothing changed; whoever has seen it has seen all before it.
        return [_connection(row) for row in rows], max(latest, rows[-1].change if rows else since)

    async def credentials(self, user_id: str, connection_id: str, purpose: Purpose) -> Credentials | None:
        """Open a connection's credentials, and tell the audit what for; raises `Sealed` when they do not open."""
        rows = await self._rows(user_id, connection_id)
        if any(row.version < self._opened.get((connection_id, row.field), 0) for row in rows):
            # What was read may be older than what another call has opened since; what is there now must not be.
            rows = await self._rows(user_id, connection_id)
        return self._opened_for(rows, purpose) if rows else None

    def _opened_for(self, rows: Sequence[Any], purpose: Purpose) -> Credentials:
        try:
            opened = {row.field: self._open(row) for row in rows}
        except Sealed as refusal:
            self._tell(rows, purpose, "REFUSED", refusal)
            raise
        self._tell(rows, purpose, "OK")
        return Credentials(**opened)

    async def put_credentials(
        self, connection: Connection, credentials: Credentials, audit: AuditRow | None = None
    ) -> Connection:
        """Seal fields anew, each as a higher version; fields that are not named stay, and so does a shown key.

        `connection` is what they are based on: raises CredentialsMoved when they have changed since, or were destroyed.
        """
        work = self.replacing(connection, credentials, audit)
        # Not with a group of orders: a rotation may have these rows for a moment, and orders do not wait for that.
        if not await self._run(only(connection.user_id), work):
            raise CredentialsMoved(connection.connection_id)
        changed = await self.get(only(connection.user_id), connection.connection_id)
        assert changed is not None
        return changed

    def replacing(self, connection: Connection, credentials: Credentials, audit: AuditRow | None = None) -> Work:
        """Give the write that replaces credentials, for whoever has more to write with it; it tells whether it did."""
        user_id, connection_id = connection.user_id, connection.connection_id
        version = connection.credentials_version + 1
        sealed = self._sealed(connection, credentials, version)
        shown = {"key_last_four": credentials.key_last_four} if "key" in credentials else {}
        unchanged = (
            CONNECTIONS.c.user_id == user_id,
            CONNECTIONS.c.connection_id == connection_id,
            CONNECTIONS.c.credentials_version == connection.credentials_version,
            CONNECTIONS.c.revoke_time_ns.is_(None),
        )

        def work(database: Database) -> bool:
            changes = {"change": next_change(database, _SUBJECT), "credentials_version": version, "has_key": True}
            raised = update(CONNECTIONS).where(*unchanged).values(**changes, **shown)
            if database.execute(raised).rowcount == 0:
                return False
            replaced = CREDENTIALS.c.field.in_(list(credentials))
            mine = (CREDENTIALS.c.user_id == user_id, CREDENTIALS.c.connection_id == connection_id)
            database.execute(delete(CREDENTIALS).where(*mine, replaced))
            database.execute(insert(CREDENTIALS), sealed)
            if audit is not None:
                write_audit(database, audit)
            return True

        return work

    async def set_label(self, user_id: str, connection_id: str, label: str, audit: AuditRow) -> bool:
        """Name a connection as its user wants it; False when there is none that is not revoked."""
        known = (CONNECTIONS.c.user_id == user_id, CONNECTIONS.c.connection_id == connection_id)
        change = update(CONNECTIONS).where(*known, CONNECTIONS.c.revoke_time_ns.is_(None))

        def work(database: Database) -> bool:
            numbered = change.values(label=label, change=next_change(database, _SUBJECT))
            if database.execute(numbered).rowcount == 0:
                return False
            write_audit(database, audit)
            return True

        return bool(await self._run_grouped(only(user_id), work))

    async def revoke(
        self,
        user_id: str,
        connection_id: str,
        time_ns: int,
        audit: AuditRow | None = None,
        *,
        at_broker: BrokerRevocation = BrokerRevocation.NOTHING,
    ) -> Destroyed | None:
        """Revoke a connection, destroy its credentials and end what is bound to its account; None when there is none.

        `at_broker` goes onto the record with it where there were tokens of OAuth. Done again it changes nothing, and
        the audit is told once.
        """
        known = (CONNECTIONS.c.user_id == user_id) & (CONNECTIONS.c.connection_id == connection_id)
        found = _CONNECTIONS.with_only_columns(ACCOUNTS.c.account_id, CONNECTIONS.c.broker).where(known)
        end = update(CONNECTIONS).where(known, CONNECTIONS.c.revoke_time_ns.is_(None))

        def work(database: Database) -> Sequence[Any] | None:
            there = database.execute(found).one_or_none()
            if there is None:
                return None
            # The changes are numbered first, as every other write of either does, so that none waits in a circle.
            touch(database, user_id)
            number = next_change(database, _SUBJECT)
            bound = (MODE_BINDINGS.c.user_id == user_id, MODE_BINDINGS.c.account_id == there.account_id)
            database.execute(delete(MODE_BINDINGS).where(*bound))
            gone = {"revoke_time_ns": time_ns, "has_key": False, "key_last_four": "", "change": number}
            ended = database.execute(end.values(gone)).rowcount
            secrets, grants = (
                delete(table).where(table.c.user_id == user_id, table.c.connection_id == connection_id)
                for table in (CREDENTIALS, OAUTH_GRANTS)
            )
            # What is destroyed is what was there last, whatever was refreshed while this waited for its turn.
            broker = literal(there.broker).label("broker")
            rows = database.execute(secrets.returning(*CREDENTIALS.columns, broker)).all()
            database.execute(grants)
            if _are_tokens(rows):
                database.execute(update(CONNECTIONS).where(known).values(broker_revocation=at_broker.value))
            if ended and audit is not None:
                write_audit(database, audit)
            return rows

        rows = await self._run(only(user_id), work)
        return None if rows is None else self._destroyed(rows)

    def _destroyed(self, rows: Sequence[Any]) -> Destroyed:
        """Open what is destroyed here and may live on elsewhere."""
        if not _are_tokens(rows):
            return Destroyed()
        try:
            return Destroyed(self._opened_for(rows, Purpose.REVOKE))
        except Sealed:
            return Destroyed(unreadable=True)

    async def note_broker_revocation(
        self, user_id: str, connection_id: str, outcome: BrokerRevocation, audit: AuditRow
    ) -> None:
        """Put on record what became of a connection's former tokens at the broker."""
        known = (CONNECTIONS.c.user_id == user_id, CONNECTIONS.c.connection_id == connection_id)

        def work(database: Database) -> None:
            number = next_change(database, _SUBJECT)
            database.execute(update(CONNECTIONS).where(*known).values(broker_revocation=outcome.value, change=number))
            write_audit(database, audit)

        await self._run(only(user_id), work)

    async def _one(self, whose: Whose, condition: Any) -> Connection | None:
        wanted = _CONNECTIONS.where(rows_of(whose, CONNECTIONS), condition)
        row = await self._reader.query(whose, lambda database: database.execute(wanted).one_or_none())
        return None if row is None else _connection(row)

    async def _rows(self, user_id: str, connection_id: str) -> Sequence[Any]:
        wanted = (
            select(CREDENTIALS, CONNECTIONS.c.broker)
            .join(CONNECTIONS, CREDENTIALS.c.connection_id == CONNECTIONS.c.connection_id)
            .where(
                CREDENTIALS.c.user_id == user_id,
                CONNECTIONS.c.user_id == user_id,
                CONNECTIONS.c.connection_id == connection_id,
            )
            .order_by(CREDENTIALS.c.field)
        )
        return await self._reader.query(only(user_id), lambda database: database.execute(wanted).all())

    def _open(self, row: Any) -> str:
        seen = (row.connection_id, row.field)
        if row.version < self._opened.get(seen, 0):
            raise Sealed(row.connection_id, "an older version was put back")
        value = self._seal.open(row.sealed, place_of_credential(row))
        self._opened[seen] = row.version
        return value

    def _tell(self, rows: Sequence[Any], purpose: Purpose, outcome: str, refusal: Sealed | None = None) -> None:
        versions = " ".join(f"{row.field}={row.version}" for row in rows)
        self._record(
            AuditRow(
                time_ns=self._clock.now_ns(),
                request_id="",
                user_id=rows[0].user_id,
                key_id="",
                action="vault.opened",
                outcome=outcome,
                reason="" if refusal is None else refusal.reason.value,
                detail=f"purpose={purpose.value} connection={rows[0].connection_id} versions: {versions}",
            )
        )

    def _sealed(
        self, connection: Connection, credentials: Mapping[str, str], version: int
    ) -> Sequence[Mapping[str, Any]]:
        user_id, connection_id = connection.user_id, connection.connection_id
        return [
            {
                "user_id": user_id,
                "connection_id": connection_id,
                "field": field,
                "sealed": self._seal.close(value, Place(user_id, connection_id, connection.broker, field, version)),
                "version": version,
            }
            for field, value in credentials.items()
        ]


_CONNECTIONS = select(CONNECTIONS, ACCOUNTS.c.account_id).join(
    ACCOUNTS, ACCOUNTS.c.connection_id == CONNECTIONS.c.connection_id
)
_CHANGED: Final = _CONNECTIONS.where(CONNECTIONS.c.change > bindparam("since")).order_by(
    CONNECTIONS.c.change, CONNECTIONS.c.connection_id
)
_LATEST: Final = Poll(NOBODYS, lambda database: last_change(database, _SUBJECT))


def _are_tokens(rows: Sequence[Any]) -> bool:
    return any(row.field == TokenKind.ACCESS.value for row in rows)


def _connection_row(connection: Connection) -> dict[str, Any]:
    return {
        "user_id": connection.user_id,
        "connection_id": connection.connection_id,
        "broker": connection.broker,
        "environment": connection.environment.value,
        "account_label": connection.account_label,
        "has_key": connection.has_key,
        "key_last_four": connection.key_last_four,
        "create_time_ns": connection.create_time_ns,
        "revoke_time_ns": connection.revoke_time_ns,
    }


def _connection(row: Any) -> Connection:
    return Connection(
        connection_id=row.connection_id,
        user_id=row.user_id,
        broker=row.broker,
        environment=Environment(row.environment),
        account_id=row.account_id,
        account_label=row.account_label,
        has_key=row.has_key,
        key_last_four=row.key_last_four,
        create_time_ns=row.create_time_ns,
        revoke_time_ns=row.revoke_time_ns,
        credentials_version=row.credentials_version,
        label=row.label,
        broker_revocation=BrokerRevocation(row.broker_revocation),
    )
