"""Numbering the changes of users' modes, so that a process reads only what changed since it last looked."""

from typing import Any, Final

from sqlalchemy import Connection, insert, select, text, update

from brokergw.store.reading.numbering import next_change
from brokergw.store.tables import USER_MODES, USERS


def touch(database: Connection, user_id: str, **values: Any) -> bool:
    """Number a change of a user's, and write columns of `user_modes` with it; False for a user whom nobody knows.

    From here until the commit no other transaction changes any user's.
    """
    change = next_change(database, "modes")
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
