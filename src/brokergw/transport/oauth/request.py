"""Requests to token endpoints, written as each profile wants them; and the address a person is sent to."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

from brokergw.model.account import Environment
from brokergw.model.oauth import Application, Body, ClientProof, OAuthProfile, TokenKind

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request, ready to leave; any part of it may be secret."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)


def token_request(
    profile: OAuthProfile,
    environment: Environment,
    application: Application,
    parameters: Mapping[str, str],
    proof: ClientProof,
) -> TokenRequest:
    """Write a token request; the application is proved in one way only, never in both (RFC 6749, 2.3)."""
    url = profile.endpoints[environment].token_url
    headers: dict[str, str] = {}
    whole = dict(parameters)
    if proof is ClientProof.BASIC:
        headers["Authorization"] = basic(application)
    else:
        whole |= {"client_id": application.client_id, "client_secret": application.client_secret}
    match profile.body:
        case Body.QUERY:
            return TokenRequest("GET", f"{url}?{urlencode(whole)}", headers, None)
        case Body.JSON:
            return TokenRequest("POST", url, headers | {"Content-Type": "application/json"}, json.dumps(whole).encode())
        case Body.FORM:
            return TokenRequest("POST", url, headers | {"Content-Type": _FORM}, urlencode(whole).encode())


def revoke_request(
    profile: OAuthProfile, environment: Environment, application: Application, kind: TokenKind, token: str
) -> TokenRequest:
    """Write a revocation, which is a form whatever else a broker likes (RFC 7009, 2.1)."""
    headers = {"Content-Type": _FORM}
    whole = {"token": token, "token_type_hint": kind.value}
    match profile.revoke_proof or profile.proof:
        case ClientProof.BASIC:
            headers["Authorization"] = basic(application)
        case ClientProof.PARAMETERS:
            whole |= {"client_id": application.client_id, "client_secret": application.client_secret}
        case ClientProof.BEARER:
            headers["Authorization"] = f"Bearer {token}"
    return TokenRequest("POST", profile.endpoints[environment].revoke_url, headers, urlencode(whole).encode())


def basic(application: Application) -> str:
    """Write the header of HTTP Basic; id and secret are form-encoded first (RFC 6749, 2.3.1)."""
    pair = f"{quote_plus(application.client_id)}:{quote_plus(application.client_secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
