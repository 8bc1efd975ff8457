"""Looking at a database without opening it for work, and bringing its tables up to date where they are not."""

from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from brokergw.store.database.engine import parse_url, reader_engine, writer_engine
from brokergw.store.migrations import current_revision, is_current, upgrade
from brokergw.store.separation.roles import NotSeparated, require_separated
from brokergw.store.sql.failure import kind_of


class StoreUnreachable(RuntimeError):
    """The database cannot be opened; the message names the kind of failure and never shows the URL."""


def tables_are_current(url: str) -> bool:
    """Tell whether the tables are this version's, keeping no writer waiting and making no file.

    Raises StoreUnreachable, or ValueError for a bad URL.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        return False
    engine = reader_engine(parsed)
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


def ensure_tables(url: str, owner_url: str = "") -> None:
    """Bring the tables up to date where they are not; where they are, nothing is written. Raises as `upgrade_tables`.

    So whoever opens a database beside a busy writer does not wait for its turn to change nothing.
    """
    if not _is_ready(url):
        upgrade_tables(url, owner_url)


def _is_ready(url: str) -> bool:
    try:
        if not tables_are_current(url):
            return False
        require_kept_apart(url)
    except (StoreUnreachable, NotSeparated):
        # A role that is not there yet, or has no rights: the upgrade gives them, or says what is wrong.
        return False
    return True


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
