"""Charles Schwab's Trader API.

Codes live for about 30 seconds. The refresh token ends seven days after the login, whatever is refreshed; whether a
refresh changes it is told both ways, so what comes is kept. An ended one is refused in several words. Callbacks must be
https, to 127.0.0.1 too. Sources: Schwab's developer portal; the clients schwab-py, Schwabdev and schwab-go.
"""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.oauth import DAY_S, ClientProof, Endpoints, OAuthProfile

SCHWAB_OAUTH: Final = OAuthProfile(
    broker="schwab",
    name="Schwab",
    endpoints={
        Environment.LIVE: Endpoints(
            authorize_url="https://api.schwabapi.com/v1/oauth/authorize",
            token_url="https://api.schwabapi.com/v1/oauth/token",  # noqa: S106 - an address
        )
    },
    proof=ClientProof.BASIC,
    access_life_s=1_800,
    grant_life_s=7 * DAY_S,
    plain_loopback=False,
)
