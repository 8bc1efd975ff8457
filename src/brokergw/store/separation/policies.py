"""Row security on PostgreSQL: which rows a transaction finds, changes and adds, by what it was told it works for.

Policies belong to no revision. Each upgrade sees which of the tables that there are by then lack theirs, or have an
older one, and brings them in; each start sees the same and serves only where nothing is missing.

The settings are read once for each statement, since a plan runs a subquery that depends on nothing but once. Without
them, and with empty ones, nothing is anybody's; a text that is no array makes the statement fail.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, Table, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from brokergw.store.separation.rows import APPENDED_BY_ALL, user_tables
from brokergw.store.tables import METADATA, ONLY_ADDED, ORDER_EDGES

_OWN: Final = """(SELECT current_setting('brokergw.everyone', true) = 'on')
 OR user_id = ANY ((SELECT nullif(current_setting('brokergw.users', true), '')::text[])::text[])"""
_NOBODYS: Final = "user_id = ''"
_GUARDED: Final = text("""
SELECT c.relname FROM pg_class c
JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'brokergw_own_rows'
WHERE c.oid = ANY (SELECT to_regclass(name) FROM unnest(:tables) AS wanted(name))
 AND c.relrowsecurity AND c.relforcerowsecurity AND obj_description(p.oid, 'pg_policy') = :print
 AND (SELECT count(*) FROM pg_policy others WHERE others.polrelid = c.oid)
   = CASE WHEN c.relname = ANY (:appended) THEN 2 ELSE 1 END
""").bindparams(bindparam("tables", type_=ARRAY(Text)), bindparam("appended", type_=ARRAY(Text)))


def unguarded(database: Connection) -> Sequence[Table]:
    """Give the users' tables whose rows are not separated as this version wants it; SQLite cannot."""
    if database.dialect.name == "sqlite":
        return ()
    values = {
        "tables": [table.name for table in user_tables()],
        "appended": [table.name for table in APPENDED_BY_ALL],
        "print": _print(),
    }
    guarded = set(database.scalars(_GUARDED, values))
    return [table for table in user_tables() if table.name not in guarded]


def guard(database: Connection) -> None:
    """Bring in what is missing."""
    for table in unguarded(database):
        for statement in _statements(table):
            database.execute(text(statement))


def grant(database: Connection, role: str) -> None:
    """Let a role do with the tables what serving needs, and no more."""
    for statement in _grants(_quoted(database, role)):
        database.execute(text(statement))


def _statements(table: Table) -> Iterator[str]:
    name = table.name
    yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"
    yield f"DROP POLICY IF EXISTS brokergw_own_rows ON {name}"
    yield f"CREATE POLICY brokergw_own_rows ON {name} USING ({_OWN}) WITH CHECK ({_OWN})"
    yield f"COMMENT ON POLICY brokergw_own_rows ON {name} IS '{_print()}'"
    if table in APPENDED_BY_ALL:
        yield f"DROP POLICY IF EXISTS brokergw_nobodys_rows ON {name}"
        yield f"CREATE POLICY brokergw_nobodys_rows ON {name} FOR INSERT WITH CHECK ({_NOBODYS})"


def _grants(role: str) -> Iterator[str]:
    yield f"GRANT SELECT ON alembic_version TO {role}"
    for table in METADATA.sorted_tables:
        rights = "SELECT, INSERT, UPDATE, DELETE"
        if table is ORDER_EDGES:
            rights = "SELECT"
        elif table in ONLY_ADDED:
            rights = "SELECT, INSERT"
        yield f"REVOKE ALL ON {table.name} FROM {role}"
        yield f"GRANT {rights} ON {table.name} TO {role}"


def _quoted(database: Connection, name: str) -> str:
    return str(database.scalar(select(text("quote_ident(:name)")).params(name=name)))


def _print() -> str:
    return hashlib.sha256(f"{_OWN}\n{_NOBODYS}".encode()).hexdigest()[:16]
