"""OAuth: how each broker's authorization server wants to be asked, and what a grant is worth until when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final

from brokergw.model.account import Environment

SECOND_NS: Final = 1_000_000_000
HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S


@unique
class Body(StrEnum):
    """How a token request carries its parameters; in a QUERY the request is a GET."""

    FORM = "FORM"
    JSON = "JSON"
    QUERY = "QUERY"


@unique
class ClientProof(StrEnum):
    """How a token request proves whose application asks: HTTP Basic, or id and secret beside the parameters.

    BEARER is for revocations alone: the token that is to end speaks for itself.
    """

    BASIC = "BASIC"
    PARAMETERS = "PARAMETERS"
    BEARER = "BEARER"


@unique
class TokenKind(StrEnum):
    """What a token is, in the words of RFC 7009."""

    REFRESH = "refresh_token"
    ACCESS = "access_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where one environment's authorization server is; `issuer` is what it calls itself (RFC 9207), where it says.

    `revoke_url` is where tokens are ended before their time (RFC 7009), empty where a broker offers no such thing.
    """

    authorize_url: str
    token_url: str
    issuer: str = ""
    revoke_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyNames:
    """What a token reply calls things; a `refusal` that is present and not null makes any reply a refusal."""

    access_token: str = "access_token"  # noqa: S105 - names, not tokens
    refresh_token: str = "refresh_token"  # noqa: S105 - as above
    expires_in: str = "expires_in"
    token_type: str = "token_type"  # noqa: S105 - as above
    scope: str = "scope"
    refusal: str = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthProfile:
    """One broker's OAuth, as one table row.

    `endpoints` has the environments that can be authorised for. `scopes` are asked for when the user names none,
    `parameters` are added to every authorization request. `echoes_state` False: the callback comes without our state.
    `refresh_proof` and `revoke_proof` are how a refresh and a revocation prove the application where that differs from
    `proof`; `revokes` are the kinds of tokens that are revoked, in this order.

    `access_life_s` stands in where a reply gives no life, None is for ever. `refreshes` False: there are no refresh
    tokens. `rotates`: each refresh may give another refresh token, and the old one is dead, at once or
    `reuse_grace_s` afterwards where a broker forgives a repeat for so long. `grant_life_s` is how long
    after the login the grant ends whatever is refreshed. A token is renewed `refresh_lead_s` before its end, or at 80 %
    of its life where that is None; a person is warned `warn_lead_s` before something ends that only a person, or a
    broker that answers, can mend.
    """

    broker: str
    name: str
    endpoints: Mapping[Environment, Endpoints]
    body: Body = Body.FORM
    proof: ClientProof = ClientProof.PARAMETERS
    refresh_proof: ClientProof | None = None
    revoke_proof: ClientProof | None = None
    revokes: tuple[TokenKind, ...] = (TokenKind.REFRESH, TokenKind.ACCESS)
    names: ReplyNames = field(default_factory=ReplyNames)
    pkce: bool = True
    echoes_state: bool = True
    scopes: tuple[str, ...] = ()
    scope_separator: str = " "
    parameters: tuple[tuple[str, str], ...] = ()
    access_life_s: int | None = None
    refreshes: bool = True
    rotates: bool = True
    reuse_grace_s: int = 0
    grant_life_s: int | None = None
    refresh_lead_s: int | None = None
    warn_lead_s: int = DAY_S
    plain_loopback: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A user's own application at a broker."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTokens:
    """What a token endpoint gave; `refresh_token` is empty where none came, `life_s` None where it did not say."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    life_s: int | None = None
    scope: str = ""


@dataclass(frozen=True, slots=True)
class EndAhead:
    """An end that only a person, or a broker that answers, can put off: when it is, and what to tell the person."""

    time_ns: int
    words: str


@unique
class GrantState(StrEnum):
    """Whether a grant can still give tokens."""

    ACTIVE = "ACTIVE"
    REAUTHORIZATION_REQUIRED = "REAUTHORIZATION_REQUIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a user has granted at a broker through one connection; the tokens themselves lie in the vault.

    `version` is that of the credentials which hold its tokens. `authorize_time_ns` is the login. `refresh_time_ns` is
    when the next refresh is due, None for never; `tries` counts the refreshes begun for the present token that nobody
    knows the end of, or that failed. `end_time_ns` is when the grant ends whatever is done. `detail` says in words why
    a person is needed; `told_end_time_ns` is the end ahead that a person was last told of.
    """

    connection_id: str
    user_id: str
    version: int
    authorize_time_ns: int
    access_end_time_ns: int | None = None
    refresh_time_ns: int | None = None
    end_time_ns: int | None = None
    state: GrantState = GrantState.ACTIVE
    detail: str = ""
    scope: str = ""
    tries: int = 0
    told_end_time_ns: int | None = None

    @property
    def active(self) -> bool:
        """Whether it can still give tokens."""
        return self.state is GrantState.ACTIVE
