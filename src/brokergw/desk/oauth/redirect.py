"""Where brokers send people back to: one exact address for each broker, under one base.

A path of its own for each broker keeps a code of one from being sent to another (RFC 9700, 4.4).
"""

import ipaddress
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode, urlsplit

from brokergw.desk.oauth.state import challenge_of
from brokergw.model.account import Environment
from brokergw.model.errors import FieldViolation, GatewayError, InvalidRequest, Reason
from brokergw.model.oauth import OAuthProfile

CALLBACK_PATH: Final = "/oauth/callback/"
START_PATH: Final = "/oauth/start/"


class Redirects:
    """The addresses under `OAUTH_REDIRECT_BASE_URL`; raises ValueError for a base that no broker should send codes to.

    A base is `https://host[:port][/path]`, or `http://` on a loopback address, without query and fragment.
    """

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        if not base:
            return
        parts = urlsplit(base)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.query
            or parts.fragment
            or parts.username
        ):
            raise ValueError("OAUTH_REDIRECT_BASE_URL must be an address such as https://gateway.example.com")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("OAUTH_REDIRECT_BASE_URL must be https:// unless it is a loopback address")

    @property
    def prefix(self) -> str:
        """The path under which the gateway's own begin."""
        return urlsplit(self._base).path

    @property
    def secure(self) -> bool:
        """Whether the way there is encrypted."""
        return self._base.startswith("https://")

    def callback(self, profile: OAuthProfile) -> str:
        """Give the exact redirect URI of a broker; raises OAUTH_NOT_CONFIGURED, or InvalidRequest."""
        if not self._base:
            raise GatewayError(
                Reason.OAUTH_NOT_CONFIGURED,
                "the gateway has no OAUTH_REDIRECT_BASE_URL that brokers could send people to",
            )
        if not self.secure and not profile.plain_loopback:
            raise InvalidRequest(
                (FieldViolation("broker", f"{profile.name} sends people back to https:// addresses only"),)
            )
        return f"{self._base}{CALLBACK_PATH}{profile.broker}"

    def start(self, profile: OAuthProfile, state: str) -> str:
        """Give the address at the gateway that binds a browser to an attempt and sends it on."""
        return f"{self._base}{START_PATH}{profile.broker}?{urlencode({'state': state})}"


def authorization_url(
    profile: OAuthProfile,
    environment: Environment,
    *,
    client_id: str,
    redirect_uri: str,
    state: str,
    verifier: str,
    scopes: Sequence[str],
) -> str:
    """Write the address at the broker where a person authorises."""
    parameters = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "state": state}
    if scopes:
        parameters["scope"] = profile.scope_separator.join(scopes)
    if profile.pkce:
        parameters |= {"code_challenge": challenge_of(verifier), "code_challenge_method": "S256"}
    parameters |= dict(profile.parameters)
    return f"{profile.endpoints[environment].authorize_url}?{urlencode(parameters)}"


def is_issuer(profile: OAuthProfile, environment: Environment, issuer: str) -> bool:
    """Tell whether who says that it has issued a code is the server that was asked (RFC 9207).

    Where it is not known what a server calls itself, its name must at least be of the host that people are sent to.
    """
    endpoints = profile.endpoints[environment]
    if endpoints.issuer:
        return issuer == endpoints.issuer
    ours, theirs = urlsplit(endpoints.authorize_url), urlsplit(issuer)
    return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
