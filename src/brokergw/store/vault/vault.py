"""The vault as those see it who look after it: what lies under which key, who has which keys, and rotation."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from brokergw.model.events import AuditRow
from brokergw.model.whose import NOBODYS, everyone
from brokergw.ports.clock import Clock
from brokergw.ports.leases import Leases
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.tables import INSTANCE_KEYS, INSTANCES
from brokergw.store.vault.places import SEALED_COLUMNS
from brokergw.store.vault.rotation import Progress, Rotation
from brokergw.store.vault.seal import FORMAT, Seal

_TOLD_FOR_S: Final = 60.0
"""After which it is told again, because who was held dead for a while has lost its row."""

_SECRETS: Final = everyone("what lies under which key is counted over the secrets of all users")
_HEAD: Final = len(f"{FORMAT}.{'0' * 16}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """A key: whether it is in this process's ring, how many values lie under it, and which processes seal with it.

    `former` are those of the values that have a former format, which a rotation writes anew.
    """

    key_id: str
    in_ring: bool
    primary: bool
    values: int
    former: int
    sealing: tuple[str, ...]

    @property
    def removable(self) -> bool:
        """Whether nothing needs the key any more but backups."""
        return self.in_ring and not self.primary and self.values == 0 and not self.sealing


@dataclass(frozen=True, slots=True)
class VaultStatus:
    """Every key that is in the ring, in use or in a living process; `unready` are processes that lack the primary."""

    keys: tuple[KeyUse, ...]
    unready: tuple[str, ...]

    @property
    def lost(self) -> tuple[str, ...]:
        """The ids of keys that values lie under and that are not in the ring: those values do not open."""
        return tuple(key.key_id for key in self.keys if key.values and not key.in_ring)


class RotationRefused(Exception):
    """Living processes could not open what a rotation would write; the words name them and say what to do."""


class SqlVault:
    """Looks after the sealed values of a store."""

    def __init__(
        self,
        run: RunsWork,
        reader: Reader,
        seal: Seal,
        leases: Leases,
        record: Callable[[AuditRow], None],
        clock: Clock,
    ) -> None:
        self._run = run
        self._reader = reader
        self._seal = seal
        self._leases = leases
        self._record = record
        self._clock = clock
        self._told: tuple[str, ...] = ()
        self._tell_again_at = 0.0

    async def tell_keys(self) -> None:
        """Look whether the keys have changed, and let the other processes know which this one has.

        A rotation waits until each process that serves has told that it has the key.
        """
        ring, now = self._seal.ring, self._clock.monotonic()
        ring.refresh()
        if ring.ids == self._told and now < self._tell_again_at:
            return
        mine, ids = self._leases.instance_id, ring.ids

        def work(database: Connection) -> None:
            dead = INSTANCE_KEYS.c.instance_id.not_in(select(INSTANCES.c.instance_id))
            database.execute(delete(INSTANCE_KEYS).where(dead | (INSTANCE_KEYS.c.instance_id == mine)))
            database.execute(insert(INSTANCE_KEYS).values(instance_id=mine, key_ids=" ".join(ids)))

        await self._run(NOBODYS, work)
        self._told, self._tell_again_at = ids, now + _TOLD_FOR_S

    async def status(self) -> VaultStatus:
        """Count what lies under which key, and tell which processes have which."""
        ring = self._seal.ring
        rings = await self._rings_of_the_living()
        counts = await self._reader.query(_SECRETS, _counts)
        sealing = {each: key_ids[0] for each, key_ids in rings.items() if key_ids}
        known = [*ring.ids, *sorted({key_id for _, key_id in counts} | set(sealing.values()))]
        uses = tuple(
            KeyUse(
                key_id=key_id,
                in_ring=key_id in ring.ids,
                primary=key_id == ring.primary.key_id,
                values=sum(count for (_, under), count in counts.items() if under == key_id),
                former=sum(count for (form, under), count in counts.items() if under == key_id and form != FORMAT),
                sealing=tuple(sorted(each for each, first in sealing.items() if first == key_id)),
            )
            for key_id in dict.fromkeys(known)
        )
        return VaultStatus(uses, tuple(sorted(each for each, ids in rings.items() if ring.primary.key_id not in ids)))

    async def lacking(self, key_id: str) -> tuple[str, ...]:
        """Name the processes that do not have a key, or have not told."""
        rings = await self._rings_of_the_living()
        return tuple(sorted(each for each, ids in rings.items() if key_id not in ids))

    async def rotate(self) -> AsyncGenerator[Progress, None]:
        """Put everything under the primary key, telling how far it is; raises RotationRefused before anything is done.

        May be ended anywhere, run again, and run by several at once.
        """
        status = await self.status()
        if status.unready:
            raise RotationRefused(
                f"these processes do not have key {self._seal.ring.primary.key_id} and could not open what it seals: "
                f"{', '.join(status.unready)}; give it to them as a second key first"
            )
        progress = None
        try:
            async for progress in Rotation(self._run, self._reader, self._seal, self._clock).run():
                yield progress
        finally:
            if progress is not None:
                self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        key_id, shut = self._seal.ring.primary.key_id, len(progress.shut)
        row = AuditRow(
            time_ns=self._clock.now_ns(),
            request_id="",
            user_id="",
            key_id="",
            action="vault.rotated",
            outcome="REFUSED" if shut else "OK",
            detail=f"under={key_id} rewrapped={progress.done} of={progress.total} not_opened={shut}",
        )
        self._record(row)

    async def _rings_of_the_living(self) -> dict[str, Sequence[str]]:
        """Give the key ids of each process that serves; none for one that has not told."""
        rows = await self._reader.query(NOBODYS, lambda database: database.execute(select(INSTANCE_KEYS)).all())
        told = {row.instance_id: tuple(row.key_ids.split()) for row in rows}
        living = await self._leases.living()
        # Whoever only looks after the vault is counted among the living by itself, and serves nobody.
        own = set() if self._told else {self._leases.instance_id}
        return {each: told.get(each, ()) for each in living - own}


def _counts(database: Connection) -> Counter[tuple[str, str]]:
    """Count sealed values by format and key id."""
    counts: Counter[tuple[str, str]] = Counter()
    for column in SEALED_COLUMNS:
        head = func.substr(column.column, 1, _HEAD).label("head")
        for text, count in database.execute(select(head, func.count()).group_by("head")):
            form, _, key_id = text.rstrip(".").partition(".")
            counts[form, key_id] += count
    return counts
