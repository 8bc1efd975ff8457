"""The principal behind a call, whatever it presents, and the watch over everybody's rights."""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Final

import structlog

from brokergw.desk.identity.api_keys import ApiKeys
from brokergw.desk.identity.certificates import Certificates
from brokergw.desk.identity.tokens import Tokens, looks_like_token
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.modes import lower
from brokergw.model.principal import Principal
from brokergw.model.roles import scopes_left
from brokergw.ports.clock import Clock
from brokergw.ports.identity import KeyDirectory, Presented

_LOOK_EVERY_S: Final = 0.25
_OPERATORS_EVERY_S: Final = 2.0

log = structlog.get_logger(__name__)


class CallerIdentity:
    """Implements `ports.identity.Identity`."""

    def __init__(
        self,
        directory: KeyDirectory,
        clock: Clock,
        api_keys: ApiKeys,
        certificates: Certificates | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self._directory = directory
        self._api_keys = api_keys
        self._certificates = certificates
        self._tokens = tokens
        self._clock = clock
        self._version = ""
        self._changes = 0

    @property
    def changes(self) -> int:
        """Rises when anybody's credentials or roles may have changed."""
        return self._changes

    async def authenticate(self, presented: Presented, *, lately: bool = False) -> Principal:
        """Give the principal behind what was presented: a key, a token, or the certificate alone.

        Where a certificate that speaks for somebody comes with a key or a token, that must be the same user's, and may
        do what both may. One that speaks for nobody is no more than the transport's own check.
        """
        if presented.token and not presented.certificate:
            return await self._bearer(presented, lately=lately)
        bearer = await self._bearer(presented, lately=lately) if presented.token else None
        if not presented.certificate or self._certificates is None:
            certified = None
        else:
            certified = await self._certificates.find(presented.certificate)
        if bearer is None and certified is None:
            if presented.certificate:
                raise GatewayError(Reason.CERTIFICATE_UNKNOWN, "the client's certificate speaks for nobody")
            raise GatewayError(Reason.CREDENTIALS_MISSING, "the call carries no API key")
        if bearer is None or certified is None:
            principal = bearer or certified
            assert principal is not None
            return principal
        return _both(bearer, certified)

    def _bearer(self, presented: Presented, *, lately: bool) -> Awaitable[Principal]:
        if self._tokens is not None and looks_like_token(presented.token):
            return self._tokens.authenticate(presented.token)
        return self._api_keys.authenticate(presented.token, presented.address, lately=lately)

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
        for known in (self._api_keys, self._certificates, self._tokens):
            if known is not None:
                known.forget()
        self._changes += 1


def _both(bearer: Principal, certified: Principal) -> Principal:
    """Give what is left to a user that showed a credential over a connection of its own."""
    if bearer.user_id != certified.user_id:
        raise GatewayError(
            Reason.CERTIFICATE_MISMATCH, "the credential and the client's certificate are not one user's"
        )
    restrictions = [each.accounts for each in (bearer, certified) if each.accounts is not None]
    accounts = frozenset.intersection(*restrictions) if restrictions else None
    mode_max = lower(bearer.mode_max, certified.mode_max)
    scopes = scopes_left(bearer.scopes & certified.scopes, bearer.roles, accounts, mode_max)
    ends = [end for end in (bearer.expire_time_ns, certified.expire_time_ns) if end is not None]
    end_ns = min(ends, default=None)
    return replace(bearer, scopes=scopes, accounts=accounts, mode_max=mode_max, expire_time_ns=end_ns)
