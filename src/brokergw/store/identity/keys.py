"""API keys over a SQL database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, or_, select, update

from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.principal import ApiKey, Role, Scope
from brokergw.model.whose import NOBODYS, Whose, everyone, only, these
from brokergw.ports.identity import Use
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.polls import Poll
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.identity.directory import insert_new, make_user_known
from brokergw.store.identity.roles import any_admin, grant_roles
from brokergw.store.identity.version import note_change, read_version
from brokergw.store.separation.filters import rows_of
from brokergw.store.tables import API_KEYS, USER_ROLES

_BY_HASH: Final = everyone("who is calling is what the look-up by a key's hash tells")
_HOLDERS: Final = everyone("who may use the kill switch is known before the database is away, whoever it is")
_LISTED: Final = everyone("an operator lists all keys")
_NAMED: Final = everyone("a key is named by its own id alone, by operators and by the look-up that found it")
_FIRST: Final = everyone("whether there is an administrator yet is asked of all users")
_VERSION: Final = Poll(NOBODYS, read_version)
_KEYS: Final = select(API_KEYS, USER_ROLES.c.role).outerjoin(USER_ROLES, USER_ROLES.c.user_id == API_KEYS.c.user_id)
"""Every key once for each role of its user beyond USER; whether there is a key or not, one statement tells."""

# Asked about once a second for each key in use, so it is put together once.
_OF_HASH: Final = _KEYS.where(or_(API_KEYS.c.key_hash == bindparam("hash"), API_KEYS.c.old_hash == bindparam("hash")))


class SqlKeyDirectory:
    """Implements `ports.identity.KeyDirectory`."""

    def __init__(self, run: RunsWork, reader: Reader) -> None:
        self._run = run
        self._reader = reader

    async def version(self) -> str:
        """Give a text that differs after every change of who may do what."""
        return await self._reader.poll(_VERSION)

    async def add(self, key: ApiKey, key_hash: str, audit: AuditRow | None = None, *, live_max: int = 0) -> None:
        """Store a new key, its user if need be, and the user's roles; raises API_KEYS_EXCEED_LIMIT."""

        def work(database: Connection) -> None:
            if live_max and _usable(database, key.user_id, key.create_time_ns) >= live_max:
                raise GatewayError(
                    Reason.API_KEYS_EXCEED_LIMIT,
                    f"a user may have {live_max} usable keys",
                    metadata={"limit": str(live_max)},
                )
            _insert(database, key, key_hash, audit)

        whose = these((key.user_id, key.user_id if audit is None else audit.user_id))
        await insert_new(self._run, whose, work, "key")

    async def add_first_admin(self, key: ApiKey, key_hash: str, audit: AuditRow) -> bool:
        """Store a key unless there is an administrator already; False then."""

        def work(database: Connection) -> bool:
            # Changing the version first, two processes cannot both find that there is nobody.
            note_change(database)
            if any_admin(database):
                return False
            _insert(database, key, key_hash, audit)
            return True

        return bool(await insert_new(self._run, _FIRST, work, "key"))

    async def by_hash(self, key_hash: str) -> ApiKey | None:
        """Find the key behind a hash of its present or its last secret, also when it is revoked or expired."""
        asked = {"hash": key_hash}
        rows = await self._reader.query(_BY_HASH, lambda database: database.execute(_OF_HASH, asked).all())
        if not rows:
            return None
        (key,) = _keys(rows)
        return key if rows[0].key_hash == key_hash else replace(key, by_old_secret=True)

    async def get(self, key_id: str, user_id: str | None = None) -> ApiKey | None:
        """Find a key by its id, of one user or of any."""
        named = API_KEYS.c.key_id == key_id
        if user_id is None:
            keys = await self._found(_NAMED, named)
        else:
            keys = await self._found(only(user_id), named, API_KEYS.c.user_id == user_id)
        return keys[0] if keys else None

    async def holders(self, scope: Scope) -> Mapping[str, ApiKey]:
        """Give the keys that have a scope and are not revoked, by their hashes."""
        return await self._reader.poll(_holders_of(scope))

    async def list(self, user_id: str | None = None) -> Sequence[ApiKey]:
        """List keys, newest first."""
        whose = _LISTED if user_id is None else only(user_id)
        return await self._found(whose, rows_of(whose, API_KEYS))

    async def revoke(self, key_id: str, time_ns: int, audit: AuditRow | None = None) -> bool:
        """Revoke a key, once: its first time stays; False when there is none."""

        def work(database: Connection) -> bool:
            there = database.scalar(select(API_KEYS.c.key_id).where(API_KEYS.c.key_id == key_id)) is not None
            live = API_KEYS.c.key_id == key_id, API_KEYS.c.revoke_time_ns.is_(None)
            database.execute(update(API_KEYS).where(*live).values(revoke_time_ns=time_ns))
            note_change(database)
            if audit is not None:
                write_audit(database, audit)
            return there

        return bool(await self._run(_NAMED, work))

    async def rotate(self, key_id: str, key_hash: str, old_until_ns: int, audit: AuditRow | None = None) -> bool:
        """Give a key another secret; False when there is no such key, or it is revoked."""

        def work(database: Connection) -> bool:
            live = API_KEYS.c.key_id == key_id, API_KEYS.c.revoke_time_ns.is_(None)
            after = {"key_hash": key_hash, "old_hash": API_KEYS.c.key_hash, "old_until_ns": old_until_ns}
            if not database.execute(update(API_KEYS).where(*live).values(after)).rowcount:
                return False
            note_change(database)
            if audit is not None:
                write_audit(database, audit)
            return True

        return bool(await self._run(_NAMED, work))

    async def touch(self, uses: Mapping[str, Use]) -> None:
        """Note when keys were last used."""

        def work(database: Connection) -> None:
            for key_id, use in uses.items():
                used = {"last_used_time_ns": use.time_ns, "last_used_address": use.address}
                database.execute(update(API_KEYS).where(API_KEYS.c.key_id == key_id).values(used))

        await self._run(_NAMED, work)

    async def _found(self, whose: Whose, *conditions: ColumnElement[bool]) -> Sequence[ApiKey]:
        newest = API_KEYS.c.create_time_ns.desc(), API_KEYS.c.key_id.desc()
        wanted = _KEYS.where(*conditions).order_by(*newest)
        return _keys(await self._reader.query(whose, lambda database: database.execute(wanted).all()))


