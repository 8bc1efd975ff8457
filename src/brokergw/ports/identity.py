"""Who calls: what a caller presents, the principal that stands behind it, and where keys and roles are kept."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from brokergw.model.certificates import CertificateMapping, CertificateMatch
from brokergw.model.events import AuditRow
from brokergw.model.principal import ApiKey, Principal, Role, Scope
from brokergw.model.quick import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What came with a call: a bearer token or API key, the client's certificate (PEM), and its address without port.

    Prints nothing of the token.
    """

    token: str = field(default="", repr=False)
    certificate: bytes = b""
    address: str = ""


class Identity(Protocol):
    """Finds the principal behind what was presented."""

    @property
    def changes(self) -> int:
        """Rises when anybody's credentials or roles may have changed, as soon as this process knows."""
        ...

    async def authenticate(self, presented: Presented, *, lately: bool = False) -> Principal:
        """Give the principal; raises a GatewayError of the UNAUTHENTICATED reasons, or ADDRESS_NOT_ALLOWED.

        With `lately`, where the record does not answer at once, it is enough that the credential was good when it was
        last looked up: for calls that stop trading.
        """
        ...


@dataclass(frozen=True, slots=True)
class Use:
    """When and from where a credential was last used."""

    time_ns: int
    address: str


class KeyDirectory(Protocol):
    """API keys: only a keyed hash of each is stored. Every key is given with its user's roles.

    What changes something takes the audit row that is written with it.
    """

    async def version(self) -> str:
        """Give a text that differs after every change of keys, roles and whatever else decides who may do what."""
        ...

    async def add(self, key: ApiKey, key_hash: str, audit: AuditRow | None = None, *, live_max: int = 0) -> None:
        """Store a new key and make its user known; gives the user the key's elevated roles too.

        Raises API_KEYS_EXCEED_LIMIT where the user would have more than `live_max` usable keys (0: any number).
        """
        ...

    async def add_first_admin(self, key: ApiKey, key_hash: str, audit: AuditRow) -> bool:
        """Store a key as `add` does, unless there is an administrator already; False then."""
        ...

    async def by_hash(self, key_hash: str) -> ApiKey | None:
        """Find the key behind a hash of its present or its last secret, also when it is revoked or expired."""
        ...

    async def get(self, key_id: str, user_id: str | None = None) -> ApiKey | None:
        """Find a key by its id, of one user or of any."""
        ...

    async def holders(self, scope: Scope) -> Mapping[str, ApiKey]:
        """Give the keys that have a scope and are not revoked, by their hashes."""
        ...

    async def list(self, user_id: str | None = None) -> Sequence[ApiKey]:
        """List keys, newest first."""
        ...

    async def revoke(self, key_id: str, time_ns: int, audit: AuditRow | None = None) -> bool:
        """Revoke a key; False when there is none."""
        ...

    async def rotate(self, key_id: str, key_hash: str, old_until_ns: int, audit: AuditRow | None = None) -> bool:
        """Give a key another secret; the one of before works until then, any earlier one no more.

        False when there is no such key, or it is revoked.
        """
        ...

    async def touch(self, uses: Mapping[str, Use]) -> None:
        """Note when keys were last used."""
        ...


class RoleDirectory(Protocol):
    """Which users are more than users: everybody is a USER without being listed."""

    async def of(self, user_id: str) -> frozenset[Role]:
        """Give a user's roles, USER among them."""
        ...

    async def list(self) -> Mapping[str, frozenset[Role]]:
        """Give every user that has a role beyond USER, with those roles."""
        ...

    async def grant(self, user_id: str, role: Role, audit: AuditRow) -> None:
        """Give a user a role, once; makes the user known."""
        ...

    async def revoke(self, user_id: str, role: Role, audit: AuditRow) -> bool:
        """Take a role away; False when the user did not have it. Raises LAST_ADMIN."""
        ...


class CertificateDirectory(Protocol):
    """Whom client certificates speak for. Every mapping is given with its user's roles."""

    async def add(self, mapping: CertificateMapping, audit: AuditRow) -> None:
        """Store a mapping; raises CERTIFICATE_MAPPED where that fingerprint or name speaks for somebody already."""
        ...

    async def matching(self, names: Collection[tuple[CertificateMatch, str]]) -> Sequence[CertificateMapping]:
        """Give the mappings of a certificate's fingerprint and names that were not taken away."""
        ...

    async def get(self, certificate_id: str) -> CertificateMapping | None:
        """Find a mapping."""
        ...

    async def list(self, user_id: str | None = None) -> Sequence[CertificateMapping]:
        """List mappings, newest first."""
        ...

    async def revoke(self, certificate_id: str, time_ns: int, audit: AuditRow) -> None:
        """Take a mapping away, once."""
        ...


@dataclass(frozen=True, slots=True)
class TokenStanding:
    """How a token and its user stand: whether it was revoked, and the user's roles."""

    revoked: bool
    roles: frozenset[Role]


class TokenDirectory(Protocol):
    """Which of the issuer's tokens are refused."""

    async def standing(self, token_id: str, user_id: str) -> TokenStanding:
        """Tell whether a token was revoked, and which roles its user has, in one look."""
        ...

    async def revoke(self, token_id: str, time_ns: int, keep_until_ns: int, audit: AuditRow) -> None:
        """Refuse a token until a time by which it has certainly expired; forgets those whose time has come."""
        ...


class KeySource(Protocol):
    """Where the issuer publishes the keys that its tokens are signed with."""

    async def fetch(self) -> bytes:
        """Fetch the key set as it is now (a JWK Set); raises ISSUER_UNAVAILABLE."""
        ...
