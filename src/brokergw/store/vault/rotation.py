"""Putting every sealed value under the primary key, beside processes that read and write them.

Nothing is remembered of a rotation: what is left to do is what lies under another key, so it can be ended anywhere and
begun again. Rows are taken a few at a time, in a transaction of their own. A row is written only where it holds what
was read, and one that another transaction has locked is passed by and found again; so a change is never overwritten,
and nobody is waited for.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, func, select, tuple_, update

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.whose import everyone
from brokergw.ports.clock import Clock
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.vault.places import SEALED_COLUMNS, SealedColumn
from brokergw.store.vault.seal import FORMAT, Place, Seal, Sealed

AT_ONCE: Final = 25
"""Rows in one transaction: so few that whoever changes one of them waits for milliseconds."""

_SECRETS: Final = everyone("a key that encrypts keys lies over the secrets of all users")
_PAUSE_S: Final = 0.2
_FAILURES_MAX: Final = 20
"""So many failures one after another end a rotation: the database is away for longer than it is waited for."""

_PASSING: Final = frozenset({Reason.JOURNAL_UNAVAILABLE, Reason.JOURNAL_OUTCOME_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Shut:
    """A value that did not open, and why; it stays as it is."""

    place: Place
    why: str


@dataclass(slots=True)
class Progress:
    """How far a rotation has come: how many values were to be rewrapped, have been, and those that do not open."""

    total: int
    done: int = 0
    shut: dict[Place, Shut] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rewrapped:
    key: tuple[Any, ...]
    before: str
    after: str


class Rotation:
    """Rewraps whatever lies under another key than the primary one, or in a former format."""

    def __init__(self, run: RunsWork, reader: Reader, seal: Seal, clock: Clock) -> None:
        self._run = run
        self._reader = reader
        self._seal = seal
        self._clock = clock
        self._failures = 0

    async def run(self) -> AsyncIterator[Progress]:
        """Rewrap everything, telling after each few rows how far it is; ends when only what does not open is left."""
        progress = Progress(await self._left())
        yield progress
        while True:
            before, met = progress.done, 0
            progress.shut.clear()
            for column in SEALED_COLUMNS:
                async for rewrapped, written in self._pass_over(column, progress):
                    met += rewrapped
                    progress.done += written
                    yield progress
            if not met:
                return
            if progress.done == before:
                # Others hold or change all that is left; another pass meets it again.
                await self._clock.sleep(_PAUSE_S)

    async def _left(self) -> int:
        counts = [
            select(func.count()).select_from(column.table).where(self._elsewhere(column)) for column in SEALED_COLUMNS
        ]
        found = await self._reader.query(_SECRETS, lambda database: [database.scalar(count) for count in counts])
        return sum(each or 0 for each in found)

    async def _pass_over(self, column: SealedColumn, progress: Progress) -> AsyncIterator[tuple[int, int]]:
        """Go over a column's rows once, in the order of their keys; gives how many could be rewrapped, and were."""
        after: tuple[Any, ...] | None = None
        while rows := await self._read(column, after):
            after = column.key_of(rows[-1])
            rewrapped = await asyncio.to_thread(self._rewrap, column, rows, progress)
            yield len(rewrapped), await self._written(column, rewrapped)

    async def _written(self, column: SealedColumn, rewrapped: Sequence[_Rewrapped]) -> int:
        """Write a few rows; what did not go through, for all that is known, is left to the next pass.

        Nothing is written twice by that: a row that did go through no longer holds what was read.
        """
        try:
            written: int = await self._run(_SECRETS, partial(_write, column=column, rewrapped=rewrapped))
        except GatewayError as error:
            self._failures += 1
            if error.reason not in _PASSING or self._failures >= _FAILURES_MAX:
                raise
            await self._clock.sleep(_PAUSE_S)
            return 0
        self._failures = 0
        return written

    async def _read(self, column: SealedColumn, after: tuple[Any, ...] | None) -> Sequence[Any]:
        wanted = column.rows.where(self._elsewhere(column)).order_by(*column.key).limit(AT_ONCE)
        if after is not None:
            wanted = wanted.where(tuple_(*column.key) > after)
        return await self._reader.query(_SECRETS, lambda database: database.execute(wanted).all())

    def _elsewhere(self, column: SealedColumn) -> Any:
        here = f"{FORMAT}.{self._seal.ring.primary.key_id}."
        return func.substr(column.column, 1, len(here)) != here

    def _rewrap(self, column: SealedColumn, rows: Sequence[Any], progress: Progress) -> list[_Rewrapped]:
        made = []
        for row in rows:
            before, place = column.text_of(row), column.place_of(row)
            try:
                made.append(_Rewrapped(column.key_of(row), before, self._seal.rewrap(before, place)))
            except Sealed as refusal:
                progress.shut[place] = Shut(place, refusal.message)
        return made


def _write(database: Connection, column: SealedColumn, rewrapped: Sequence[_Rewrapped]) -> int:
    """Write what still holds what was read and is nobody's at the moment; gives how many those were."""
    if not rewrapped:
        return 0
    named = tuple_(*column.key).in_([each.key for each in rewrapped])
    present = select(*column.key, column.column).where(named).order_by(*column.key)
    rows = database.execute(present.with_for_update(skip_locked=True))
    found = {column.key_of(row): column.text_of(row) for row in rows}
    unchanged = [each for each in rewrapped if found.get(each.key) == each.before]
    for each in unchanged:
        is_row = [key == value for key, value in zip(column.key, each.key, strict=True)]
        database.execute(update(column.table).where(*is_row).values({column.column.name: each.after}))
    return len(unchanged)
