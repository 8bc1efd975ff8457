"""Grants over a SQL database: one process at a time refreshes one, and its tokens and its row change in one commit.

A claim is a few columns of the grant's row. It is durable before the refresh is sent, so that whoever comes after a
process that died knows that the present refresh token may have been used; and it runs out by the database's clock.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, cast, delete, func, insert, literal, null, or_, select, update
from sqlalchemy import Connection as Database

from brokergw.model.account import Connection
from brokergw.model.events import AuditRow
from brokergw.model.oauth import SECOND_NS, Grant, GrantState
from brokergw.model.whose import everyone, only
from brokergw.ports.broker import Credentials
from brokergw.ports.clock import Clock
from brokergw.ports.oauth import Claim
from brokergw.ports.vault import CredentialsMoved
from brokergw.store.audit.chain import write_audit
from brokergw.store.connections.directory import SqlConnectionDirectory
from brokergw.store.database.polls import Poll
from brokergw.store.database.reader import Reader
from brokergw.store.identity.directory import insert_new
from brokergw.store.tables import OAUTH_GRANTS
from brokergw.store.writing.writer import Writer

_WATCHED: Final = everyone("whoever holds a connection keeps its tokens good, and each process hears of new ones")


class SqlGrants:
    """Implements `ports.oauth.GrantBook`. `shared` says that other processes write too, by the database's clock."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        directory: SqlConnectionDirectory,
        clock: Clock,
        instance_id: str,
        *,
        shared: bool,
    ) -> None:
        self._run = writer.run
        self._reader = reader
        self._directory = directory
        self._clock = clock
        self._instance_id = instance_id
        self._shared = shared

    async def get(self, user_id: str, connection_id: str) -> Grant | None:
        """Read one grant."""
        wanted = select(OAUTH_GRANTS).where(*_is(user_id, connection_id))
        row = await self._reader.query(only(user_id), lambda database: database.execute(wanted).one_or_none())
        return None if row is None else _grant(row)

    async def all(self) -> Sequence[Grant]:
        """Read every user's grants."""
        return await self._reader.poll(_ALL)

    async def open(self, connection: Connection, credentials: Credentials, grant: Grant) -> None:
        """Store a new connection with its credentials and its grant."""
        adding = self._directory.adding(connection, credentials)

        def work(database: Database) -> None:
            adding(database)
            database.execute(insert(OAUTH_GRANTS).values(_row(replace(grant, version=1))))
            write_audit(database, self._told(grant, "oauth.authorized", "OK"))

        await insert_new(self._run, only(connection.user_id), work, "connection")

    async def replace(
        self, connection: Connection, credentials: Credentials, grant: Grant, *, since: int | None
    ) -> Connection:
        """Replace a connection's credentials and its grant; raises CredentialsMoved."""
        replacing = self._directory.replacing(connection, credentials)
        after = replace(grant, version=connection.credentials_version + 1)
        former = [*_is(grant.user_id, grant.connection_id)]
        if since is not None:
            former.append(OAUTH_GRANTS.c.version == since)

        def work(database: Database) -> None:
            # The connection first, as a revocation has it, so that neither waits in a circle.
            replaced = replacing(database)
            ended = delete(OAUTH_GRANTS).where(*former).returning(OAUTH_GRANTS.c.told_end_time_ns)
            gone = database.execute(ended).one_or_none()
            if not replaced or (since is not None and gone is None):
                raise CredentialsMoved(connection.connection_id)
            # Of a login's end that was told while its token was renewed nobody hears again.
            told_end = None if since is None or gone is None else gone.told_end_time_ns
            database.execute(insert(OAUTH_GRANTS).values(_row(after) | {"told_end_time_ns": told_end}))
            write_audit(database, self._told(after, "oauth.authorized" if since is None else "oauth.refreshed", "OK"))

        await self._run(only(connection.user_id), work)
        return replace(connection, credentials_version=after.version, has_key=True)

    async def claim(self, user_id: str, connection_id: str, version: int, life_s: float) -> Claim | None:
        """Claim the refresh of a grant's present token, and count the try."""
        asked_at = self._clock.monotonic()
        now = self._now()
        end = now + round(life_s * SECOND_NS)
        free = or_(
            OAUTH_GRANTS.c.claim_end_time_ns.is_(None),
            OAUTH_GRANTS.c.claim_end_time_ns <= now,
            # Within a process there is one at a time: this is its own write, run again.
            OAUTH_GRANTS.c.holder == self._instance_id,
        )
        present = (OAUTH_GRANTS.c.version == version, OAUTH_GRANTS.c.state == GrantState.ACTIVE.value)
        claimed = (
            update(OAUTH_GRANTS)
            .where(*_is(user_id, connection_id), *present, free)
            .values(holder=self._instance_id, claim_end_time_ns=end, tries=OAUTH_GRANTS.c.tries + 1)
            .returning(*OAUTH_GRANTS.columns)
        )
        row = await self._run(only(user_id), lambda database: database.execute(claimed).one_or_none())
        if row is None:
            return None
        return Claim(grant=_grant(row), holder=self._instance_id, asked_at=asked_at, life_s=life_s)

    async def release(self, claim: Claim, grant: Grant) -> None:
        """Give a claim up and write what its grant came to; nothing where it has moved on."""
        held = (OAUTH_GRANTS.c.version == claim.grant.version, OAUTH_GRANTS.c.holder == claim.holder)
        released = update(OAUTH_GRANTS).where(*_is(grant.user_id, grant.connection_id), *held).values(_row(grant))
        told = self._told(grant, "oauth.refreshed", "FAILED" if grant.active else "REFUSED")

        def work(database: Database) -> None:
            if database.execute(released).rowcount:
                write_audit(database, told)

        await self._run(only(grant.user_id), work)

    async def warned(self, grant: Grant, end_time_ns: int) -> bool:
        """Note that a person is being told of an end ahead; False when one was told, or it is the grant's no more."""
        row = OAUTH_GRANTS.c
        untold = or_(row.told_end_time_ns.is_(None), row.told_end_time_ns != end_time_ns)
        ahead = or_(row.end_time_ns == end_time_ns, row.access_end_time_ns == end_time_ns)
        noted = update(OAUTH_GRANTS).where(*_is(grant.user_id, grant.connection_id), untold, ahead)
        noted = noted.values(told_end_time_ns=end_time_ns)
        done = await self._run(only(grant.user_id), lambda database: database.execute(noted).rowcount)
        return bool(done)

    def _told(self, grant: Grant, action: str, outcome: str) -> AuditRow:
        """Write down what became of a grant."""
        return AuditRow(
            time_ns=self._clock.now_ns(),
            request_id="",
            user_id=grant.user_id,
            key_id="",
            action=action,
            outcome=outcome,
            detail=" ".join((f"connection={grant.connection_id} version={grant.version}", grant.detail)).strip(),
        )

    def _now(self) -> ColumnElement[int]:
        if not self._shared:
            return literal(self._clock.now_ns(), BigInteger)
        return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000_000, BigInteger)


