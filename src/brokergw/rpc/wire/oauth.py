"""Authorizations at brokers; secrets, states and codes come in, and only what a person needs to go there goes out."""

import re
from collections.abc import Iterable
from typing import Final

from brokerapi.v1 import oauth_pb2 as pb

from brokergw.desk.oauth.authorizing import Beginning, Begun, Callback
from brokergw.model.account import Environment
from brokergw.model.errors import Reason
from brokergw.model.oauth import Application
from brokergw.rpc.wire.found import Found, enum_from, optional_token_from, token_from
from brokergw.rpc.wire.times import time_to_proto
from brokergw.rpc.wire.trading import ENVIRONMENT_FROM

_CODE_LENGTH_MAX: Final = 4_096
_APPLICATION_LENGTH_MAX: Final = 512
_SCOPES_MAX: Final = 32
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_ISSUER_LENGTH_MAX: Final = 512


def begin_from_proto(request: pb.BeginOAuthRequest, found: Found) -> Beginning:
    """Read BeginOAuthRequest: what a new connection is for, or which one is authorised again."""
    environment = Environment.MOCK
    if request.connection_id:
        for name, given in (("broker", request.broker), ("environment", request.environment)):
            if given:
                found.add(name, "is that of the connection, and must not be set beside it")
    else:
        token_from(request.broker, "broker", found)
        environment = enum_from(
            ENVIRONMENT_FROM, request.environment, "environment", found, Reason.FIELD_INVALID, Environment.MOCK
        )
        if not request.HasField("application"):
            found.add("application", "is required for a new connection")
    return Beginning(
        broker=request.broker,
        environment=environment,
        connection_id=optional_token_from(request.connection_id, "connection_id", found),
        application=_application(request.application, found) if request.HasField("application") else None,
        scopes=_scopes(request.scopes, found),
    )


def complete_from_proto(request: pb.CompleteOAuthRequest, found: Found) -> Callback:
    """Read CompleteOAuthRequest."""
    if not _STATE.fullmatch(request.state):
        found.add("state", "must be the state that BeginOAuth gave")
    if bool(request.code) is bool(request.error):
        found.add("code", "is required, or `error` in its place")
    for name, value, most in (
        ("code", request.code, _CODE_LENGTH_MAX),
        ("issuer", request.issuer, _ISSUER_LENGTH_MAX),
        ("error", request.error, 64),
    ):
        _plain(value, name, most, found)
    return Callback(
        broker=token_from(request.broker, "broker", found),
        state=request.state,
        code=request.code,
        issuer=request.issuer,
        error=request.error,
    )


def begun_to_proto(begun: Begun) -> pb.BeginOAuthResponse:
    """Write where to go."""
    return pb.BeginOAuthResponse(
        start_url=begun.start_url,
        authorization_url=begun.authorization_url,
        state=begun.state,
        redirect_uri=begun.redirect_uri,
        expire_time=time_to_proto(begun.end_time_ns),
    )


def _application(message: pb.OAuthApplication, found: Found) -> Application:
    for name, value in (("client_id", message.client_id), ("client_secret", message.client_secret)):
        if not value:
            found.add(f"application.{name}", "is required")
        _plain(value, f"application.{name}", _APPLICATION_LENGTH_MAX, found)
    return Application(client_id=message.client_id, client_secret=message.client_secret)


def _scopes(scopes: Iterable[str], found: Found) -> tuple[str, ...]:
    named = tuple(scopes)
    if len(named) > _SCOPES_MAX or not all(_SCOPE.fullmatch(each) for each in named):
        found.add("scopes", f"must be at most {_SCOPES_MAX} scopes as brokers write them, without blanks")
    return named


def _plain(value: str, field: str, length_max: int, found: Found) -> None:
    if len(value) > length_max or not (value.isascii() and (value.isprintable() or not value)):
        found.add(field, f"must be at most {length_max} printable ASCII characters")
