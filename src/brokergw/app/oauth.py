"""OAuth, wired: which brokers are authorised by it, and where people come back."""

from collections.abc import Mapping
from dataclasses import replace

from brokergw.adapters.alpaca import ALPACA_OAUTH
from brokergw.adapters.oauth import AKOYA, COINBASE, CTRADER, TASTYTRADE
from brokergw.adapters.schwab import SCHWAB_OAUTH
from brokergw.app.settings import Settings, split_address
from brokergw.desk.desk import Desk
from brokergw.desk.oauth.redirect import Redirects
from brokergw.desk.oauth.wiring import OAuthSources
from brokergw.model.oauth import Endpoints, OAuthProfile
from brokergw.ports.clock import Clock
from brokergw.store.open import Store
from brokergw.transport.oauth.client import TokenClient
from brokergw.web.server import WebServer


def oauth_profiles(settings: Settings) -> Mapping[str, OAuthProfile]:
    """Give each broker's profile; one without an adapter is kept for the day when it has one."""
    every = (_alpaca(settings), _schwab(settings), _ctrader(settings), TASTYTRADE, COINBASE, AKOYA)
    return {profile.broker: profile for profile in every}


def open_oauth(settings: Settings, store: Store, endpoint: TokenClient) -> OAuthSources:
    """Give the desk what it needs for OAuth."""
    return OAuthSources(
        profiles=oauth_profiles(settings),
        attempts=store.attempts,
        grants=store.grants,
        endpoint=endpoint,
        redirects=Redirects(settings.oauth_redirect_base_url),
    )


def open_web(settings: Settings, desk: Desk, store: Store, clock: Clock) -> WebServer | None:
    """Make the web server, where there is to be one; nothing is listening yet."""
    if not settings.web_listen or desk.oauth is None:
        return None
    host, port = split_address(settings.web_listen)
    return WebServer(desk.oauth.authorizing, desk.oauth.redirects, store.journal.record, clock, host=host, port=port)


def _alpaca(settings: Settings) -> OAuthProfile:
    base = settings.alpaca_oauth_url.rstrip("/")
    if not base:
        return ALPACA_OAUTH
    endpoints = Endpoints(authorize_url=f"{base}/oauth/authorize", token_url=f"{base}/oauth/token")
    return replace(ALPACA_OAUTH, endpoints=dict.fromkeys(ALPACA_OAUTH.endpoints, endpoints))


def _ctrader(settings: Settings) -> OAuthProfile:
    base = settings.ctrader_oauth_url.rstrip("/")
    if not base:
        return CTRADER
    authorize_url = f"{base}/my/settings/openapi/grantingaccess/"
    endpoints = Endpoints(authorize_url=authorize_url, token_url=f"{base}/apps/token")
    return replace(CTRADER, endpoints=dict.fromkeys(CTRADER.endpoints, endpoints))


def _schwab(settings: Settings) -> OAuthProfile:
    base = settings.schwab_oauth_url.rstrip("/")
    if not base:
        return SCHWAB_OAUTH
    endpoints = Endpoints(authorize_url=f"{base}/v1/oauth/authorize", token_url=f"{base}/v1/oauth/token")
    return replace(SCHWAB_OAUTH, endpoints=dict.fromkeys(SCHWAB_OAUTH.endpoints, endpoints))
