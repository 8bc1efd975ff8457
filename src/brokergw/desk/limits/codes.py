"""The second factor before a limit is raised."""

from typing import Protocol

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.mfa import MfaPurpose
from brokergw.ports.mfa import Authenticators


class UsesCodes(Protocol):
    """Uses up a code of a user's authenticator."""

    async def require(self, user_id: str, code: str, purpose: MfaPurpose) -> None:
        """Raise MFA_NOT_ENROLLED, MFA_CODE_INVALID or MFA_LOCKED unless the code is good."""
        ...


class CodeToRaise:
    """Asks those who have an authenticator for a code; those who have none have nothing to show."""

    def __init__(self, authenticators: Authenticators, codes: UsesCodes) -> None:
        self._authenticators = authenticators
        self._codes = codes

    async def __call__(self, user_id: str, code: str, what: str) -> None:
        """Raise MFA_REQUIRED, MFA_CODE_INVALID or MFA_LOCKED unless `what` may be done."""
        known = await self._authenticators.get(user_id)
        if known is None or not known.confirmed:
            return
        if not code:
            raise GatewayError(
                Reason.MFA_REQUIRED, f"to {what} needs a fresh code of the authenticator", metadata={"what": what}
            )
        await self._codes.require(user_id, code, MfaPurpose.RAISE_LIMIT)
