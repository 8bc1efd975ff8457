"""What a chain starts from: a database with a user, a key and a connection, made once and copied for each chain."""

import asyncio
import base64
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from brokergw.app.clock import SystemClock
from brokergw.app.keys import add_key, request_of
from brokergw.app.secrets import load_secrets
from brokergw.app.settings import Settings
from brokergw.model.account import Connection, Environment
from brokergw.model.ids import new_id
from brokergw.model.principal import Role, Scope
from brokergw.ports.broker import Credentials
from brokergw.sim.dialects.alpaca import DEFAULT_KEY, DEFAULT_SECRET
from brokergw.store.open import open_store
from tests.chaos.cutter import CommitCutter
from tests.chaos.postgresql import PostgresqlServer, url_at
from tests.fixtures.two_roles import served

USER: Final = "alice"
_KEY: Final = base64.b64encode(bytes(range(32))).decode()
SECRETS: Final = {"CREDENTIALS_ENCRYPTION_KEY": _KEY, "BROKERGW_SIGNING_KEY": _KEY}


@dataclass(frozen=True, slots=True)
class Ground:
    """A database of one chain: its URL as the gateway has it, and as the runner has it, past every proxy."""

    url: str
    direct_url: str
    account_id: str
    api_key: str
    server: PostgresqlServer | None = None
    cutter: CommitCutter | None = None

    async def close(self) -> None:
        """End what runs for it."""
        if self.cutter is not None:
            await self.cutter.close()
        if self.server is not None:
            await self.server.kill()


class Grounds(Protocol):
    """Makes databases, each with a user who has one account at the broker."""

    async def fresh(self, directory: Path) -> Ground:
        """Make one for a chain whose files live in a directory."""
        ...


class SqliteGrounds:
    """SQLite files, copied."""

    def __init__(self, directory: Path) -> None:
        self._template = directory / "template.db"
        self._made: tuple[str, str] | None = None
        self._making = asyncio.Lock()

    async def fresh(self, directory: Path) -> Ground:
        """Copy the template."""
        async with self._making:
            if self._made is None:
                self._made = await populate(f"sqlite:///{self._template}", directory)
        target = directory / "gateway.db"
        shutil.copyfile(self._template, target)
        url = f"sqlite:///{target}"
        return Ground(url, url, *self._made)


class PostgresqlGrounds:
    """PostgreSQL clusters, copied; each chain has a server of its own, which it may kill, behind a cutter."""

    def __init__(self, directory: Path) -> None:
        self._template = PostgresqlServer(directory / "template-cluster")
        self._made: tuple[str, str] | None = None
        self._making = asyncio.Lock()

    async def fresh(self, directory: Path) -> Ground:
        """Copy the template and start the copy."""
        async with self._making:
            if self._made is None:
                await self._template.make()
                await self._template.start()
                self._made = await populate(served(self._template.url), directory, self._template.url)
                await self._template.stop()
        server = await self._template.copy_to(directory / "cluster")
        await server.start()
        cutter = await CommitCutter(server.port).open()
        return Ground(served(url_at(cutter.port)), server.url, *self._made, server, cutter)


def settings_of(directory: Path) -> Settings:
    """Give the settings whose secrets are those of the prepared databases."""
    return Settings(data_dir=directory, credentials_encryption_key=_KEY, signing_key=_KEY)


_SCOPES: Final = frozenset(Scope) - {Scope.KEYS_WRITE}
"""Whoever trades in these runs also throws the kill switch."""


async def populate(url: str, directory: Path, owner_url: str = "") -> tuple[str, str]:
    """Make the tables, the user, its key and its connection; gives the account's id and the key."""
    secrets = load_secrets(settings_of(directory))
    clock = SystemClock()
    keys = secrets.credentials_keys
    store = open_store(url, clock=clock, credentials_key=keys, upgrade_tables=True, owner_url=owner_url)
    async with store:
        _, token = await add_key(store, secrets, USER, request_of("chaos", _SCOPES), [Role.ADMIN])
        account_id = new_id("acc")
        connection = Connection(
            connection_id=new_id("con"),
            user_id=USER,
            broker="alpaca",
            environment=Environment.PAPER,
            account_id=account_id,
            account_label="Alpaca",
            has_key=True,
            key_last_four=DEFAULT_KEY[-4:],
            create_time_ns=clock.now_ns(),
        )
        await store.connections.add(connection, Credentials(key=DEFAULT_KEY, secret=DEFAULT_SECRET))
    return account_id, token
