"""tastytrade's Open API. Token requests are JSON; refresh tokens never end and never change.

Source: tastytrade's developer documentation, OAuth2.
"""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.oauth import Body, Endpoints, OAuthProfile

TASTYTRADE: Final = OAuthProfile(
    broker="tastytrade",
    name="tastytrade",
    endpoints={
        Environment.LIVE: Endpoints(
            authorize_url="https://my.tastytrade.com/auth.html",
            token_url="https://api.tastyworks.com/oauth/token",  # noqa: S106 - an address
        ),
        Environment.PAPER: Endpoints(
            authorize_url="https://cert-my.staging-tasty.works/auth.html",
            token_url="https://api.cert.tastyworks.com/oauth/token",  # noqa: S106 - as above
        ),
    },
    body=Body.JSON,
    scopes=("read", "trade", "openid"),
    access_life_s=900,
    rotates=False,
)
