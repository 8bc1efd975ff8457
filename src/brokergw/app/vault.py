"""The vault from the command line, straight in the database; and the word of a serving process on the keys it has."""

from collections.abc import AsyncIterator

import structlog

from brokergw.app.key_file import KeyFile
from brokergw.app.keys import store_of
from brokergw.app.secrets import credentials_key_file, load_secrets
from brokergw.app.settings import Settings
from brokergw.model.errors import GatewayError
from brokergw.ports.clock import Clock
from brokergw.store.vault.rotation import Progress
from brokergw.store.vault.vault import SqlVault, VaultStatus

_LOOK_EVERY_S = 1.0

log = structlog.get_logger(__name__)


async def vault_status(settings: Settings) -> VaultStatus:
    """Tell what lies under which key, and which processes have which."""
    async with store_of(settings) as (store, _):
        return await store.vault.status()


async def rotate_vault(settings: Settings) -> AsyncIterator[Progress]:
    """Put everything under the primary key; raises RotationRefused."""
    async with store_of(settings) as (store, _):
        async for progress in store.vault.rotate():
            yield progress


def add_key(settings: Settings) -> str:
    """Make a key that opens and does not seal yet; gives its id. Raises ValueError where it cannot be done."""
    load_secrets(settings)
    return _file(settings).add()


async def use_key(settings: Settings, key_id: str) -> None:
    """Let a key of the file seal, once every living process has it; raises ValueError where it cannot be done."""
    file = _file(settings)
    async with store_of(settings) as (store, _):
        lacking = await store.vault.lacking(key_id)
    if lacking:
        raise ValueError(f"these processes do not have key {key_id} yet: {', '.join(lacking)}")
    file.put_first(key_id)


async def drop_key(settings: Settings, key_id: str) -> None:
    """Take a key that nothing needs any more out of the file; raises ValueError where it is needed."""
    file = _file(settings)
    found = {key.key_id: key for key in (await vault_status(settings)).keys}
    if key_id in found and not found[key_id].removable:
        raise ValueError(f"key {key_id} is needed still: see `brokergw vault status`")
    file.remove(key_id)


def _file(settings: Settings) -> KeyFile:
    if settings.credentials_encryption_key is not None:
        raise ValueError("CREDENTIALS_ENCRYPTION_KEY holds the keys: change them there")
    return KeyFile(credentials_key_file(settings))


async def watch_keys(vault: SqlVault, clock: Clock) -> None:
    """Take over the keys of a changed file, and tell the other processes which this one has; runs until cancelled."""
    while True:
        try:
            await vault.tell_keys()
        except GatewayError as error:
            log.warning("the other processes were not told which keys are here", reason=error.reason.value)
        await clock.sleep(_LOOK_EVERY_S)
