"""Who calls, wired: keys, tokens, certificates, what watches over them, and who gives them out."""

import asyncio
from typing import Final

from brokergw.app.access import access_of
from brokergw.app.secrets import Secrets
from brokergw.app.settings import Settings
from brokergw.desk.identity.api_keys import ApiKeys
from brokergw.desk.identity.caller import CallerIdentity
from brokergw.desk.identity.certificates import Certificates
from brokergw.desk.identity.issuer_keys import IssuerKeys
from brokergw.desk.identity.tokens import Tokens
from brokergw.model.principal import Role
from brokergw.ports.clock import Clock
from brokergw.store.open import Store
from brokergw.transport.jwks import HttpKeySource


class IdentityParts:
    """The identity of callers in one process."""

    def __init__(self, settings: Settings, store: Store, secrets: Secrets, clock: Clock) -> None:
        self._roles = store.roles
        self._source: HttpKeySource | None = None
        self._api_keys = ApiKeys(store.keys, secrets.api_key_pepper, clock)
        certificates = Certificates(store.certificates, clock)
        self.caller: Final = CallerIdentity(
            store.keys, clock, self._api_keys, certificates, self._open_tokens(settings, store, clock)
        )
        self.access: Final = access_of(store, secrets, settings.key_rules, clock)

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
        """Write what is still to be written, and give up what is open."""
        await self._api_keys.uses.flush()
        if self._source is not None:
            await self._source.close()

    def _open_tokens(self, settings: Settings, store: Store, clock: Clock) -> Tokens | None:
        if not settings.oidc_issuer:
            return None
        self._source = HttpKeySource(settings.oidc_issuer, settings.oidc_jwks_url)
        return Tokens(settings.token_rules(), IssuerKeys(self._source, clock), store.tokens, clock)
