"""Which of the issuer's tokens are refused, over a SQL database."""

from sqlalchemy import Connection, delete, insert, select

from brokergw.model.events import AuditRow
from brokergw.model.whose import only
from brokergw.ports.identity import TokenStanding
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.identity.roles import roles_of
from brokergw.store.identity.version import note_change
from brokergw.store.tables import REVOKED_TOKENS


class SqlTokens:
    """Implements `ports.identity.TokenDirectory`."""

    def __init__(self, run: RunsWork, reader: Reader) -> None:
        self._run = run
        self._reader = reader

    async def standing(self, token_id: str, user_id: str) -> TokenStanding:
        """Tell whether a token was revoked, and which roles its user has, in one look."""

        def read(database: Connection) -> TokenStanding:
            return TokenStanding(_is_revoked(database, token_id), roles_of(database, user_id))

        return await self._reader.query(only(user_id), read, at_one_moment=True)

    async def revoke(self, token_id: str, time_ns: int, keep_until_ns: int, audit: AuditRow) -> None:
        """Refuse a token until a time; forgets those whose time has come."""

        def work(database: Connection) -> None:
            note_change(database)
            database.execute(delete(REVOKED_TOKENS).where(REVOKED_TOKENS.c.keep_until_ns <= time_ns))
            if not _is_revoked(database, token_id):
                row = {"token_id": token_id, "revoke_time_ns": time_ns, "keep_until_ns": keep_until_ns}
                database.execute(insert(REVOKED_TOKENS).values({**row, "revoked_by": audit.user_id}))
            write_audit(database, audit)

        await self._run(only(audit.user_id), work)


def _is_revoked(database: Connection, token_id: str) -> bool:
    return database.scalar(select(REVOKED_TOKENS.c.token_id).where(REVOKED_TOKENS.c.token_id == token_id)) is not None
