"""What a chain starts from: a database with a user, a key and a connection, made once and copied for each chain."""

import asyncio
import base64
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from brokergw.app.clock import SystemClock
from brokergw.app.keys import add_key, request_of
from brokergw.app.secrets import load_secrets
from brokergw.app.settings import Settings
from brokergw.model.account import Connection
from brokergw.model.ids import new_id
from brokergw.model.oauth import Grant
from brokergw.model.principal import Role, Scope
from brokergw.store.open import open_store
from tests.chaos.broker import ChaosBroker
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

    def __init__(self, directory: Path, broker: type[ChaosBroker]) -> None:
        self._broker = broker
        self._template = directory / f"template-{broker.capabilities.broker}.db"
        self._made: tuple[str, str] | None = None
        self._making = asyncio.Lock()

    async def fresh(self, directory: Path) -> Ground:
        """Copy the template."""
        async with self._making:
            if self._made is None:
                self._made = await populate(f"sqlite:///{self._template}", directory, self._broker)
        target = directory / "gateway.db"
        shutil.copyfile(self._template, target)
        url = f"sqlite:///{target}"
        return Ground(url, url, *self._made)


class PostgresqlGrounds:
    """PostgreSQL clusters, copied; each chain has a server of its own, which it may kill, behind a cutter."""

    def __init__(self, directory: Path, broker: type[ChaosBroker]) -> None:
        self._broker = broker
        self._template = PostgresqlServer(directory / f"template-{broker.capabilities.broker}")
        self._made: tuple[str, str] | None = None
        self._making = asyncio.Lock()

    async def fresh(self, directory: Path) -> Ground:
        """Copy the template and start the copy."""
        async with self._making:
            if self._made is None:
                await self._template.make()
                await self._template.start()
                url = self._template.url
                self._made = await populate(served(url), directory, self._broker, owner_url=url)
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


async def populate(url: str, directory: Path, broker: type[ChaosBroker], *, owner_url: str = "") -> tuple[str, str]:
    """Make the tables, the user, its key and its connection; gives the account's id and the key."""
    credentials = broker.credentials
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
            broker=broker.capabilities.broker,
            environment=broker.environment,
            account_id=account_id,
            account_label=broker.capabilities.name,
            has_key=True,
            key_last_four=credentials.get("key", "")[-4:],
            create_time_ns=clock.now_ns(),
        )
        if "access_token" in credentials:
            granted = Grant(
                connection_id=connection.connection_id,
                user_id=USER,
                version=1,
                authorize_time_ns=connection.create_time_ns,
            )
            await store.grants.open(replace(connection, credentials_version=1), credentials, granted)
        else:
            await store.connections.add(connection, credentials)
    return account_id, token
