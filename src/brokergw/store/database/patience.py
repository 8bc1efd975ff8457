"""How long the record may take, in one place: who waits, how long at most, and why.

Whoever waits to be let through (an order, a change, a claim on a key) is answered soon, with a no if need be: nothing
leaves without the record, so a slow record costs an order and never safety. What must get onto the record (a broker's
answer, an audit row) has more time, and takes it only after it has failed by the short limits.
"""

import sqlite3
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

LOOK_EVERY_S: Final = 0.025
"""How often it is looked who has waited too long."""

ANSWERED_WITHIN_LOOKS: Final = 14
"""How many looks a caller waits for the record at most, so that the whole call stays within half a second.

Looks, not seconds: a process that the machine does not let run has not waited for its record, and refusing what the
record holds already by then would only add to the load.
"""

SUSPECT_AFTER_S: Final = 0.15
"""How long a read may take before the database is asked whether it is there at all."""

SHORT_LOCK_MS: Final = 250
"""A lock that an admission waits for: whoever holds it longer than this holds up everybody."""

SHORT_STATEMENT_MS: Final = 500
"""A statement of an admission; the caller has been refused by then, and the kill switch waits behind it."""

SHORT_IDLE_MS: Final = 300
"""A process frozen inside an admission holds the kill switch up so long, and no longer."""

LONG_LOCK_MS: Final = 2_000
"""A lock that a broker's answer waits for before it is tried again."""

LONG_STATEMENT_MS: Final = 5_000
"""A statement that records a broker's answer: a slow disk must not keep it off the record for ever."""

LONG_IDLE_MS: Final = 1_000
"""A process frozen while it records something keeps its locks so long."""

PERSON_LOCK_MS: Final = 5_000
"""A lock that a person's command waits for before it is tried again: nobody else waits for it."""

PERSON_TRIES: Final = 6
"""How often a person's command is tried before it is given up."""

DEAD_PEER_MS: Final = 2_000
"""How long a host may leave what was sent to it unacknowledged before its connection is given up."""

_TIMED_OUT: Final = frozenset({"55P03", "57014"})
"""PostgreSQL's codes for a lock that was not granted in time, and a statement that took too long."""


def options(lock_ms: int, statement_ms: int, idle_ms: int) -> str:
    """Write limits as options of a new PostgreSQL session."""
    return (
        f"-c lock_timeout={lock_ms}ms -c statement_timeout={statement_ms}ms"
        f" -c idle_in_transaction_session_timeout={idle_ms}ms"
    )


def shorten(connection: Connection) -> None:
    """Give a connection that admits orders the short limits, for good."""
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.execute(f"PRAGMA busy_timeout = {SHORT_LOCK_MS}")  # type: ignore[union-attr]
        return
    connection.exec_driver_sql(
        f"SET lock_timeout = {SHORT_LOCK_MS}; SET statement_timeout = {SHORT_STATEMENT_MS};"
        f" SET idle_in_transaction_session_timeout = {SHORT_IDLE_MS}"
    )
    connection.commit()


def lengthen(connection: Connection) -> None:
    """Give the transaction that has begun on a PostgreSQL connection the long limits."""
    connection.exec_driver_sql(
        f"SET LOCAL lock_timeout = {LONG_LOCK_MS}; SET LOCAL statement_timeout = {LONG_STATEMENT_MS};"
        f" SET LOCAL idle_in_transaction_session_timeout = {LONG_IDLE_MS}"
    )


def timed_out(error: BaseException) -> bool:
    """Tell whether a transaction failed for nothing but its limits, so that longer ones may help."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorname", "").startswith("SQLITE_BUSY")
    return getattr(cause, "sqlstate", None) in _TIMED_OUT
