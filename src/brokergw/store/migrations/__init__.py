"""Bringing a database's tables to this version, by alembic; the revisions ship inside the package."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text, update
from sqlalchemy.engine import URL

from brokergw.model.ids import new_id
from brokergw.store.separation.roles import separate, work_for_everyone
from brokergw.store.sql.edges import legal_moves, record_moves, recorded_moves
from brokergw.store.tables import META

_EPOCH: Final = "epoch"
_LOCK: Final = 0x62726F6B
"""The advisory lock that two processes upgrading one PostgreSQL database at once take in turn."""


def upgrade(engine: Engine, serving: URL | None = None) -> None:
    """Bring the tables to the newest revision, with the legal moves and the border between users; may be repeated.

    It is one transaction. `serving` is the URL of the processes that will serve, where it is not the engine's own.
    """
    config = _config()
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                connection.execute(text(f"SET LOCAL {limit} = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK})
        work_for_everyone(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        record_moves(connection)
        separate(connection, serving or engine.url)
        if connection.execute(META.select().where(META.c.name == _EPOCH)).one_or_none() is None:
            connection.execute(META.insert().values(name=_EPOCH, value=new_id(_EPOCH)))


def current_revision(engine: Engine) -> str | None:
    """Tell which revision the database is at; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    """Tell which revision this version needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def is_current(engine: Engine) -> bool:
    """Tell whether the tables, and the moves of orders held legal in them, are this version's."""
    if current_revision(engine) != newest_revision():
        return False
    with engine.connect() as connection:
        return recorded_moves(connection) == legal_moves()


def read_epoch(engine: Engine) -> str:
    """Read the id of this log's life."""
    with engine.connect() as connection:
        return str(connection.execute(META.select().where(META.c.name == _EPOCH)).one().value)


def renew_epoch(connection: Connection) -> str:
    """Begin another life of the log in an open transaction: cursors of the one before are known for that."""
    epoch = new_id(_EPOCH)
    connection.execute(update(META).where(META.c.name == _EPOCH).values(value=epoch))
    return epoch


def _config() -> Config:
    config = Config()
    # A percent sign in the path would be read as an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
