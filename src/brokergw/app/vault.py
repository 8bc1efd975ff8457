"""The vault from the command line, straight in the database; and the word of a serving process on the keys it has."""

from collections.abc import AsyncIterator

import structlog

from brokergw.app.keys import store_of
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


async def watch_keys(vault: SqlVault, clock: Clock) -> None:
    """Take over the keys of a changed file, and tell the other processes which this one has; runs until cancelled."""
    while True:
        try:
            await vault.tell_keys()
        except GatewayError as error:
            log.warning("the other processes were not told which keys are here", reason=error.reason.value)
        await clock.sleep(_LOOK_EVERY_S)
