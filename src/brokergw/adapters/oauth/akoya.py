"""Akoya, by which Fidelity's accounts are read. Calls carry the `id_token`; there is no access token.

A code is exchanged with HTTP Basic, a refresh token with id and secret beside it, and so it is revoked; refresh tokens
change. Sources: Akoya's documentation of its token flow, and the clients of its integrators.
"""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.oauth import ClientProof, Endpoints, OAuthProfile, ReplyNames, TokenKind

AKOYA: Final = OAuthProfile(
    broker="akoya",
    name="Akoya",
    endpoints={
        Environment.LIVE: Endpoints(
            authorize_url="https://idp.ddp.akoya.com/auth",
            token_url="https://idp.ddp.akoya.com/token",  # noqa: S106 - an address
            revoke_url="https://idp.ddp.akoya.com/revoke",
        ),
        Environment.PAPER: Endpoints(
            authorize_url="https://sandbox-idp.ddp.akoya.com/auth",
            token_url="https://sandbox-idp.ddp.akoya.com/token",  # noqa: S106 - as above
            revoke_url="https://sandbox-idp.ddp.akoya.com/revoke",
        ),
    },
    proof=ClientProof.BASIC,
    refresh_proof=ClientProof.PARAMETERS,
    revoke_proof=ClientProof.PARAMETERS,
    revokes=(TokenKind.REFRESH,),
    names=ReplyNames(access_token="id_token"),  # noqa: S106 - a name
    scopes=("openid", "profile", "offline_access"),
    parameters=(("connector", "fidelity"),),
    access_life_s=900,
)
