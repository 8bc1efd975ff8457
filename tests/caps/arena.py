"""Where caps are tried: a PostgreSQL, a broker with an account for each user, and four gateways that can be killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from brokergw.app.clock import SystemClock
from brokergw.app.keys import add_key, request_of
from brokergw.app.secrets import Secrets, load_secrets
from brokergw.app.settings import Settings
from brokergw.model.account import Connection, Environment
from brokergw.model.ids import new_id
from brokergw.ports.broker import Credentials
from brokergw.sim.dialects.alpaca import AlpacaOptions, serve_alpaca
from brokergw.sim.server import SimServer
from brokergw.store import Store, open_store
from tests.chaos.gateways import Gateway, Zygote
from tests.chaos.postgresql import PostgresqlServer, open_directory
from tests.chaos.prepared import SECRETS
from tests.fixtures.bare_client import BareClient
from tests.fixtures.two_roles import served

GATEWAYS: Final = 4
SYMBOLS: Final = ("AAPL", "MSFT", "SPY")
_TICK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a key, and an account of their own at the broker."""

    user_id: str
    api_key: str
    account_id: str


@dataclass
class Arena:
    """Everything that runs, and who trades."""

    directory: Path
    database_url: str
    store: Store
    sim: SimServer
    zygote: Zygote
    environment: dict[str, str]
    users: list[User]
    gateways: list[Gateway] = field(default_factory=list)

    async def start(self, number: int) -> None:
        """Start a gateway in its place."""
        log = self.directory / f"gateway-{number}.log"
        data = {"BROKERGW_DATA_DIR": str(self.directory / f"data-{number}")}
        gateway = await self.zygote.start({**self.environment, **data}, log)
        await gateway.serving()
        assert gateway.alive, gateway.said()[-4000:]
        self.gateways[number:] = [gateway, *self.gateways[number + 1 :]]

    @asynccontextmanager
    async def clients(self, user: User) -> AsyncIterator[list[BareClient]]:
        """Open a client of each gateway for a user."""
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(BareClient(gateway.target, user.api_key)) for gateway in self.gateways
            ]

    def prices(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Give bid and ask of each symbol."""
        found = {}
        for symbol in SYMBOLS:
            quote = self.sim.dialect.exchange.quote(symbol)
            found[symbol] = (quote.bid, quote.ask)
        return found


@asynccontextmanager
async def open_arena(users: int, cap: Decimal, seed: int) -> AsyncIterator[Arena]:
    """Set everything up; every user may have so much exposure."""
    keys = {f"PK{number:04}": f"secret-{number}" for number in range(users)}
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(open_directory())
        server = PostgresqlServer(directory / "postgresql")
        await server.make()
        await server.start()
        stack.push_async_callback(server.kill)
        options = AlpacaOptions(keys=keys, seed=seed, tick_interval_s=_TICK_S, cash=Decimal(10_000_000))
        sim = await stack.enter_async_context(await serve_alpaca(options=options))
        settings = Settings(
            data_dir=directory,
            credentials_encryption_key=SECRETS["CREDENTIALS_ENCRYPTION_KEY"],
            signing_key=SECRETS["BROKERGW_SIGNING_KEY"],
        )
        secrets = load_secrets(settings)
        store = open_store(
            served(server.url),
            clock=SystemClock(),
            credentials_key=secrets.credentials_keys,
            upgrade_tables=True,
            owner_url=server.url,
        )
        await stack.enter_async_context(store)
        known = [await _user(store, secrets, key, secret) for key, secret in keys.items()]
        zygote = await stack.enter_async_context(Zygote())
        environment = _environment(served(server.url), sim.url, cap)
        arena = Arena(directory, server.url, store, sim, zygote, environment, known)
        for number in range(GATEWAYS):
            await arena.start(number)
        stack.push_async_callback(_end, arena)
        yield arena


async def _end(arena: Arena) -> None:
    await asyncio.gather(*(gateway.kill() for gateway in arena.gateways if gateway.alive))
    with suppress(FileNotFoundError):
        (arena.directory / "postgresql" / "server.log").unlink()


async def _user(store: Store, secrets: Secrets, key: str, secret: str) -> User:
    user_id, account_id = f"usr_{key.lower()}", new_id("acc")
    _, token = await add_key(store, secrets, user_id, request_of("caps"))
    connection = Connection(
        connection_id=new_id("con"),
        user_id=user_id,
        broker="alpaca",
        environment=Environment.PAPER,
        account_id=account_id,
        account_label="Alpaca",
        has_key=True,
        key_last_four=key[-4:],
        create_time_ns=SystemClock().now_ns(),
    )
    await store.connections.add(connection, Credentials(key=key, secret=secret))
    return User(user_id, token, account_id)


def _environment(database_url: str, broker_url: str, cap: Decimal) -> dict[str, str]:
    return {
        **SECRETS,
        "PATH": "/usr/bin:/bin",
        "BROKERGW_LISTEN": "127.0.0.1:0",
        "BROKERGW_METRICS_LISTEN": "",
        "BROKERGW_DATABASE_URL": database_url,
        "BROKERGW_DATABASE_AUTO_UPGRADE": "false",
        "BROKERGW_MOCK_PERSISTENT": "false",
        "BROKERGW_INITIAL_MODE": "PAPER",
        "BROKERGW_ORDERS_PER_MINUTE": "1000000",
        "BROKERGW_READS_PER_MINUTE": "1000000",
        "BROKERGW_EXPOSURE_MAX": str(cap),
        "BROKERGW_ABSENCE_QUARANTINE_S": "1",
        "BROKERGW_RECONCILE_EVERY_S": "3600",
        "BROKERGW_ALPACA_PAPER_URL": broker_url,
        "BROKERGW_ALPACA_DATA_URL": broker_url,
        "BROKERGW_ALPACA_REQUESTS_PER_MINUTE": "0",
    }
