"""How a failure of the database is told: by its kind, never by the server's words, which quote what is stored."""

from logging import Logger

from sqlalchemy.exc import DBAPIError


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
