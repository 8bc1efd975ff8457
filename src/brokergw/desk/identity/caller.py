"""The principal behind a call, whatever it presents, and the watch over everybody's rights."""

from typing import Final

import structlog

from brokergw.desk.identity.api_keys import ApiKeys
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import Principal
from brokergw.ports.clock import Clock
from brokergw.ports.identity import KeyDirectory, Presented

_LOOK_EVERY_S: Final = 0.25
_OPERATORS_EVERY_S: Final = 2.0

log = structlog.get_logger(__name__)


class CallerIdentity:
    """Implements `ports.identity.Identity`."""

    def __init__(self, directory: KeyDirectory, api_keys: ApiKeys, clock: Clock) -> None:
        self._directory = directory
        self._api_keys = api_keys
        self._clock = clock
        self._version = ""
        self._changes = 0

    @property
    def changes(self) -> int:
        """Rises when anybody's credentials or roles may have changed."""
        return self._changes

    async def authenticate(self, presented: Presented, *, lately: bool = False) -> Principal:
        """Give the principal behind what was presented."""
        if not presented.token:
            raise GatewayError(Reason.CREDENTIALS_MISSING, "the call carries no API key")
        return await self._api_keys.authenticate(presented.token, presented.address, lately=lately)

    async def watch(self) -> None:
        """Notice within a quarter of a second that somebody's rights have changed; runs for ever."""
        operators_known = -_OPERATORS_EVERY_S
        while True:
            try:
                await self.look()
                if self._clock.monotonic() - operators_known >= _OPERATORS_EVERY_S:
                    operators_known = self._clock.monotonic()
                    await self._api_keys.know_operators()
            except GatewayError as error:
                log.warning("who may do what is as it was known before", reason=error.reason.value)
            await self._clock.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """See whether anybody's rights have changed, and trust nothing known of before if so."""
        version = await self._directory.version()
        if version == self._version:
            return
        self._version = version
        self._api_keys.forget()
        self._changes += 1
