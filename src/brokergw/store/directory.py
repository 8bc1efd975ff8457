"""The key and connection directories over a SQL database.

They write rarely, so their writes ride with the journal's next group; on SQLite there is then only ever one writer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection as Database
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from brokergw.model.account import Connection, Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import ApiKey, Scope
from brokergw.ports.broker import Credentials
from brokergw.store.group import Work
from brokergw.store.reader import Reader
from brokergw.store.seal import Place, Seal
from brokergw.store.tables import ACCOUNTS, API_KEYS, CONNECTIONS, CREDENTIALS, USERS
from brokergw.store.writer import Writer

_KEY = "key"
_SECRET = "secret"  # noqa: S105 - the name of a field, not what is in it


class AlreadyThere(GatewayError):
    """Something with this id exists."""

    def __init__(self, kind: str) -> None:
        super().__init__(Reason.INTERNAL_ERROR, f"this {kind} exists already", metadata={"kind": kind})


class SqlKeyDirectory:
    """Implements `ports.directory.KeyDirectory`."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def add(self, key: ApiKey, key_hash: str) -> None:
        """Store a new key and, if need be, its user; raises AlreadyThere for a known id or hash."""

        def work(database: Database) -> None:
            _make_user_known(database, key.user_id, key.create_time_ns)
            database.execute(
                insert(API_KEYS).values(
                    user_id=key.user_id,
                    key_id=key.key_id,
                    key_hash=key_hash,
                    name=key.name,
                    scopes=" ".join(sorted(key.scopes)),
                    create_time_ns=key.create_time_ns,
                    expire_time_ns=key.expire_time_ns,
                    revoke_time_ns=key.revoke_time_ns,
                    last_used_time_ns=key.last_used_time_ns,
                )
            )

        await _insert(self._writer, work, "key")

    async def by_hash(self, key_hash: str) -> ApiKey | None:
        """Find the key behind a hash, also when it is revoked or expired."""
        wanted = select(API_KEYS).where(API_KEYS.c.key_hash == key_hash)
        row = await self._reader.query(lambda database: database.execute(wanted).one_or_none())
        return None if row is None else _key(row)

    async def holders(self, scope: Scope) -> Mapping[str, ApiKey]:
        """Give the keys that have a scope and are not revoked, by their hashes."""
        wanted = select(API_KEYS).where(
            API_KEYS.c.revoke_time_ns.is_(None), API_KEYS.c.scopes.contains(scope.value, autoescape=True)
        )
        rows = await self._reader.query(lambda database: database.execute(wanted).all())
        return {row.key_hash: key for row in rows if scope in (key := _key(row)).scopes}

    async def list(self, user_id: str | None = None) -> Sequence[ApiKey]:
        """List keys, newest first."""
        wanted = select(API_KEYS).order_by(API_KEYS.c.create_time_ns.desc(), API_KEYS.c.key_id.desc())
        if user_id is not None:
            wanted = wanted.where(API_KEYS.c.user_id == user_id)
        rows = await self._reader.query(lambda database: database.execute(wanted).all())
        return [_key(row) for row in rows]

    async def revoke(self, key_id: str, time_ns: int) -> bool:
        """Revoke a key, once: its first time stays; False when there is none."""

        def work(database: Database) -> bool:
            there = database.scalar(select(API_KEYS.c.key_id).where(API_KEYS.c.key_id == key_id)) is not None
            database.execute(
                update(API_KEYS)
                .where(API_KEYS.c.key_id == key_id, API_KEYS.c.revoke_time_ns.is_(None))
                .values(revoke_time_ns=time_ns)
            )
            return there

        return bool(await self._writer.run(work))

    async def touch(self, key_id: str, time_ns: int) -> None:
        """Note that a key was used."""
        change = update(API_KEYS).where(API_KEYS.c.key_id == key_id).values(last_used_time_ns=time_ns)

        def work(database: Database) -> None:
            database.execute(change)

        await self._writer.run(work)


