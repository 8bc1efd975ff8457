"""Who calls, wired: keys and what watches over them."""

import asyncio
from typing import Final

from brokergw.app.secrets import Secrets
from brokergw.desk.identity.api_keys import ApiKeys
from brokergw.desk.identity.caller import CallerIdentity
from brokergw.model.principal import Role
from brokergw.ports.clock import Clock
from brokergw.store.open import Store


class IdentityParts:
    """The identity of callers in one process."""

    def __init__(self, store: Store, secrets: Secrets, clock: Clock) -> None:
        self._roles = store.roles
        self._api_keys = ApiKeys(store.keys, secrets.api_key_pepper, clock)
        self.caller: Final = CallerIdentity(store.keys, self._api_keys, clock)

    def start(self) -> tuple["asyncio.Task[None]", ...]:
        """Begin to watch whose rights change; gives the tasks, which whoever starts them ends."""
        return (
            asyncio.create_task(self.caller.watch(), name="watch everybody's rights"),
            asyncio.create_task(self._api_keys.uses.run(), name="note when keys are used"),
        )

    async def lacks_admin(self) -> bool:
        """Tell whether nobody is an administrator yet."""
        return not any(Role.ADMIN in roles for roles in (await self._roles.list()).values())

    async def stop(self) -> None:
        """Write what is still to be written."""
        await self._api_keys.uses.flush()
