"""One text that differs after every change of who may do what, so that a process asks for nothing else to know."""

from typing import Final

from sqlalchemy import Connection, select, update

from brokergw.model.ids import new_id
from brokergw.store.tables import META

_NAME: Final = "identity"
_PRESENT: Final = select(META.c.value).where(META.c.name == _NAME)
"""Asked several times a second, so it is put together once."""


def read_version(database: Connection) -> str:
    """Give the present text."""
    return str(database.scalar(_PRESENT))


def note_change(database: Connection) -> None:
    """Change the text, in the transaction of what changed."""
    database.execute(update(META).where(META.c.name == _NAME).values(value=new_id(_NAME)))
