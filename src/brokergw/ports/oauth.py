"""OAuth as the desk needs it: the broker's token endpoint, and the durable book of attempts and grants."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from brokergw.model.account import Connection, Environment
from brokergw.model.oauth import Application, Grant, IssuedTokens, OAuthProfile, TokenKind
from brokergw.ports.broker import Credentials
from brokergw.ports.permit import Permit


class TokenRefused(Exception):
    """The authorization server has refused, for good; `code` is its own word, and holds nothing else of its answer."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the authorization server refused: {code}")
        self.code = code


class TokenNotSent(Exception):
    """Proved: not one byte of the request left."""


class TokenUnknown(Exception):
    """No usable answer: what was asked for may or may not have happened there."""


class TokenEndpoint(Protocol):
    """One attempt at a broker's token endpoint; raises TokenRefused, TokenNotSent or TokenUnknown."""

    async def exchange(
        self, profile: OAuthProfile, environment: Environment, application: Application, handover: "Handover"
    ) -> IssuedTokens:
        """Turn a code into tokens."""
        ...

    async def refresh(
        self,
        profile: OAuthProfile,
        environment: Environment,
        application: Application,
        refresh_token: str,
        permit: Permit,
    ) -> IssuedTokens:
        """Turn a refresh token into the next tokens; nothing leaves once the permit has expired."""
        ...

    async def revoke(
        self, profile: OAuthProfile, environment: Environment, application: Application, kind: TokenKind, token: str
    ) -> None:
        """End a token at the broker, where the profile offers that; one that has ended already is no refusal."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What proves that a code is ours."""

    code: str = field(repr=False)
    redirect_uri: str
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An authorization that a user has begun; `attempt_id` is the hash of its state, which is stored nowhere.

    `renews` is the connection that is authorised anew, empty for a new one; `connection_id` is that one's id either
    way. It is good for one callback, until `end_time_ns`.
    """

    attempt_id: str
    user_id: str
    connection_id: str
    broker: str
    environment: Environment
    redirect_uri: str
    application: Application = field(repr=False)
    verifier: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    create_time_ns: int
    end_time_ns: int
    renews: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right of one process to refresh one grant, from `asked_at` (monotonic seconds) on, for `life_s`."""

    grant: Grant
    holder: str
    asked_at: float
    life_s: float


class AttemptBook(Protocol):
    """Authorizations that were begun, for every process."""

    async def begin(self, attempt: Attempt, *, open_max: int) -> bool:
        """Keep an attempt; False when the user has so many open ones."""
        ...

    async def peek(self, attempt_id: str) -> Attempt | None:
        """Give an attempt that stays."""
        ...

    async def take(self, attempt_id: str, user_id: str | None) -> Attempt | None:
        """Remove an attempt and give it, to one caller ever; only a user's own, or anybody's when None."""
        ...


class GrantBook(Protocol):
    """Grants, for every process."""

    async def get(self, user_id: str, connection_id: str) -> Grant | None:
        """Read one grant."""
        ...

    async def all(self) -> Sequence[Grant]:
        """Read every user's grants."""
        ...

    async def open(self, connection: Connection, credentials: Credentials, grant: Grant) -> None:
        """Store a new connection with its credentials and its grant, in one commit."""
        ...

    async def replace(
        self, connection: Connection, credentials: Credentials, grant: Grant, *, since: int | None
    ) -> Connection:
        """Replace a connection's credentials and its grant, in one commit; raises CredentialsMoved.

        The grant takes the version that the credentials get. It replaces the grant of the version `since`, or whatever
        there is when None.
        """
        ...

    async def claim(self, user_id: str, connection_id: str, version: int, life_s: float) -> Claim | None:
        """Claim the refresh of a grant's present token, and count the try; None while another holds it, or when the
        grant has moved on or ended.
        """
        ...

    async def release(self, claim: Claim, grant: Grant) -> None:
        """Give a claim up and write what its grant came to without another token; nothing where it has moved on."""
        ...

    async def warned(self, grant: Grant, end_time_ns: int) -> bool:
        """Note that a person is being told of an end ahead; False when one was told, or it is the grant's no more."""
        ...
