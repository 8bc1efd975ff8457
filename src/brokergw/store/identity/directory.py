"""What every directory begins with: its user is known, and what it adds is new.

Directories write rarely, so their writes ride with the journal's next group; on SQLite there is then only ever one
writer.
"""

from typing import Any

from sqlalchemy import Connection as Database
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.whose import Whose
from brokergw.store.database.work import RunsWork, Work
from brokergw.store.tables import USERS


class AlreadyThere(GatewayError):
    """Something with this id exists."""

    def __init__(self, kind: str) -> None:
        super().__init__(Reason.INTERNAL_ERROR, f"this {kind} exists already", metadata={"kind": kind})


async def insert_new(run: RunsWork, whose: Whose, work: Work, kind: str) -> Any:
    """Write something that must not be there yet, and give what the work returned; raises AlreadyThere."""
    try:
        return await run(whose, work)
    except IntegrityError:
        # The database's own words would show what is stored.
        raise AlreadyThere(kind) from None


def make_user_known(database: Database, user_id: str, time_ns: int) -> None:
    """Put a user on record, once."""
    known = database.scalar(select(USERS.c.user_id).where(USERS.c.user_id == user_id))
    if known is None:
        database.execute(insert(USERS).values(user_id=user_id, create_time_ns=time_ns))
