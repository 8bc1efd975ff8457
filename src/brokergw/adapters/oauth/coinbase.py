"""Coinbase's App OAuth. Refresh tokens are given for `offline_access` only, good once and for a year and a half.

PKCE is plain unless S256 is named. The documentation separates scopes by commas in its words and by `+`, which is a
blank, in its example; blanks are what the standard says. A revocation takes an access token, which also is its proof,
and answers 200 whatever it was; whether the refresh token ends with it is not told. Source: Coinbase's developer
documentation, OAuth2.
"""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.oauth import ClientProof, Endpoints, OAuthProfile, TokenKind

COINBASE: Final = OAuthProfile(
    broker="coinbase",
    name="Coinbase",
    endpoints={
        Environment.LIVE: Endpoints(
            authorize_url="https://login.coinbase.com/oauth2/auth",
            token_url="https://login.coinbase.com/oauth2/token",  # noqa: S106 - an address
            revoke_url="https://login.coinbase.com/oauth2/revoke",
        )
    },
    scopes=(
        "wallet:accounts:read",
        "wallet:trades:read",
        "wallet:trades:create",
        "wallet:user:read",
        "offline_access",
    ),
    revoke_proof=ClientProof.BEARER,
    revokes=(TokenKind.ACCESS,),
    access_life_s=3_600,
)
