"""The real store, its tables and statements and decisions, without its threads: every step at a virtual time.

Theory of operation: writer and reader take the place of the store's threads. A commit becomes durable at one moment
and is told at a later one; in between the process may die, and now and then the answer is lost or the database away.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import Engine, event

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import LogEvent
from brokergw.store.connections.directory import SqlConnectionDirectory
from brokergw.store.database.engine import each_moment, one_moment, parse_url, reader_engine, writer_engine
from brokergw.store.database.polls import Poll
from brokergw.store.database.transaction import WriterConnection
from brokergw.store.journal import SqlJournal
from brokergw.store.migrations import read_epoch
from brokergw.store.notary.keeping import Chains
from brokergw.store.reading.lookups import Lookups
from brokergw.store.sql.statements import Statements
from brokergw.store.vault.ring import KeyRing
from brokergw.store.vault.seal import Seal
from brokergw.store.writing.batch import BatchWriter
from brokergw.store.writing.group import Group, GroupCommitter
from tests.simulation.life import Life
from tests.simulation.virtual import VirtualClock

_KEY: Final = bytes(range(32))
_HEARD: Final = 0.8
"""How many wake-ups arrive; a poll stands behind the lost ones."""


@dataclass
class Weather:
    """How likely it is that the database misbehaves at one commit, and whether it is away altogether."""

    refused: float = 0.0
    reply_lost: float = 0.0
    lost_before: float = 0.0
    away: bool = False


class SimDatabase:
    """One SQLite file that outlives the processes that use it."""

    def __init__(self, path: Path, random: Random) -> None:
        self._url = parse_url(f"sqlite:///{path}")
        self.random = random
        self.weather = Weather()
        self.reading: Engine = reader_engine(self._url)
        self._bells: list[SimBell] = []
        self.epoch = read_epoch(self.reading)

    def open(self, life: Life) -> "SimStore":
        """Let a process use it."""
        writing = writer_engine(self._url)
        # Nothing here outlives the machine, so nothing need reach the disk.
        event.listen(writing, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
        store = SimStore(self, writing, life)
        self._bells.append(store.bell)
        return store

    def tell_others(self, writer: Life) -> None:
        """Let other processes hear, mostly, that there is something new."""
        for bell in self._bells:
            if bell.life is not writer and self.random.random() < _HEARD:
                asyncio.get_running_loop().call_later(self.random.uniform(0.0005, 0.02), bell.ring)

    def close(self) -> None:
        """Give up the file."""
        self.reading.dispose()


class SimBell:
    """Takes the place of the listening connection: hears of other processes' commits."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Keep a listener."""
        self._listeners.append(listener)

    def ring(self) -> None:
        """Tell the listeners, if they live to hear it."""
        for listener in self._listeners if self.life.alive else ():
            listener()


class SimStore:
    """What a process holds of the store."""

    def __init__(self, database: SimDatabase, writing: Engine, life: Life) -> None:
        self._writing = writing
        dialect = writing.dialect.name
        chains = Chains(life.name, VirtualClock(life), None, dialect)
        self._connection = WriterConnection(chains.on(writing, "group"))
        committer = GroupCommitter(self._connection, BatchWriter(Statements(dialect), life.name), VirtualClock(life))
        self.writer = SimWriter(database, committer, life)
        self.reader = SimReader(database, life)
        self.bell = SimBell(life)
        self.journal = SqlJournal(
            self.writer,  # type: ignore[arg-type]
            self.reader,  # type: ignore[arg-type]
            Lookups(dialect),
            self.writer.run,
            VirtualClock(life),
            database.epoch,
            bell=self.bell,  # type: ignore[arg-type]
        )
        self.connections = SqlConnectionDirectory(
            self.writer.run,
            self.reader,  # type: ignore[arg-type]
            Seal(KeyRing([_KEY])),
            self.journal.record,
            VirtualClock(life),
            self.writer.run,
        )

    def close(self) -> None:
        """Give up the connection, as the operating system does for a dead process."""
        self._connection.close()
        self._writing.dispose()


