"""Who stands behind a token of the configured issuer: a signed JWT, read by the rules of RFC 8725.

One issuer, one set of keys, asymmetric algorithms only, a type, an audience and times that must all be there. What the
token says of where its key could be found (`jku`, `x5u`, `jwk`, `x5c`) is never looked at.
"""

import base64
import binascii
import hashlib
import hmac
import math
import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Final

from jwt.algorithms import get_default_algorithms

from brokergw.desk.identity.issuer_keys import IssuerKeys
from brokergw.desk.identity.strict_json import NotStrict, strict_object
from brokergw.desk.identity.token_rules import TokenRules, texts
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import CredentialKind, Principal, Role, Scope
from brokergw.model.roles import scopes_left
from brokergw.ports.clock import Clock
from brokergw.ports.identity import TokenDirectory

_BYTES_MAX: Final = 6_144
"""Less than what gRPC takes of metadata in any case."""

_PART: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_USER: Final = re.compile(r"[!-~]{1,64}", re.ASCII)
_NAME_MAX: Final = 256
_SECOND_NS: Final = 1_000_000_000
_YEAR_10000_S: Final = 253_402_300_800
_TRUSTED_FOR_S: Final = 1.0
_REMEMBERED_MAX: Final = 10_000
_ALGORITHMS: Final = get_default_algorithms()
_ALGORITHMS["Ed25519"] = _ALGORITHMS["EdDSA"]


def looks_like_token(text: str) -> bool:
    """Tell a token from an API key: three parts with full stops between them."""
    return text.count(".") == 2


@dataclass(slots=True)
class _Known:
    """A good token, and what its claims and the record say of its user, looked up at a time of the monotonic clock."""

    looked_up: float
    principal: Principal
    scopes: frozenset[Scope]
    token_roles: frozenset[Role] | None
    revoked: bool = False


