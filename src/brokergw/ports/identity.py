"""Who calls: what a caller presents, and the principal that stands behind it."""

from dataclasses import dataclass, field
from typing import Protocol

from brokergw.model.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What came with a call: a bearer token or API key, the client's certificate (PEM), and its address without port.

    Prints nothing of the token.
    """

    token: str = field(default="", repr=False)
    certificate: bytes = b""
    address: str = ""


class Identity(Protocol):
    """Finds the principal behind what was presented."""

    async def authenticate(self, presented: Presented, *, lately: bool = False) -> Principal:
        """Give the principal; raises a GatewayError of the UNAUTHENTICATED reasons.

        With `lately`, where the record does not answer at once, it is enough that the credential was good when it was
        last looked up: for calls that stop trading.
        """
        ...
