"""Leases in the database: who lives, who does a connection's background work, and how its feed fares.

A process lives as long as its row of `instances` was renewed within the last three seconds of the database's clock
(on SQLite, which one process serves, ten of our own). Its leases live with it: renewing costs one row however many
there are, and a process that has the database to itself writes that row now and then only. `epoch` rises whenever a
lease changes hands or is given up, so that one epoch is one holding.

Two processes never hold a lease at once, however late either of them is. Who finds a process dead removes its row,
and keeps that row locked until its own commit; who finds its own row gone or too old knows that it was held dead, and
begins with nothing. And a lease is taken under its row's lock, which a guarded commit shares until it is durable.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, bindparam, cast, delete, func, insert, literal, select, text, update
from sqlalchemy.sql import ColumnElement

from brokergw.model.account import ConnectionHealth
from brokergw.model.whose import NOBODYS
from brokergw.ports.clock import Clock
from brokergw.ports.leases import FeedStatus, Lease
from brokergw.store.connections.sharing import Sharing
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.encoding.rows import free_text
from brokergw.store.tables import INSTANCES, LEASES

LIVES_NS: Final = 3_000_000_000
"""How long a process is held to live after it last said so."""

LIVES_ALONE_NS: Final = 10_000_000_000
"""The same where one process serves: nobody waits for its leases, and whoever asks had better wait for its end."""

RENEWED_ALONE_S: Final = 3.0
"""How often a process says so that has claimed the database for itself, since nobody else can take what it holds."""

_NOBODY: Final = ""
_AT_ONCE: Final = 500
_NEW_LEASE: Final = text(
    "INSERT INTO leases (connection_id, epoch, instance_id, health, detail, stream_up)"
    " VALUES (:connection_id, 0, '', '', '', false) ON CONFLICT DO NOTHING"
)
_TOLD: Final = tuple(LEASES.columns[3:])
_REPORT: Final = (
    update(LEASES)
    .where(LEASES.c.connection_id == bindparam("connection"), LEASES.c.epoch == bindparam("held_epoch"))
    .values({column: bindparam(column.name) for column in _TOLD})
)


@dataclass(frozen=True, slots=True)
class _Round:
    living: frozenset[str]
    held: dict[str, int]
    free: frozenset[str]
    beyond: frozenset[str]


class SqlLeases:
    """Implements `ports.leases.Leases`."""

    def __init__(self, run: RunsWork, reader: Reader, clock: Clock, instance_id: str, *, shared: bool) -> None:
        self._run = run
        self._reader = reader
        self._clock = clock
        self._instance_id = instance_id
        self._shared = shared
        self._sharing = Sharing(clock)
        self._life_ns: Final = LIVES_NS if shared else LIVES_ALONE_NS
        self._alone = False
        self._named: Sequence[str] = ()
        self._held: Mapping[str, Lease] = {}
        self._renewed_at = clock.monotonic()

    @property
    def life_ns(self) -> int:
        """How long a process is held to live after it last said so."""
        return self._life_ns

    @property
    def instance_id(self) -> str:
        """The id of this process's life."""
        return self._instance_id

    async def renew(self, connection_ids: Collection[str]) -> Mapping[str, Lease]:
        """Live on, keep what is held and named, take what is free and due; gives all leases held now."""
        wanted = sorted(set(connection_ids))
        began = self._clock.monotonic()
        if self._is_sure(wanted, began):
            return self._held
        done: _Round = await self._run(NOBODYS, lambda database: self._renew(database, wanted))
        self._sharing.learn(living=done.living, free=done.free, beyond=done.beyond)
        held = {connection_id: Lease(connection_id, epoch) for connection_id, epoch in done.held.items()}
        self._named, self._held, self._renewed_at = wanted, held, began
        return held

    def _is_sure(self, wanted: Sequence[str], now: float) -> bool:
        """Tell whether all that is named is held still without a word in the database."""
        lately = now - self._renewed_at < RENEWED_ALONE_S
        return self._alone and lately and bool(self._held) and wanted == self._named == sorted(self._held)

    async def report(self, statuses: Mapping[Lease, FeedStatus]) -> None:
        """Tell how feeds fare; what is told under a lease that was lost is dropped."""
        if statuses:
            # In order, so that nobody waits in a circle.
            rows = sorted((_status(lease, status) for lease, status in statuses.items()), key=lambda r: r["connection"])
            await self._run(NOBODYS, lambda database: database.execute(_REPORT, rows) and None)

    async def statuses(self) -> Mapping[str, FeedStatus]:
        """Give the feed of each connection that is held, as it was last told.

        After a hand-over that is the earlier holder's word, until the new one has told.
        """
        told = (LEASES.c.connection_id, *_TOLD)
        wanted = (
            select(*told)
            .join(INSTANCES, INSTANCES.c.instance_id == LEASES.c.instance_id)
            .where(LEASES.c.health != "", INSTANCES.c.renew_time_ns > self._now() - self._life_ns)
        )
        rows = await self._reader.query(NOBODYS, lambda database: database.execute(wanted).all())
        return {
            connection_id: FeedStatus(
                health=ConnectionHealth(health),
                detail=detail,
                stream_up=bool(stream_up),
                last_message_ns=last,
                last_sync_ns=last_sync,
                next_sync_ns=next_sync,
            )
            for connection_id, health, detail, stream_up, last, last_sync, next_sync in rows
        }

    async def living(self) -> frozenset[str]:
        """Give the instance ids of the processes that live, this one's included."""
        if self._alone:
            return frozenset({self._instance_id})
        wanted = select(INSTANCES.c.instance_id).where(INSTANCES.c.renew_time_ns > self._now() - self._life_ns)
        found = await self._reader.query(NOBODYS, lambda database: database.scalars(wanted).all())
        return frozenset((*found, self._instance_id))

    async def release(self) -> None:
        """Give up every lease and this process's place at once."""
        self._held = {}
        await self._run(NOBODYS, self._release)

    async def outlive_others(self) -> None:
        """Declare every other process dead: only for one that can prove it, as the owner of a SQLite file can."""
        await self._run(NOBODYS, self._outlive_others)
        self._alone = True

    def _now(self) -> ColumnElement[int]:
        if not self._shared:
            return literal(self._clock.now_ns(), BigInteger)
        return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000_000, BigInteger)

    def _renew(self, database: Connection, wanted: Sequence[str]) -> _Round:
        # Nobody waits in a circle: each locks its own row first, and another's only where that is free at once.
        self._live_on(database)
        leases = self._leases(database, wanted)
        # Read after the leases: whoever holds one of them lived by then.
        living = frozenset(database.scalars(select(INSTANCES.c.instance_id)))
        mine = [each for each in wanted if leases[each][1] == self._instance_id]
        free = [each for each in wanted if leases[each][1] not in living]
        plan = self._sharing.plan(mine, free, wanted=len(wanted), living=living)
        unnamed = {each for each, (_, holder) in leases.items() if holder == self._instance_id} - set(wanted)
        self._hand_back(database, [*plan.give, *unnamed])
        taken = self._take(database, {each: leases[each][0] for each in plan.take})
        kept = {each: leases[each][0] for each in mine if each not in plan.give}
        return _Round(living, kept | taken, frozenset(free) - taken.keys(), plan.beyond & taken.keys())

    def _live_on(self, database: Connection) -> None:
        now: int = database.execute(select(self._now())).scalar_one()
        mine = INSTANCES.c.instance_id == self._instance_id
        living = (
            update(INSTANCES).where(mine, INSTANCES.c.renew_time_ns > now - self._life_ns).values(renew_time_ns=now)
        )
        if database.execute(living).rowcount == 0:
            database.execute(delete(INSTANCES).where(mine))
            row = {"instance_id": self._instance_id, "start_time_ns": now, "renew_time_ns": now}
            database.execute(insert(INSTANCES).values(row))
            _free_all(database, LEASES.c.instance_id == self._instance_id)
        dead = select(INSTANCES.c.instance_id).where(INSTANCES.c.renew_time_ns <= now - self._life_ns)
        locked = dead.with_for_update(skip_locked=True)
        database.execute(delete(INSTANCES).where(INSTANCES.c.instance_id.in_(list(database.scalars(locked)))))

    def _leases(self, database: Connection, wanted: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Give epoch and holder of every lease, those of connections that never had one included."""
        leases = {each: (epoch, holder) for each, epoch, holder in database.execute(select(*LEASES.columns[:3]))}
        fresh = [each for each in wanted if each not in leases]
        if fresh:
            database.execute(_NEW_LEASE, [{"connection_id": each} for each in fresh])
        return leases | dict.fromkeys(fresh, (0, _NOBODY))

    def _hand_back(self, database: Connection, connection_ids: Sequence[str]) -> None:
        for some in _parts(connection_ids):
            _free_all(database, LEASES.c.connection_id.in_(some))

    def _take(self, database: Connection, epochs: Mapping[str, int]) -> dict[str, int]:
        """Take leases that still are at the epochs at which they were seen, passing by what is locked."""
        taken: dict[str, int] = {}
        for some in _parts(list(epochs)):
            wanted = select(LEASES.c.connection_id, LEASES.c.epoch).where(LEASES.c.connection_id.in_(some))
            locked = database.execute(wanted.with_for_update(skip_locked=True)).all()
            unchanged = [each for each, epoch in locked if epoch == epochs[each]]
            change = update(LEASES).where(LEASES.c.connection_id.in_(unchanged))
            database.execute(change.values(instance_id=self._instance_id, epoch=LEASES.c.epoch + 1))
            taken |= {each: epochs[each] + 1 for each in unchanged}
        return taken

    def _release(self, database: Connection) -> None:
        database.execute(delete(INSTANCES).where(INSTANCES.c.instance_id == self._instance_id))
        _free_all(database, LEASES.c.instance_id == self._instance_id)

    def _outlive_others(self, database: Connection) -> None:
        database.execute(delete(INSTANCES).where(INSTANCES.c.instance_id != self._instance_id))
        _free_all(database, LEASES.c.instance_id.not_in([self._instance_id, _NOBODY]))


def _free_all(database: Connection, which: ColumnElement[bool]) -> None:
    database.execute(update(LEASES).where(which).values(instance_id=_NOBODY, epoch=LEASES.c.epoch + 1))


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def _status(lease: Lease, status: FeedStatus) -> dict[str, Any]:
    return {
        "connection": lease.connection_id,
        "held_epoch": lease.epoch,
        "health": status.health.value,
        "detail": free_text(status.detail),
        "stream_up": status.stream_up,
        "last_message_ns": status.last_message_ns,
        "last_sync_ns": status.last_sync_ns,
        "next_sync_ns": status.next_sync_ns,
    }
