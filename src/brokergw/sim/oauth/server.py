"""An authorization server: its endpoints, and every refusal of RFC 6749, 7636 and 7009.

People at its authorization page do what `decision` says: they agree at once, or one of the errors comes back.
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus, urlencode

from brokergw.sim.oauth.grants import Code, Memory, SimGrant, verifies
from brokergw.sim.oauth.manners import MANNERS, Manners
from brokergw.sim.wire import WireReply, WireRequest, encode_json

AGREED: Final = "agreed"
_NS: Final = 1_000_000_000
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered application, and whose account those open who log in with it."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    account: str
    scopes: frozenset[str] = frozenset()
    may_authorize: bool = True


class _Refusal(Exception):
    def __init__(self, error: str, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.error = error
        self.why = why
        self.status = status


class AuthorizationServer:
    """One broker's authorization server; `advance` moves its clock on."""

    def __init__(
        self, manners: Manners, clients: Mapping[str, Client], now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.manners = manners
        self.decision = AGREED
        self._clients = clients
        self._base_ns = now_ns
        self._ahead_ns = 0
        self.memory = Memory(manners, self.now_ns)

    @classmethod
    def named(cls, name: str, *clients: Client, now_ns: Callable[[], int] = time.time_ns) -> "AuthorizationServer":
        """Make the server of a broker."""
        return cls(MANNERS[name], {client.client_id: client for client in clients}, now_ns)

    def now_ns(self) -> int:
        """Give this server's time."""
        return self._base_ns() + self._ahead_ns

    def advance(self, seconds: float) -> None:
        """Move this server's clock on."""
        self._ahead_ns += round(seconds * _NS)

    def account_of(self, token: str) -> str | None:
        """Give whose account a bearer token opens."""
        return self.memory.account_of(token)

    def answer(self, request: WireRequest) -> WireReply | None:
        """Answer a request to one of the endpoints; None for one that is for somebody else."""
        path = request.path
        if path == self.manners.authorize_path:
            return self._authorize(request)
        if path == self.manners.token_path:
            return self._token(request)
        if self.manners.revoke_path and path == self.manners.revoke_path:
            return self._revocation(request)
        return None

    # The authorization endpoint

    def _authorize(self, request: WireRequest) -> WireReply:
        if request.method != "GET":
            return _page(405, "method not allowed")
        query = request.query
        client = self._clients.get(query.get("client_id", ""))
        redirect_uri = query.get("redirect_uri", "")
        if client is None or redirect_uri not in client.redirect_uris:
            # Whoever asks for an unknown client or address is not sent anywhere (RFC 6749, 4.1.2.1).
            return _page(400, "unknown client or redirect address")
        try:
            answer = {"code": self._code(query, client, redirect_uri)}
        except _Refusal as refusal:
            answer = {"error": refusal.error, "error_description": refusal.why}
        if self.manners.echoes_state and "state" in query:
            answer["state"] = query["state"]
        if self.manners.issuer:
            answer["iss"] = self.manners.issuer
        return WireReply(302, headers={"Location": f"{redirect_uri}?{urlencode(answer)}"})

    def _code(self, query: Mapping[str, str], client: Client, redirect_uri: str) -> str:
        kind = query.get("response_type", "")
        if not kind:
            raise _Refusal("invalid_request", "response_type is missing")
        if kind != "code":
            raise _Refusal("unsupported_response_type", "only code")
        if not client.may_authorize:
            raise _Refusal("unauthorized_client", "this client may not")
        scope = query.get("scope", "")
        if client.scopes and not set(scope.split()) <= client.scopes:
            raise _Refusal("invalid_scope", "not a scope of this client")
        challenge, method = self._challenge(query)
        if self.decision != AGREED:
            raise _Refusal(self.decision, "as decided")
        end_ns = self.now_ns() + self.manners.code_life_s * _NS
        return self.memory.new_code(
            Code(client.client_id, redirect_uri, scope, client.account, end_ns, challenge, method)
        )

    def _challenge(self, query: Mapping[str, str]) -> tuple[str, str]:
        if self.manners.pkce == "ignored":
            return "", ""
        challenge, method = query.get("code_challenge", ""), query.get("code_challenge_method", "plain")
        if not challenge:
            if self.manners.pkce == "required":
                raise _Refusal("invalid_request", "code_challenge is missing")
            return "", ""
        if method != "S256" and (method != "plain" or self.manners.pkce == "required"):
            raise _Refusal("invalid_request", "transform algorithm not supported")
        if method == "S256" and not _CHALLENGE.fullmatch(challenge):
            raise _Refusal("invalid_request", "code_challenge is malformed")
        return challenge, method

    # The token endpoint

    def _token(self, request: WireRequest) -> WireReply:
        try:
            asked = self._parameters(request)
            client = self._client(request, asked)
            return self._given(self._granted(asked, client))
        except _Refusal as refusal:
            return self._refused(refusal)

    def _granted(self, asked: Mapping[str, str], client: Client) -> SimGrant:
        match asked.get("grant_type", ""):
            case "authorization_code":
                return self._exchange(asked, client)
            case "refresh_token" if self.manners.refreshes:
                return self._refresh(asked, client)
            case "":
                raise _Refusal("invalid_request", "grant_type is missing")
            case _:
                raise _Refusal("unsupported_grant_type", "not this grant type")

    # The revocation endpoint (RFC 7009)

    def _revocation(self, request: WireRequest) -> WireReply:
        try:
            asked = self._parameters(request, "form")
            client = self._revoker(request, asked)
            self._revoke(asked, client)
        except _Refusal as refusal:
            return self._refused(refusal)
        return WireReply(200, headers={"Cache-Control": "no-store"})

    def _revoker(self, request: WireRequest, asked: Mapping[str, str]) -> Client | None:
        """Give who asks; None where the token speaks for itself."""
        if self.manners.revoke_auth != "bearer":
            return self._client(request, asked, self.manners.revoke_auth)
        if request.headers.get("Authorization", "") != f"Bearer {asked.get('token', '')}":
            raise _Refusal("invalid_client", "the token must be the bearer's", 401)
        return None

    def _revoke(self, asked: Mapping[str, str], client: Client | None) -> None:
        token = asked.get("token", "")
        if not token:
            raise _Refusal("invalid_request", "token is missing")
        # The hint only says where to look first.
        books = {"refresh_token": self.memory.by_refresh, "access_token": self.memory.by_access}
        found = next(((kind, book[token]) for kind, book in books.items() if token in book), None)
        if found is None:
            return
        kind, grant = found
        if client is not None and grant.client_id != client.client_id:
            raise _Refusal("invalid_grant", "the token was given to somebody else")
        if kind not in self.manners.revokes:
            raise _Refusal("unsupported_token_type", f"no {kind} is revoked here")
        if kind == "refresh_token":
            self.memory.end(grant)
        else:
            self.memory.by_access.pop(token)

    def _parameters(self, request: WireRequest, kind: str = "") -> dict[str, str]:
        kind = kind or self.manners.token_body
        if request.method != ("GET" if kind == "query" else "POST"):
            raise _Refusal("invalid_request", "the wrong method", 405)
        if kind == "query":
            return dict(request.query)
        if kind == "json":
            return _json_of(request.body)
        if not request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            raise _Refusal("invalid_request", "the wrong content type")
        pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        if len({name for name, _ in pairs}) != len(pairs):
            raise _Refusal("invalid_request", "a parameter came twice")
        return dict(pairs)

    def _client(self, request: WireRequest, asked: Mapping[str, str], auth: str = "") -> Client:
        auth = auth or self.manners.client_auth
        header = request.headers.get("Authorization", "")
        proofs = []
        if header:
            proofs.append(("basic", *_basic(header)))
        if "client_secret" in asked:
            proofs.append(("body", asked.get("client_id", ""), asked["client_secret"]))
        if len(proofs) != 1:
            raise _Refusal("invalid_client" if not proofs else "invalid_request", "prove the client once", 401)
        way, client_id, secret = proofs[0]
        client = self._clients.get(client_id)
        if client is None or secret != client.client_secret or auth not in {"any", way}:
            raise _Refusal("invalid_client", "client authentication failed", 401)
        return client

    def _exchange(self, asked: Mapping[str, str], client: Client) -> SimGrant:
        name = asked.get("code", "")
        if not name:
            raise _Refusal("invalid_request", "code is missing")
        code = self.memory.codes.get(name)
        if code is None or code.client_id != client.client_id:
            raise _Refusal("invalid_grant", "no such code")
        if code.grant is not None:
            self.memory.end(code.grant)
            raise _Refusal("invalid_grant", "the code was used")
        if self.now_ns() >= code.end_ns:
            raise _Refusal("invalid_grant", "the code has expired")
        if asked.get("redirect_uri") != code.redirect_uri:
            raise _Refusal("invalid_grant", "another redirect_uri")
        self._check_verifier(code, asked)
        return self.memory.new_grant(code)

    def _check_verifier(self, code: Code, asked: Mapping[str, str]) -> None:
        if self.manners.pkce == "ignored":
            return
        verifier = asked.get("code_verifier", "")
        if bool(verifier) is not bool(code.challenge):
            # A verifier without a challenge is how PKCE is taken out of a request on its way (RFC 9700, 4.8.2).
            raise _Refusal("invalid_grant", "verifier and challenge go together")
        if verifier and not (_VERIFIER.fullmatch(verifier) and verifies(code, verifier)):
            raise _Refusal("invalid_grant", "the verifier is wrong")

    def _refresh(self, asked: Mapping[str, str], client: Client) -> SimGrant:
        token = asked.get("refresh_token", "")
        if not token:
            raise _Refusal("invalid_request", "refresh_token is missing")
        grant = self.memory.by_refresh.get(token)
        if grant is None or grant.client_id != client.client_id:
            raise _Refusal("invalid_grant", "no such token")
        if self.memory.over(grant):
            raise _Refusal(self.manners.expired_words, "the login is over")
        if self.memory.forgiven(grant, token):
            return grant
        if token != grant.refresh_token:
            self.memory.end(grant)
            raise _Refusal("invalid_grant", "the token was used before: its family has ended")
        scope = asked.get("scope", "")
        if scope and not set(scope.split()) <= set(grant.scope.split()):
            raise _Refusal("invalid_scope", "more than was granted")
        grant.refreshes += 1
        self.memory.give_tokens(grant)
        return grant

    def _given(self, grant: SimGrant) -> WireReply:
        life = self.manners.access_life_s
        if self.manners.camel:
            body: dict[str, Any] = {
                "accessToken": grant.access_token,
                "tokenType": "bearer",
                "expiresIn": life,
                "refreshToken": grant.refresh_token,
                "errorCode": None,
                "description": None,
            }
        else:
            body = {self.manners.bearer: grant.access_token, "token_type": "bearer", "scope": grant.scope}
            if life is not None:
                body["expires_in"] = life
            if self.manners.refreshes:
                body["refresh_token"] = grant.refresh_token
        return WireReply(200, encode_json(body), {"Cache-Control": "no-store"})

    def _refused(self, refusal: _Refusal) -> WireReply:
        if self.manners.camel:
            return WireReply(200, encode_json({"errorCode": refusal.error, "description": refusal.why}))
        headers = {"Cache-Control": "no-store"}
        if refusal.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="token"'
        return WireReply(
            refusal.status, encode_json({"error": refusal.error, "error_description": refusal.why}), headers
        )


def _json_of(body: bytes) -> dict[str, str]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise _Refusal("invalid_request", "the body must be a JSON object of texts")
    return document


def _basic(header: str) -> tuple[str, str]:
    kind, _, encoded = header.partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        pair = ""
    if kind.lower() != "basic" or ":" not in pair:
        raise _Refusal("invalid_client", "not HTTP Basic", 401)
    client_id, _, secret = pair.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _page(status: int, text: str) -> WireReply:
    return WireReply(status, f"<!doctype html><p>{text}</p>".encode(), content_type="text/html; charset=utf-8")
