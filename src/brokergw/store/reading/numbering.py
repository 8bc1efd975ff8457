"""Numbering changes, so that a process reads only what changed since it last looked.

Numbers are given in the order in which their transactions commit: on SQLite one transaction writes at a time, on
PostgreSQL the row of the last number is locked from then on until the commit. So whoever has seen a number has seen all
before it. The last number stands apart from the users' rows, because a transaction sees no other users' than those it
works for. A transaction takes its number before it touches what it numbers, so that none waits in a circle.
"""

from typing import Final

from sqlalchemy import Connection, bindparam, select, text

from brokergw.store.tables import META

RAISED: Final = "ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(store_meta.value AS BIGINT) + 1 AS TEXT)"
"""What an insert of a subject's first number, 1, does where there is one already."""
_RAISE: Final = text(f"INSERT INTO store_meta (name, value) VALUES (:name, '1') {RAISED} RETURNING value")  # noqa: S608 - both texts stand here

_LAST: Final = select(META.c.value).where(META.c.name == bindparam("subject"))


def next_change(database: Connection, subject: str) -> int:
    """Give the number of a change; from here until the commit no other transaction numbers one of that subject."""
    return int(database.execute(_RAISE, {"name": subject}).scalar_one())


def last_change(database: Connection, subject: str) -> int:
    """Give the number of the last change that is committed; 0 before the first."""
    return int(database.scalar(_LAST, {"subject": subject}) or 0)
