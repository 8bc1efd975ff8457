"""Numbering changes, so that a process reads only what changed since it last looked.

Numbers are given in the order in which their transactions commit: on SQLite one transaction writes at a time, on
PostgreSQL the row of the last number is locked from then on until the commit. So whoever has seen a number has seen all
before it. The last number stands apart from the users' rows, because a transaction sees no other users' than those it
works for. A transaction takes its number before it touches what it numbers, so that none waits in a circle.
"""

from typing import Final

from sqlalchemy import Connection, text

_BEGIN: Final = text("INSERT INTO store_meta (name, value) VALUES (:name, '0') ON CONFLICT DO NOTHING")
_RAISE: Final = text(
    "UPDATE store_meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = :name RETURNING value"
)


def next_change(database: Connection, subject: str) -> int:
    """Give the number of a change; from here until the commit no other transaction numbers one of that subject."""
    database.execute(_BEGIN, {"name": subject})
    return int(database.execute(_RAISE, {"name": subject}).scalar_one())