@cache
def _holders_of(scope: Scope) -> Poll[Mapping[str, ApiKey]]:
    wanted = _KEYS.where(API_KEYS.c.revoke_time_ns.is_(None), API_KEYS.c.scopes.contains(scope.value, autoescape=True))

    def read(database: Connection) -> Mapping[str, ApiKey]:
        rows = database.execute(wanted).all()
        hashes = {row.key_id: row.key_hash for row in rows}
        return {hashes[key.key_id]: key for key in _keys(rows) if scope in key.scopes}

    return Poll(_HOLDERS, read)


def _insert(database: Connection, key: ApiKey, key_hash: str, audit: AuditRow | None) -> None:
    make_user_known(database, key.user_id, key.create_time_ns)
    grant_roles(database, key.user_id, key.roles, key.create_time_ns, audit.user_id if audit is not None else "")
    database.execute(insert(API_KEYS).values({**_row(key), "key_hash": key_hash}))
    note_change(database)
    if audit is not None:
        write_audit(database, audit)


def _usable(database: Connection, user_id: str, now_ns: int) -> int:
    live = (
        API_KEYS.c.user_id == user_id,
        API_KEYS.c.revoke_time_ns.is_(None),
        or_(API_KEYS.c.expire_time_ns.is_(None), API_KEYS.c.expire_time_ns > now_ns),
    )
    return database.scalar(select(func.count()).select_from(API_KEYS).where(*live)) or 0


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "user_id": key.user_id,
        "key_id": key.key_id,
        "name": key.name,
        "scopes": " ".join(sorted(key.scopes)),
        "create_time_ns": key.create_time_ns,
        "expire_time_ns": key.expire_time_ns,
        "revoke_time_ns": key.revoke_time_ns,
        "last_used_time_ns": key.last_used_time_ns,
        "last_used_address": key.last_used_address,
        "accounts": None if key.accounts is None else " ".join(sorted(key.accounts)),
        "mode_max": key.mode_max.value,
        "addresses": " ".join(key.addresses),
        "old_until_ns": key.old_secret_until_ns,
    }


def _keys(rows: Iterable[Any]) -> list[ApiKey]:
    """Put the rows of each key together; they come one for each role of its user."""
    found: dict[str, ApiKey] = {}
    for row in rows:
        key = found.get(row.key_id) or _key(row)
        found[row.key_id] = key if row.role is None else replace(key, roles=key.roles | {Role(row.role)})
    return list(found.values())


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
        last_used_address=row.last_used_address,
        accounts=None if row.accounts is None else frozenset(row.accounts.split()),
        mode_max=Environment(row.mode_max),
        addresses=tuple(row.addresses.split()),
        old_secret_until_ns=row.old_until_ns,
    )
