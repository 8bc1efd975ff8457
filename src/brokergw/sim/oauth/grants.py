"""What an authorization server remembers: codes, grants with their tokens, and what was used before."""

import base64
import hashlib
import hmac
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from brokergw.sim.oauth.manners import Manners

_NS: Final = 1_000_000_000


@dataclass(slots=True)
class SimGrant:
    """One login: a family of tokens that ends together."""

    number: int
    client_id: str
    account: str
    scope: str
    login_ns: int
    access_token: str = ""
    access_end_ns: int | None = None
    refresh_token: str = ""
    refreshes: int = 0
    former_token: str = ""
    rotate_ns: int = 0
    ended: bool = False


@dataclass(slots=True)
class Code:
    """A code, and what it was given for; `grant` is what it was exchanged for."""

    client_id: str
    redirect_uri: str
    scope: str
    account: str
    end_ns: int
    challenge: str = ""
    method: str = ""
    grant: SimGrant | None = None


@dataclass(slots=True)
class Memory:
    """Every code and token that was ever given."""

    manners: Manners
    now_ns: Callable[[], int]
    codes: dict[str, Code] = field(default_factory=dict)
    grants: list[SimGrant] = field(default_factory=list)
    by_access: dict[str, SimGrant] = field(default_factory=dict)
    by_refresh: dict[str, SimGrant] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def new_code(self, code: Code) -> str:
        """Keep a code and name it."""
        name = f"C0.{secrets.token_urlsafe(24)}@"
        self.codes[name] = code
        return name

    def new_grant(self, code: Code) -> SimGrant:
        """Turn a code into a grant with tokens."""
        grant = SimGrant(next(self._numbers), code.client_id, code.account, code.scope, self.now_ns())
        self.grants.append(grant)
        code.grant = grant
        self.give_tokens(grant)
        return grant

    def give_tokens(self, grant: SimGrant) -> None:
        """Give a grant its next tokens; what it had is dead where the server rotates."""
        manners = self.manners
        if manners.rotates:
            self.by_access.pop(grant.access_token, None)
        grant.access_token = f"at.{grant.number}.{secrets.token_urlsafe(24)}"
        life = manners.access_life_s
        grant.access_end_ns = None if life is None else self.now_ns() + life * _NS
        self.by_access[grant.access_token] = grant
        if manners.refreshes and (manners.rotates or not grant.refresh_token):
            grant.former_token, grant.rotate_ns = grant.refresh_token, self.now_ns()
            grant.refresh_token = f"rt.{grant.number}.{secrets.token_urlsafe(24)}"
            self.by_refresh[grant.refresh_token] = grant

    def end(self, grant: SimGrant) -> None:
        """End a whole family."""
        grant.ended = True
        self.by_access.pop(grant.access_token, None)

    def account_of(self, access_token: str) -> str | None:
        """Give whose account an access token opens; None for one that opens none."""
        grant = self.by_access.get(access_token)
        if grant is None or grant.ended or access_token != grant.access_token:
            return None
        if grant.access_end_ns is not None and self.now_ns() >= grant.access_end_ns:
            return None
        return grant.account

    def forgiven(self, grant: SimGrant, token: str) -> bool:
        """Whether the refresh token of before comes again, so soon that its answer may have been lost."""
        grace_ns = self.manners.reuse_grace_s * _NS
        return bool(token) and token == grant.former_token and self.now_ns() < grant.rotate_ns + grace_ns

    def over(self, grant: SimGrant) -> bool:
        """Whether a login is too old, or was ended."""
        life = self.manners.grant_life_s
        return grant.ended or (life is not None and self.now_ns() >= grant.login_ns + life * _NS)


def verifies(code: Code, verifier: str) -> bool:
    """Tell whether a verifier is that of a code's challenge."""
    if code.method == "plain":
        return hmac.compare_digest(code.challenge, verifier)
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(code.challenge, digest)
