"""cTrader's Open API, by which Pepperstone and others are traded.

The token endpoint is a GET with everything in its address, secrets too; answers are in camel case, and refusals may
come with status 200 and an `errorCode`. A refresh token is good once, and the old pair is dead at once. The callback
is said to come without the state. Codes live for 60 seconds. Sources: cTrader's Open API documentation; its users'
accounts of the state.
"""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.oauth import DAY_S, Body, Endpoints, OAuthProfile, ReplyNames

_ENDPOINTS: Final = Endpoints(
    authorize_url="https://id.ctrader.com/my/settings/openapi/grantingaccess/",
    token_url="https://openapi.ctrader.com/apps/token",  # noqa: S106 - an address
)

CTRADER: Final = OAuthProfile(
    broker="ctrader",
    name="cTrader",
    # One login serves demo and live accounts.
    endpoints={Environment.LIVE: _ENDPOINTS, Environment.PAPER: _ENDPOINTS},
    body=Body.QUERY,
    names=ReplyNames(
        access_token="accessToken",  # noqa: S106 - names
        refresh_token="refreshToken",  # noqa: S106 - as above
        expires_in="expiresIn",
        token_type="tokenType",  # noqa: S106 - as above
        refusal="errorCode",
    ),
    echoes_state=False,
    scopes=("trading",),
    parameters=(("product", "web"),),
    access_life_s=2_628_000,
    refresh_lead_s=4 * DAY_S,
    warn_lead_s=2 * DAY_S,
)
