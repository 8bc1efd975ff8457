"""The two roles on PostgreSQL: the owner of the tables, who upgrades them, and the one that serves, who owns nothing.

Row security does not bind superusers and roles that bypass it, and an owner may take it away. So a process serves only
where its role is neither of these, nor a member of one that is; and only where every table is separated.
"""

import os
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL

from brokergw.store.separation.policies import grant, guard, unguarded

_HELP: Final = (
    "serve with a role of its own (docs/separation.md): BROKERGW_DATABASE_URL names it, and the owner's URL is"
)
_ADVICE: Final = f"{_HELP} BROKERGW_DATABASE_OWNER_URL, for `brokergw db upgrade` alone"
_ABOVE: Final = text("""
SELECT r.rolname, r.rolsuper, r.rolbypassrls FROM pg_roles r
WHERE (r.rolsuper OR r.rolbypassrls) AND pg_has_role(current_user, r.oid, 'MEMBER')
ORDER BY r.rolname = current_user DESC, r.rolname LIMIT 1
""")
_OWNED: Final = text("""
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('store_meta'))
 AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND pg_has_role(current_user, c.relowner, 'MEMBER')
ORDER BY c.relname LIMIT 1
""")
_KNOWN: Final = text("SELECT 1 FROM pg_roles WHERE rolname = :name")


class NotSeparated(RuntimeError):
    """The database does not keep users apart; nothing is served from it. The message says what to do."""


def require_separated(engine: Engine) -> None:
    """Raise NotSeparated unless the database keeps users apart from this very role; SQLite has no roles."""
    if engine.dialect.name == "sqlite":
        return
    with engine.connect() as connection:
        above = connection.execute(_ABOVE).one_or_none()
        if above is not None:
            kind = "a superuser" if above.rolsuper else "exempt from row security"
            raise NotSeparated(
                f"the database role {above.rolname}, which this process may act as, is {kind}: {_ADVICE}"
            )
        owned = connection.scalar(_OWNED)
        if owned is not None:
            raise NotSeparated(f"the database role of this process may act as the owner of {owned}: {_ADVICE}")
        open_to_all = unguarded(connection)
        if open_to_all:
            raise NotSeparated(
                f"the rows of {open_to_all[0].name} are not separated by user: run `brokergw db upgrade`"
            )


def work_for_everyone(database: Connection) -> None:
    """Let an upgrade find every row, also where the owner is bound by row security as everybody else."""
    if database.dialect.name != "sqlite":
        database.execute(text("SELECT set_config('brokergw.everyone', 'on', true)"))


def separate(database: Connection, serving: URL) -> None:
    """Guard the tables, and let the role of a URL serve from them; it is made where it is not there yet.

    Where the URL names the owner itself nothing is granted: a process that tries to serve says so.
    """
    if database.dialect.name == "sqlite":
        return
    guard(database)
    role = serving.username or os.environ.get("PGUSER", "")
    if not role:
        raise NotSeparated("the database's URL names no user to serve as")
    if role == database.scalar(text("SELECT current_user")):
        return
    if database.scalar(_KNOWN, {"name": role}) is None:
        _make(database, role, serving)
    grant(database, role)


def _make(database: Connection, role: str, serving: URL) -> None:
    driver: Any = database.connection.driver_connection
    name, secret = _escaped(driver, role), ""
    password = serving.password or os.environ.get("PGPASSWORD", "")
    if password:
        # What is sent is a verifier already, which the server's log may show.
        hashed = driver.pgconn.encrypt_password(str(password).encode(), role.encode(), b"scram-sha-256")
        secret = f" PASSWORD '{hashed.decode()}'"
    database.exec_driver_sql(f"CREATE ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE{secret}")


def _escaped(driver: Any, name: str) -> str:
    from psycopg.pq import Escaping  # noqa: PLC0415 - a SQLite store does not need the driver

    quoted: bytes = Escaping(driver.pgconn).escape_identifier(name.encode())
    return quoted.decode()
