"""The directory of API keys over a SQL database, and what every directory begins with.

Directories write rarely, so their writes ride with the journal's next group; on SQLite there is then only ever one
writer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection as Database
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import ApiKey, Scope
from brokergw.store.group import Work
from brokergw.store.reader import Reader
from brokergw.store.tables import API_KEYS, USERS
from brokergw.store.writer import Writer


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
            make_user_known(database, key.user_id, key.create_time_ns)
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

        await insert_new(self._writer, work, "key")

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


async def insert_new(writer: Writer, work: Work, kind: str) -> None:
    """Write something that must not be there yet; raises AlreadyThere."""
    try:
        await writer.run(work)
    except IntegrityError:
        # The database's own words would show what is stored.
        raise AlreadyThere(kind) from None


def make_user_known(database: Database, user_id: str, time_ns: int) -> None:
    """Put a user on record, once."""
    known = database.scalar(select(USERS.c.user_id).where(USERS.c.user_id == user_id))
    if known is None:
        database.execute(insert(USERS).values(user_id=user_id, create_time_ns=time_ns))


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
