"""Numbering the changes of users' modes, so that a process reads only what changed since it last looked.

Numbers are given in the order in which their transactions commit: on SQLite one transaction writes at a time, on
PostgreSQL the row of the last number is locked from then on until the commit. So whoever has seen a number has seen all
before it. It stands apart from the users' rows, because a transaction sees no other users' than those it works for.
"""

from typing import Any, Final

from sqlalchemy import Connection, insert, select, text, update

from brokergw.store.tables import USER_MODES, USERS

_BEGIN: Final = text("INSERT INTO store_meta (name, value) VALUES ('modes', '0') ON CONFLICT DO NOTHING")
_RAISE: Final = text(
    "UPDATE store_meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'modes' RETURNING value"
)


def touch(database: Connection, user_id: str, **values: Any) -> bool:
    """Number a change of a user's, and write columns of `user_modes` with it; False for a user whom nobody knows.

    From here until the commit no other transaction changes any user's.
    """
    database.execute(_BEGIN)
    change = int(database.execute(_RAISE).scalar_one())
    known = update(USER_MODES).where(USER_MODES.c.user_id == user_id).values(change=change, **values)
    if database.execute(known).rowcount:
        return True
    if database.scalar(select(USERS.c.user_id).where(USERS.c.user_id == user_id)) is None:
        return False
    first = {"mode": "", "grant_by": "", "grant_time_ns": None, "live_risk_version": "", **values}
    database.execute(insert(USER_MODES).values(user_id=user_id, change=change, **first))
    return True


def end_live(database: Connection, user_id: str) -> None:
    """Take live away from a user: the mode and every binding fall to paper, and must be escalated anew."""
    for table in ("user_modes", "mode_bindings"):
        database.execute(_END_LIVE[table], {"user": user_id})


_END_LIVE: Final = {
    "user_modes": text(
        "UPDATE user_modes SET live_risk_version = '', mode = CASE mode WHEN 'LIVE' THEN 'PAPER' ELSE mode END"
        " WHERE user_id = :user"
    ),
    "mode_bindings": text("UPDATE mode_bindings SET mode = 'PAPER' WHERE user_id = :user AND mode = 'LIVE'"),
}
