"""Looking at a database without opening it for work."""

from sqlalchemy.exc import SQLAlchemyError

from brokergw.store.engine import parse_url, reader_engine, writer_engine
from brokergw.store.failure import kind_of
from brokergw.store.migrations import current_revision, is_current, upgrade
from brokergw.store.separation.roles import require_separated


class StoreUnreachable(RuntimeError):
    """The database cannot be opened; the message names the kind of failure and never shows the URL."""


def tables_are_current(url: str) -> bool:
    """Tell whether the tables are this version's; raises StoreUnreachable, or ValueError for a bad URL."""
    engine = writer_engine(parse_url(url))
    try:
        return is_current(engine)
    except SQLAlchemyError as error:
        raise StoreUnreachable(kind_of(error)) from error
    finally:
        engine.dispose()


def require_kept_apart(url: str) -> None:
    """Raise NotSeparated where the database does not keep users apart from the URL's role; or as above."""
    engine = reader_engine(parse_url(url))
    try:
        require_separated(engine)
    except SQLAlchemyError as error:
        raise StoreUnreachable(kind_of(error)) from error
    finally:
        engine.dispose()


def upgrade_tables(url: str, owner_url: str = "") -> tuple[str, str]:
    """Bring the tables up to date; gives the revision before and after. Raises as `tables_are_current`.

    `owner_url` is that of the tables' owner, where those who serve are somebody else.
    """
    engine = writer_engine(parse_url(owner_url or url))
    try:
        before = current_revision(engine) or "none"
        upgrade(engine, parse_url(url))
        return before, current_revision(engine) or "none"
    except SQLAlchemyError as error:
        raise StoreUnreachable(kind_of(error)) from error
    finally:
        engine.dispose()