class SqlConnectionDirectory:
    """Implements `ports.directory.ConnectionDirectory`."""

    def __init__(self, writer: Writer, reader: Reader, seal: Seal) -> None:
        self._writer = writer
        self._reader = reader
        self._seal = seal

    async def add(self, connection: Connection, credentials: Credentials | None) -> None:
        """Store a connection, its account and its sealed credentials; raises AlreadyThere for a known id."""
        sealed = [] if credentials is None else _sealed(self._seal, connection, credentials)

        def work(database: Database) -> None:
            _make_user_known(database, connection.user_id, connection.create_time_ns)
            database.execute(insert(CONNECTIONS).values(_connection_row(connection)))
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

        await _insert(self._writer, work, "connection")

    async def get(self, connection_id: str) -> Connection | None:
        """Read one connection."""
        return await self._one(CONNECTIONS.c.connection_id == connection_id)

    async def by_account(self, account_id: str) -> Connection | None:
        """Read the connection that an account belongs to."""
        return await self._one(ACCOUNTS.c.account_id == account_id)

    async def list(self, user_id: str | None = None) -> Sequence[Connection]:
        """List connections, oldest first; of every user when None."""
        wanted = _CONNECTIONS.order_by(CONNECTIONS.c.create_time_ns, CONNECTIONS.c.connection_id)
        if user_id is not None:
            wanted = wanted.where(CONNECTIONS.c.user_id == user_id)
        rows = await self._reader.query(lambda database: database.execute(wanted).all())
        return [_connection(row) for row in rows]

    async def credentials(self, connection_id: str) -> Credentials | None:
        """Unseal a connection's credentials; raises `seal.Sealed` when they do not open."""
        wanted = (
            select(CONNECTIONS.c.user_id, CONNECTIONS.c.broker, CREDENTIALS.c.field, CREDENTIALS.c.sealed)
            .join(CREDENTIALS, CREDENTIALS.c.connection_id == CONNECTIONS.c.connection_id)
            .where(CONNECTIONS.c.connection_id == connection_id)
        )
        rows = await self._reader.query(lambda database: database.execute(wanted).all())
        opened = {
            field: self._seal.open(sealed, Place(user_id, connection_id, broker, field))
            for user_id, broker, field, sealed in rows
        }
        return Credentials(opened[_KEY], opened[_SECRET]) if opened else None

    async def revoke(self, connection_id: str, time_ns: int) -> bool:
        """Revoke a connection and destroy its credentials; False when there is none."""

        def work(database: Database) -> bool:
            known = CONNECTIONS.c.connection_id == connection_id
            there = database.scalar(select(CONNECTIONS.c.connection_id).where(known)) is not None
            database.execute(delete(CREDENTIALS).where(CREDENTIALS.c.connection_id == connection_id))
            database.execute(
                update(CONNECTIONS)
                .where(known, CONNECTIONS.c.revoke_time_ns.is_(None))
                .values(revoke_time_ns=time_ns, has_key=False, key_last_four="")
            )
            return there

        return bool(await self._writer.run(work))

    async def _one(self, condition: Any) -> Connection | None:
        wanted = _CONNECTIONS.where(condition)
        row = await self._reader.query(lambda database: database.execute(wanted).one_or_none())
        return None if row is None else _connection(row)


_CONNECTIONS = select(CONNECTIONS, ACCOUNTS.c.account_id).join(
    ACCOUNTS, ACCOUNTS.c.connection_id == CONNECTIONS.c.connection_id
)


async def _insert(writer: Writer, work: Work, kind: str) -> None:
    try:
        await writer.run(work)
    except IntegrityError:
        # The database's own words would show what is stored.
        raise AlreadyThere(kind) from None


def _sealed(seal: Seal, connection: Connection, credentials: Credentials) -> list[dict[str, str]]:
    return [
        {
            "user_id": connection.user_id,
            "connection_id": connection.connection_id,
            "field": field,
            "sealed": seal.close(value, Place(connection.user_id, connection.connection_id, connection.broker, field)),
        }
        for field, value in ((_KEY, credentials.key), (_SECRET, credentials.secret))
    ]


def _make_user_known(database: Database, user_id: str, time_ns: int) -> None:
    known = database.scalar(select(USERS.c.user_id).where(USERS.c.user_id == user_id))
    if known is None:
        database.execute(insert(USERS).values(user_id=user_id, create_time_ns=time_ns))


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


def _key(row: Any) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        user_id=row.user_id,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes.split())),
        create_time_ns=row.create_time_ns,
        expire_time_ns=row.expire_time_ns,
        revoke_time_ns=row.revoke_time_ns,
        last_used_time_ns=row.last_used_time_ns,
    )


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
    )