class Tokens:
    """Turns a token into the principal behind it; a revocation acts within a second."""

    def __init__(self, rules: TokenRules, keys: IssuerKeys, directory: TokenDirectory, clock: Clock) -> None:
        self._rules = rules
        self._keys = keys
        self._directory = directory
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def authenticate(self, token: str) -> Principal:
        """Give the principal; raises TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED or ISSUER_UNAVAILABLE.

        A signature is checked once; times are looked at on every call, and every second whether it was revoked and
        what its user may do.
        """
        mark = hashlib.sha256(token.encode()).digest()
        known = self._known.get(mark)
        if known is None:
            known = await self._checked(token)
        now_ns = self._clock.now_ns()
        end_ns = known.principal.expire_time_ns
        if end_ns is None or end_ns <= now_ns:
            self._known.pop(mark, None)
            raise GatewayError(Reason.TOKEN_EXPIRED, "the token has expired")
        if self._clock.monotonic() - known.looked_up >= _TRUSTED_FOR_S:
            known = await self._looked_up(known)
            self._remember(mark, known)
        if known.revoked:
            raise GatewayError(Reason.TOKEN_REVOKED, "the token was revoked")
        return known.principal

    def forget(self) -> None:
        """Look every user up again before it is trusted: somebody's rights have changed."""
        for known in self._known.values():
            known.looked_up = -math.inf

    async def _checked(self, token: str) -> _Known:
        try:
            header, claims, signed, signature = _parts(token)
            algorithm, key_id = self._header(header)
        except NotStrict:
            raise _invalid("is not a signed token") from None
        key = await self._keys.find(key_id)
        if key is None or not key.fits(algorithm):
            raise _invalid("is not signed with a key of the issuer's")
        if not _ALGORITHMS[algorithm].verify(signed, key.public, signature):
            raise _invalid("has a wrong signature")
        try:
            return self._principal(strict_object(claims), token)
        except NotStrict:
            raise _invalid("has claims that cannot be read") from None

    def _header(self, header: dict[str, Any]) -> tuple[str, str]:
        algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ")
        if "crit" in header or "b64" in header or "zip" in header or "enc" in header:
            raise _invalid("asks for something that is not done here")
        if not isinstance(algorithm, str) or algorithm not in self._rules.algorithms:
            raise _invalid("is signed in a way that is not taken")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in self._rules.types:
            raise _invalid("is not of the type that is taken")
        if not isinstance(key_id, str) or not 0 < len(key_id) <= _NAME_MAX:
            raise _invalid("does not name its key")
        return algorithm, key_id

    def _principal(self, claims: dict[str, Any], token: str) -> _Known:
        rules = self._rules
        if not _same(claims.get("iss"), rules.issuer):
            raise _invalid("is another issuer's")
        if not rules.audiences.intersection(texts(claims.get("aud"))):
            raise _invalid("is for somebody else")
        end_ns = self._times(claims)
        user_id = claims.get(rules.user_claim)
        if not isinstance(user_id, str) or _USER.fullmatch(user_id) is None:
            raise _invalid("names no user")
        token_id = claims.get("jti")
        if token_id is None:
            token_id = f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"
        if not isinstance(token_id, str) or not 0 < len(token_id) <= _NAME_MAX:
            raise _invalid("has an id that cannot be read")
        principal = Principal(user_id, token_id, frozenset(), frozenset(), CredentialKind.JWT, expire_time_ns=end_ns)
        return _Known(-math.inf, principal, rules.scopes_of(claims), rules.roles_of(claims))

    def _times(self, claims: dict[str, Any]) -> int:
        """Check the token's times; gives when it is over, leeway included."""
        rules, now_s = self._rules, self._clock.now_ns() / _SECOND_NS
        made_s, end_s = _moment(claims.get("iat")), _moment(claims.get("exp"))
        if made_s is None or end_s is None or ("nbf" in claims and _moment(claims["nbf"]) is None):
            raise _invalid("has no times, or ones that cannot be read")
        begin_s = max(made_s, _moment(claims.get("nbf")) or made_s)
        if begin_s > now_s + rules.leeway_s:
            raise _invalid("is not valid yet")
        if not 0 < end_s - made_s <= rules.lifetime_max_s:
            raise _invalid("lives longer than tokens may")
        return round((end_s + rules.leeway_s) * _SECOND_NS)

    async def _looked_up(self, known: _Known) -> _Known:
        looked_up, principal = self._clock.monotonic(), known.principal
        standing = await self._directory.standing(principal.key_id, principal.user_id)
        roles = standing.roles if known.token_roles is None else known.token_roles | {Role.USER}
        left = scopes_left(known.scopes, roles, principal.accounts, principal.mode_max)
        seen = replace(principal, roles=roles, scopes=left)
        return replace(known, looked_up=looked_up, principal=seen, revoked=standing.revoked)

    def _remember(self, mark: bytes, known: _Known) -> None:
        self._known[mark] = known
        self._known.move_to_end(mark)
        if len(self._known) > _REMEMBERED_MAX:
            self._known.popitem(last=False)


def _parts(token: str) -> tuple[dict[str, Any], bytes, bytes, bytes]:
    """Take a token apart: header, claims as they were written, what is signed, signature; raises NotStrict."""
    parts = token.split(".")
    if len(token) > _BYTES_MAX or len(parts) != 3:
        raise NotStrict("no token")
    header, claims, signature = map(_decoded, parts)
    return strict_object(header), claims, token.rpartition(".")[0].encode(), signature


def _decoded(part: str) -> bytes:
    """Decode a part; there is one way to write it, so that no token has a second text."""
    if _PART.fullmatch(part) is None:
        raise NotStrict("no base64url")
    try:
        read = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise NotStrict("no base64url") from None
    if base64.urlsafe_b64encode(read).rstrip(b"=").decode() != part:
        raise NotStrict("no canonical base64url")
    return read


def _moment(said: Any) -> float | None:
    """Read a NumericDate as Unix seconds."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return said if 0 < said < _YEAR_10000_S else None


def _same(said: Any, meant: str) -> bool:
    return isinstance(said, str) and hmac.compare_digest(said.encode(), meant.encode())


def _invalid(why: str) -> GatewayError:
    return GatewayError(Reason.TOKEN_INVALID, f"the token {why}")
