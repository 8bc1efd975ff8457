"""Alpaca Connect. Its tokens have no end and no refresh token; PKCE is not part of it, and unknown parameters pass.

Source: Alpaca's documentation, Using OAuth2 and Trading API.
"""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.oauth import Endpoints, OAuthProfile

_ENDPOINTS: Final = Endpoints(
    authorize_url="https://app.alpaca.markets/oauth/authorize",
    token_url="https://api.alpaca.markets/oauth/token",  # noqa: S106 - an address
)


ALPACA_OAUTH: Final = OAuthProfile(
    broker="alpaca",
    name="Alpaca",
    endpoints={Environment.LIVE: _ENDPOINTS, Environment.PAPER: _ENDPOINTS},
    scopes=("account:write", "trading", "data"),
    refreshes=False,
    rotates=False,
)
