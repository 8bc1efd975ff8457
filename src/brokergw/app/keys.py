"""API keys and roles from the command line, straight in the gateway's database."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final

from brokergw.app.access import access_of
from brokergw.app.audit import audit_keeping
from brokergw.app.clock import SystemClock
from brokergw.app.database import owner_url
from brokergw.app.secrets import Secrets, load_secrets
from brokergw.app.settings import Settings
from brokergw.desk.identity.access import Access
from brokergw.desk.identity.issuing import KeyRequest, KeyRules
from brokergw.desk.identity.key_form import hash_key, mint_key
from brokergw.desk.telling import audit_row
from brokergw.model.account import Environment
from brokergw.model.principal import OPERATORS, ApiKey, Caller, Principal, Role, Scope
from brokergw.store.open import Store, open_store

_DAY_NS: Final = 86_400_000_000_000
COMMAND_LINE: Final = Caller(Principal("", "command-line", frozenset(), roles=frozenset(Role)), "")
"""Who has the database's own key: it may whatever it wants, and is on record by this name."""


def request_of(
    name: str,
    scopes: Collection[str] = (),
    expires_in_days: int | None = None,
    *,
    accounts: Collection[str] = (),
    mode: str = "",
    addresses: Sequence[str] = (),
) -> KeyRequest:
    """Read what a key shall be; raises ValueError that names an unknown scope or mode."""
    return KeyRequest(
        name=name,
        scopes=frozenset(map(Scope, scopes)),
        accounts=frozenset(accounts) if accounts else None,
        mode_max=Environment(mode.upper()) if mode else Environment.LIVE,
        addresses=tuple(addresses),
        expire_time_ns=None if expires_in_days is None else SystemClock().now_ns() + expires_in_days * _DAY_NS,
    )


async def create_key(
    settings: Settings, user_id: str, request: KeyRequest, roles: Collection[Role] = ()
) -> tuple[ApiKey, str]:
    """Make a key for a user, who starts with an account at the mock broker; gives what is stored, and the key."""
    async with direct_access(settings) as access:
        return await access.keys.issue(COMMAND_LINE, user_id, request, granting=frozenset(roles))


async def add_key(
    store: Store, secrets: Secrets, user_id: str, request: KeyRequest, roles: Collection[Role] = ()
) -> tuple[ApiKey, str]:
    """Make a key in an open store."""
    access = access_of(store, secrets, KeyRules(), SystemClock())
    return await access.keys.issue(COMMAND_LINE, user_id, request, granting=frozenset(roles))


async def bootstrap(settings: Settings, user_id: str) -> tuple[ApiKey, str] | None:
    """Make the first administrator and its key; None where there is an administrator already."""
    async with store_of(settings) as (store, secrets):
        now = SystemClock().now_ns()
        key_id, secret = mint_key()
        key = ApiKey(
            key_id=key_id,
            user_id=user_id,
            name="bootstrap",
            scopes=OPERATORS | {Scope.KEYS_READ, Scope.AUDIT_READ, Scope.RISK_READ, Scope.RISK_WRITE},
            create_time_ns=now,
            expire_time_ns=now + settings.api_key_days_max * _DAY_NS,
            revoke_time_ns=None,
            roles=frozenset({Role.ADMIN}),
        )
        audit = audit_row(COMMAND_LINE, now, "key.issued", "OK", detail=f"key={key_id} user={user_id} bootstrap")
        made = await store.keys.add_first_admin(key, hash_key(secret, secrets.api_key_pepper), audit)
        return (key, secret) if made else None


@asynccontextmanager
async def direct_access(settings: Settings) -> AsyncIterator[Access]:
    """Open what is given and taken, straight in the database that the settings name."""
    async with store_of(settings) as (store, secrets):
        yield access_of(store, secrets, settings.key_rules, SystemClock())


@asynccontextmanager
async def store_of(settings: Settings) -> AsyncIterator[tuple[Store, Secrets]]:
    """Open the store that the settings name, for a verb that works on it beside the gateway."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    secrets = load_secrets(settings)
    store = open_store(
        settings.store_url,
        clock=SystemClock(),
        credentials_key=secrets.credentials_keys,
        audit=audit_keeping(settings, secrets),
        upgrade_tables=settings.upgrades_itself,
        owner_url=owner_url(settings),
        patient=True,
    )
    async with store:
        yield store, secrets
