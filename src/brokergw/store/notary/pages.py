"""Reading the log for its verification, a page at a time, so that no read lasts and little is in memory."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select, tuple_

from brokergw.model.whose import everyone
from brokergw.store.database.reader import Reader
from brokergw.store.encoding.rows import Row
from brokergw.store.sql.many import ManyRows
from brokergw.store.tables import AUDIT, AUDIT_CHECKPOINTS

PAGE: Final = 500
_LOG: Final = everyone("the audit log is verified as a whole")


class LogPages:
    """Pages of rows and checkpoints, and look-ups of single ones."""

    def __init__(self, reader: Reader, dialect: str) -> None:
        self._reader = reader
        self._hashes = _find(
            "l.chain, l.sequence, l.hash",
            "broker_audit_log l ON l.chain = column1 AND l.sequence = column2",
            dialect,
        )
        self._bodies = _find(
            "c.instance_id, c.number, c.body, c.key_id, c.signature",
            "audit_checkpoints c ON c.instance_id = column1 AND c.number = column2",
            dialect,
        )

    async def checkpoints(self) -> AsyncIterator[Sequence[Any]]:
        """Give all checkpoints, process by process in order."""
        key = AUDIT_CHECKPOINTS.c.instance_id, AUDIT_CHECKPOINTS.c.number
        wanted = select(AUDIT_CHECKPOINTS).order_by(*key).limit(PAGE)
        after: tuple[str, int] = ("", 0)
        while rows := await self._page(wanted.where(tuple_(*key) > after)):
            yield rows
            after = rows[-1].instance_id, rows[-1].number

    async def rows(self) -> AsyncIterator[Sequence[Any]]:
        """Give all rows, chain by chain in order."""
        key = AUDIT.c.chain, AUDIT.c.sequence
        wanted = select(AUDIT).order_by(*key).limit(PAGE)
        after: tuple[str, int] = ("", 0)
        while rows := await self._page(wanted.where(tuple_(*key) > after)):
            yield rows
            after = rows[-1].chain, rows[-1].sequence

    async def retentions(self) -> Sequence[Any]:
        """Give the checkpoints that retention made, newest first."""
        return await self._reader.query(_LOG, retentions)

    async def hashes(self, places: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], str]:
        """Give the hash that stands at each of these places; those with no row are left out."""
        rows = await self._found(self._hashes, places)
        return {(chain, sequence): hash_ for chain, sequence, hash_ in rows}

    async def bodies(self, places: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], tuple[str, str, str]]:
        """Give text, key and signature of the checkpoints of these processes and numbers that there are."""
        rows = await self._found(self._bodies, places)
        return {(instance_id, number): tuple(told) for instance_id, number, *told in rows}

    async def _page(self, wanted: Any) -> Sequence[Any]:
        def read(database: Connection) -> Sequence[Any]:
            return database.execute(wanted).all()

        return await self._reader.query(_LOG, read)

    async def _found(self, statement: ManyRows, places: Sequence[tuple[str, int]]) -> list[Row]:
        distinct = sorted(set(places))
        return await self._reader.query(_LOG, lambda database: statement.fetch(database, distinct), at_one_moment=True)


def retentions(database: Connection) -> Sequence[Any]:
    """Read the checkpoints that retention made, newest first."""
    wanted = select(AUDIT_CHECKPOINTS).where(AUDIT_CHECKPOINTS.c.horizon_ns > 0)
    newest = AUDIT_CHECKPOINTS.c.horizon_ns.desc(), AUDIT_CHECKPOINTS.c.time_ns.desc()
    return database.execute(wanted.order_by(*newest)).all()


def _find(columns: str, joined: str, dialect: str) -> ManyRows:
    text = f"SELECT {columns} FROM ({{rows}}) AS wanted CROSS JOIN {joined}"  # noqa: S608 - names of our own tables only
    return ManyRows(text.replace(" ON ", " WHERE "), ("text", "bigint"), dialect=dialect)
