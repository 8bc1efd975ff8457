"""A vault full of credentials in a real database, and a process that reads and changes them all the time."""

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from brokergw.app.clock import SystemClock
from brokergw.app.secrets import load_secrets
from brokergw.app.settings import Settings
from brokergw.app.vault import watch_keys
from brokergw.model.account import Connection, Environment
from brokergw.model.errors import GatewayError
from brokergw.model.whose import only
from brokergw.ports.broker import Credentials
from brokergw.ports.vault import CredentialsMoved, Purpose
from brokergw.store import Sealed, Store, open_store
from brokergw.store.vault.ring import KeyRing
from tests.fixtures.patience import written

OLD, NEW = (bytes([number]) * 32 for number in (1, 2))
FIELDS: Final = 2
"""Records of one connection."""

_READERS: Final = 2
_WRITERS: Final = 1
_READ_EVERY_S: Final = 0.005
_WRITE_EVERY_S: Final = 0.01
_AT_ONCE: Final = 200


def written_down(*keys: bytes) -> str:
    """Write keys as a file of keys has them."""
    return "".join(base64.b64encode(key).decode() + "\n" for key in keys)


def secrets_of(number: int, change: int) -> Credentials:
    """Make what a connection's credentials are after so many changes."""
    return Credentials(key=f"PK{number:08}-{change:06}", secret=f"the secret of {number} after {change} changes")


@dataclass
class Load:
    """Readers and writers on one store; `found` is whatever did not go as it must."""

    store: Store
    dice: random.Random
    changes: dict[int, int]
    busy: set[int] = field(default_factory=set)
    opened: int = 0
    changed: int = 0
    late: int = 0
    putting: set["asyncio.Task[None]"] = field(default_factory=set)
    found: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Read and write until the end of the block."""
        work = [self._read() for _ in range(_READERS)] + [self._write() for _ in range(_WRITERS)]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def settled(self) -> None:
        """Wait until it is known of every change whether it was made."""
        await asyncio.gather(*self.putting)

    async def _read(self) -> None:
        while True:
            number = self.dice.randrange(len(self.changes))
            before, began_at = self.changes[number], time.monotonic()
            await self.open(number, before)
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_at)
            await asyncio.sleep(_READ_EVERY_S)

    async def open(self, number: int, before: int) -> None:
        """Open the credentials of a connection, which must be those after `before` changes, or later ones."""
        try:
            credentials = await self.store.connections.credentials(user_of(number), name_of(number), Purpose.SESSION)
        except Sealed as refusal:
            self.found.append(f"connection {number} does not open: {refusal.message}")
            return
        except GatewayError:
            self.late += 1
            return
        self.opened += 1
        # A change that is under way may show already.
        good = [secrets_of(number, change) for change in range(before, self.changes[number] + 2)]
        if credentials not in good:
            self.found.append(f"connection {number} has other credentials than were stored")

    async def _write(self) -> None:
        while True:
            number = self.dice.randrange(len(self.changes))
            if number not in self.busy:
                self.busy.add(number)
                try:
                    await self._change(number)
                finally:
                    self.busy.discard(number)
            await asyncio.sleep(_WRITE_EVERY_S)

    async def _change(self, number: int) -> None:
        connection = await self.store.connections.get(only(user_of(number)), name_of(number))
        assert connection is not None
        change = self.changes[number] + 1
        # Whoever ends the load in the middle still learns how this ended.
        putting = asyncio.create_task(self._put(connection, number, change))
        self.putting.add(putting)
        putting.add_done_callback(self.putting.discard)
        await asyncio.shield(putting)

    async def _put(self, connection: Connection, number: int, change: int) -> None:
        try:
            await self.store.connections.put_credentials(connection, secrets_of(number, change))
        except CredentialsMoved:
            self.found.append(f"a change of connection {number} met another that nobody made")
        except GatewayError:
            # The database was late, or did not say: what is stored says which of the two it was.
            await self._learn(number)
        else:
            self.changes[number] = change
            self.changed += 1

    async def _learn(self, number: int) -> None:
        await asyncio.sleep(1.0)
        stored = await self.store.connections.get(only(user_of(number)), name_of(number))
        assert stored is not None
        self.late += 1
        # The first version is that of no change.
        self.changes[number] = stored.credentials_version - 1


def name_of(number: int) -> str:
    """Give the id of a connection."""
    return f"con_{number:06}"


def user_of(number: int) -> str:
    """Give the user of a connection; several have more than one."""
    return f"usr_{number % 97}"


@dataclass
class World:
    """A vault: where it is, and who uses it."""

    directory: Path
    url: str
    load: Load

    @property
    def key_file(self) -> Path:
        """The file of keys that all processes read."""
        return self.directory / "keys"

    @property
    def environment(self) -> dict[str, str]:
        """What a process on this vault is told."""
        return {
            "BROKERGW_DATABASE_URL": self.url,
            "BROKERGW_DATA_DIR": str(self.directory),
            "BROKERGW_CREDENTIALS_KEY_FILE": str(self.key_file),
        }

    def write_keys(self, *keys: bytes) -> None:
        """Replace the file of keys, whole."""
        fresh = self.key_file.with_suffix(".new")
        fresh.write_text(written_down(*keys))
        fresh.replace(self.key_file)

    def open_with(self, *keys: bytes) -> Store:
        """Open the vault with keys of one's own."""
        return open_store(self.url, clock=SystemClock(), credentials_key=KeyRing(keys))


@asynccontextmanager
async def open_world(directory: Path, url: str, records: int, seed: int) -> AsyncIterator[World]:
    """Fill a vault under the old key, and serve it as a living process does."""
    world = World(directory, url, Load.__new__(Load))
    world.write_keys(OLD)
    settings = Settings(
        data_dir=directory, credentials_key_file=world.key_file, signing_key=SecretStr(written_down(NEW).strip())
    )
    keys = load_secrets(settings).credentials_keys
    async with open_store(url, clock=SystemClock(), credentials_key=keys) as store:
        world.load = Load(store, random.Random(seed), dict.fromkeys(range(records // FIELDS), 0))
        for start in range(0, records // FIELDS, _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, records // FIELDS))
            await asyncio.gather(
                *(written(partial(store.connections.add, _connection(each), secrets_of(each, 0))) for each in some)
            )
        serving = [asyncio.create_task(each) for each in (_live(store), watch_keys(store.vault, SystemClock()))]
        try:
            yield world
        finally:
            for task in serving:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*serving)


async def _live(store: Store) -> None:
    while True:
        await written(lambda: store.leases.renew([]))
        await asyncio.sleep(1.0)


def _connection(number: int) -> Connection:
    return Connection(
        connection_id=name_of(number),
        user_id=user_of(number),
        broker="alpaca",
        environment=Environment.PAPER,
        account_id=f"acc_{number:06}",
        account_label="Paper",
        has_key=True,
        key_last_four="",
        create_time_ns=number,
    )