@dataclass
class _Waiting:
    units: list[Any] = field(default_factory=list)
    works: list[Any] = field(default_factory=list)
    audit: list[Any] = field(default_factory=list)
    unit_futures: list["asyncio.Future[Any]"] = field(default_factory=list)
    work_futures: list["asyncio.Future[Any]"] = field(default_factory=list)


class SimWriter:
    """Takes the place of `store.writer.Writer`."""

    def __init__(self, database: SimDatabase, committer: GroupCommitter, life: Life) -> None:
        self._database = database
        self._committer = committer
        self._life = life
        self._waiting = _Waiting()
        self._due: asyncio.TimerHandle | None = None
        self._listeners: list[Callable[[Sequence[LogEvent]], None]] = []
        self.alive = True

    async def commit(self, unit: Any) -> Any:
        """Wait until a unit is durable or refused."""
        await self._life.go_on()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.units.append(unit)
        self._waiting.unit_futures.append(future)
        self._schedule()
        return await future

    async def run(self, whose: Any, work: Any) -> Any:
        """Run a small write with the next group."""
        await self._life.go_on()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.works.append(work)
        self._waiting.work_futures.append(future)
        self._schedule()
        return await future

    def record(self, row: Any) -> None:
        """Let an audit row ride with the next group."""
        self._waiting.audit.append(row)

    def listen(self, listener: Callable[[Sequence[LogEvent]], None]) -> None:
        """Keep a listener."""
        self._listeners.append(listener)

    def _schedule(self) -> None:
        if self._due is None:
            delay = self._database.random.uniform(0.0002, 0.003)
            self._due = asyncio.get_running_loop().call_later(delay, self._write)

    def _write(self) -> None:
        self._due = None
        if not self._life.alive:
            return
        taken, self._waiting = self._waiting, _Waiting()
        weather, draw = self._database.weather, self._database.random.random()
        results: list[Any]
        events: list[LogEvent] = []
        futures = [*taken.unit_futures, *taken.work_futures]
        if weather.away or draw < weather.refused:
            results = [GatewayError(Reason.JOURNAL_UNAVAILABLE, "the database is away") for _ in futures]
        elif draw < weather.refused + weather.lost_before:
            results = [_unknown() for _ in futures]
        else:
            done = self._committer.commit(Group(taken.units, taken.works, taken.audit))
            results, events = [*done.units, *done.works], done.events
            self._database.tell_others(self._life)
            if draw > 1 - weather.reply_lost:
                results, events = [_unknown() for _ in futures], []
        delay = self._database.random.uniform(0.0001, 0.001)
        asyncio.get_running_loop().call_later(delay, self._tell, futures, results, events)

    def _tell(self, futures: list["asyncio.Future[Any]"], results: list[Any], events: list[LogEvent]) -> None:
        if not self._life.alive:
            return
        for listener in self._listeners if events else ():
            listener(events)
        for future, result in zip(futures, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


class SimReader:
    """Takes the place of `store.reader.Reader`."""

    def __init__(self, database: SimDatabase, life: Life) -> None:
        self._database = database
        self._life = life

    async def find(self, lookup: Any, key: Any) -> Any:
        """Look one thing up."""
        await self._pause()
        with self._database.reading.connect() as connection:
            found = {lookup.key_of(row): lookup.read(row) for row in lookup.statement.fetch(connection, [key])}
        await self._pause()
        return found.get(key)

    async def query(
        self, whose: Any, read: Callable[[Any], Any], *, at_one_moment: bool = False, for_streams: bool = False
    ) -> Any:
        """Run a read."""
        await self._pause()
        engine = self._database.reading
        with (one_moment if at_one_moment else each_moment)(engine, whose) as connection:
            result = read(connection)
        await self._pause()
        return result

    async def poll(self, poll: Poll[Any]) -> Any:
        """Ask each time, as of a database that does not say whether anything was written."""
        return await self.query(poll.whose, poll.read)

    async def _pause(self) -> None:
        await asyncio.sleep(self._database.random.uniform(0.00005, 0.0005))
        await self._life.go_on()
        if self._database.weather.away:
            raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the database is away")


def _unknown() -> GatewayError:
    return GatewayError(Reason.JOURNAL_OUTCOME_UNKNOWN, "nobody said whether it is durable")
