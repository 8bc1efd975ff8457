"""How a failure of the database is told: by its kind, never by the server's words, which quote what is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import Logger
from typing import Final

from sqlalchemy.exc import DBAPIError

from brokergw.model.errors import Reason

_INSUFFICIENT_PRIVILEGE: Final = "42501"
_OF_THE_AUDIT: Final = "the audit log"
_ENDED_BY_SERVER: Final = frozenset({"25P03", "57P01", "57P02", "57P05"})
"""PostgreSQL's codes for a session it has ended: idle in its transaction, ended by an administrator, a crash, idle."""


def log_failure(log: Logger, what: str, error: BaseException) -> None:
    """Log a failure; a fault of our own comes with its traceback."""
    if isinstance(error, DBAPIError):
        log.error("%s: %s", what, _kind(error))
    elif isinstance(error.__cause__, DBAPIError):
        log.error("%s: %s (%s)", what, type(error).__name__, _kind(error.__cause__))
    else:
        log.error("%s: %s", what, type(error).__name__, exc_info=error)


def kind_of(error: Exception) -> str:
    """Name a failure by its class and, where it is the database's and has one, its code."""
    return _kind(error) if isinstance(error, DBAPIError) else type(error).__name__


def _kind(error: DBAPIError) -> str:
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None) or "no code"
    return f"{type(error).__name__}, {code}"


def forbidden(error: BaseException) -> bool:
    """Tell whether the database refuses this process a table, which is no single unit's fault."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE


def ended_by_server(error: BaseException | None) -> bool:
    """Tell whether the driver's error is the last word of a session that the server has ended."""
    return getattr(error, "sqlstate", None) in _ENDED_BY_SERVER


@contextmanager
def of_the_audit() -> Iterator[None]:
    """Note on a database's failure inside the block that it was the audit log that could not be written."""
    try:
        yield
    except DBAPIError as error:
        error.add_note(_OF_THE_AUDIT)
        raise


def unwritten(error: BaseException) -> Reason:
    """Tell the reason for a record that certainly is not durable."""
    noted = _OF_THE_AUDIT in getattr(error, "__notes__", ())
    return Reason.AUDIT_UNAVAILABLE if noted else Reason.JOURNAL_UNAVAILABLE
