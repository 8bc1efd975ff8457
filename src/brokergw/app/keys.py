"""API keys from the command line, and what a new user starts with."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from brokergw.app.clock import SystemClock
from brokergw.app.secrets import Secrets, load_secrets
from brokergw.app.settings import Settings
from brokergw.desk.authenticate import hash_key, mint_key
from brokergw.model.account import Connection, Environment
from brokergw.model.ids import new_id
from brokergw.model.principal import OPERATORS, ApiKey, Scope
from brokergw.store.open import Store, open_store

_DAY_NS = 86_400_000_000_000


async def create_key(
    settings: Settings, user_id: str, name: str, scopes: Sequence[str], expires_in_days: int | None
) -> tuple[ApiKey, str]:
    """Make a key for a user, who starts with an account at the mock broker; gives what is stored, and the key.

    Raises ValueError that names an unknown scope. No scopes means all but those of operators.
    """
    granted = frozenset(Scope(scope) for scope in scopes) or frozenset(Scope) - OPERATORS
    async with store_of(settings) as (store, secrets):
        return await add_key(store, secrets, user_id, name, granted, expires_in_days)


async def add_key(
    store: Store, secrets: Secrets, user_id: str, name: str, scopes: frozenset[Scope], expires_in_days: int | None
) -> tuple[ApiKey, str]:
    """Make a key in an open store."""
    now = SystemClock().now_ns()
    key_id, token = mint_key()
    key = ApiKey(
        key_id=key_id,
        user_id=user_id,
        name=name,
        scopes=scopes,
        create_time_ns=now,
        expire_time_ns=None if expires_in_days is None else now + expires_in_days * _DAY_NS,
        revoke_time_ns=None,
    )
    await store.keys.add(key, hash_key(token, secrets.api_key_pepper))
    if not await store.connections.list(user_id):
        await store.connections.add(_mock_connection(user_id, now), None)
    return key, token


def _mock_connection(user_id: str, now_ns: int) -> Connection:
    """Every user starts at the mock broker."""
    account_id = new_id("acc")
    return Connection(
        connection_id=new_id("con"),
        user_id=user_id,
        broker="mock",
        environment=Environment.MOCK,
        account_id=account_id,
        account_label=f"Mock ****{account_id[-4:]}",
        has_key=False,
        key_last_four="",
        create_time_ns=now_ns,
    )


async def list_keys(settings: Settings, user_id: str | None) -> Sequence[ApiKey]:
    """List keys, newest first."""
    async with store_of(settings) as (store, _):
        return await store.keys.list(user_id)


async def revoke_key(settings: Settings, key_id: str) -> bool:
    """Revoke a key; False when there is none."""
    async with store_of(settings) as (store, _):
        return await store.keys.revoke(key_id, SystemClock().now_ns())


@asynccontextmanager
async def store_of(settings: Settings) -> AsyncIterator[tuple[Store, Secrets]]:
    """Open the store that the settings name, for a verb that works on it beside the gateway."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    secrets = load_secrets(settings)
    store = open_store(
        settings.store_url,
        clock=SystemClock(),
        credentials_key=secrets.credentials_keys,
        upgrade_tables=settings.upgrades_itself,
    )
    async with store:
        yield store, secrets