def _is(user_id: str, connection_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return OAUTH_GRANTS.c.user_id == user_id, OAUTH_GRANTS.c.connection_id == connection_id


def _row(grant: Grant) -> dict[str, Any]:
    """Write a grant's row, claimed by nobody. Which end a person was told of is not for who has read it to write."""
    return {
        "user_id": grant.user_id,
        "connection_id": grant.connection_id,
        "version": grant.version,
        "state": grant.state.value,
        "detail": grant.detail,
        "scope": grant.scope,
        "authorize_time_ns": grant.authorize_time_ns,
        "access_end_time_ns": grant.access_end_time_ns,
        "refresh_time_ns": grant.refresh_time_ns,
        "end_time_ns": grant.end_time_ns,
        "tries": grant.tries,
        "holder": "",
        "claim_end_time_ns": null(),
    }


def _grant(row: Any) -> Grant:
    return Grant(
        connection_id=row.connection_id,
        user_id=row.user_id,
        version=row.version,
        authorize_time_ns=row.authorize_time_ns,
        access_end_time_ns=row.access_end_time_ns,
        refresh_time_ns=row.refresh_time_ns,
        end_time_ns=row.end_time_ns,
        state=GrantState(row.state),
        detail=row.detail,
        scope=row.scope,
        tries=row.tries,
        told_end_time_ns=row.told_end_time_ns,
    )


_EVERY: Final = select(OAUTH_GRANTS)
_ALL: Final[Poll[Sequence[Grant]]] = Poll(_WATCHED, lambda database: tuple(map(_grant, database.execute(_EVERY))))
"""Asked every second."""
