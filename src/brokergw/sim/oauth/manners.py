"""How each broker's authorization server behaves, from the brokers' own documentation and their users' accounts."""

from dataclasses import dataclass
from typing import Final

_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """One server's ways; the defaults are the standard's.

    `token_body` is form, json or query (a GET). `client_auth` is basic, body or any. `camel` answers in camel case and
    refuses with status 200. Lives are in seconds, None is for ever; `access_life_s` None is not told. `grant_life_s`
    counts from the login. `rotates`: a refresh token is good once, and one that comes again ends its whole family,
    unless it comes within `reuse_grace_s` of its first use: then the same pair is given again.
    `revoke_path` is where tokens are revoked, of the kinds that `revokes` names; `revoke_auth` may be bearer there.
    `pkce` is required, known (checked where it was begun) or ignored. `bearer` is what the token that opens the API is
    called.
    """

    authorize_path: str = "/oauth/authorize"
    token_path: str = "/oauth/token"  # noqa: S105 - a path
    revoke_path: str = ""
    revokes: tuple[str, ...] = ("refresh_token", "access_token")
    token_body: str = "form"  # noqa: S105 - a kind of body
    client_auth: str = "any"
    revoke_auth: str = "any"
    camel: bool = False
    echoes_state: bool = True
    code_life_s: int = 600
    access_life_s: int | None = 3_600
    refreshes: bool = True
    rotates: bool = True
    reuse_grace_s: int = 0
    grant_life_s: int | None = None
    pkce: str = "known"
    bearer: str = "access_token"
    expired_words: str = "invalid_grant"
    issuer: str = ""


MANNERS: Final = {
    "standard": Manners(pkce="required", issuer="https://sim.test", revoke_path="/oauth/revoke"),
    "alpaca": Manners(access_life_s=None, refreshes=False, pkce="ignored", client_auth="body"),
    "schwab": Manners(
        authorize_path="/v1/oauth/authorize",
        token_path="/v1/oauth/token",  # noqa: S106 - a path
        client_auth="basic",
        code_life_s=30,
        access_life_s=1_800,
        grant_life_s=7 * _DAY_S,
        pkce="ignored",
        expired_words="unsupported_token_type",
    ),
    "ctrader": Manners(
        authorize_path="/my/settings/openapi/grantingaccess/",
        token_path="/apps/token",  # noqa: S106 - a path
        token_body="query",  # noqa: S106 - a kind of body
        client_auth="body",
        camel=True,
        echoes_state=False,
        code_life_s=60,
        access_life_s=2_628_000,
        pkce="ignored",
    ),
    "tastytrade": Manners(
        authorize_path="/auth.html",
        token_body="json",  # noqa: S106 - a kind of body
        client_auth="body",
        access_life_s=900,
        rotates=False,
        pkce="ignored",
    ),
    "coinbase": Manners(
        authorize_path="/oauth2/auth",
        token_path="/oauth2/token",  # noqa: S106 - a path
        revoke_path="/oauth2/revoke",
        revokes=("access_token",),
        revoke_auth="bearer",
        client_auth="body",
        pkce="known",
    ),
    "akoya": Manners(
        authorize_path="/auth",
        token_path="/token",  # noqa: S106 - a path
        revoke_path="/revoke",
        revoke_auth="body",
        code_life_s=300,
        access_life_s=900,
        pkce="ignored",
        bearer="id_token",
    ),
}
