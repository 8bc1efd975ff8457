"""Which user a client's certificate speaks for."""

from dataclasses import dataclass
from enum import StrEnum, unique

from brokergw.model.account import Environment
from brokergw.model.principal import Role, Scope


@unique
class CertificateMatch(StrEnum):
    """By what a certificate is known: its SHA-256 fingerprint as hex digits, or a URI or DNS name in it."""

    FINGERPRINT = "FINGERPRINT"
    URI = "URI"
    DNS = "DNS"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateMapping:
    """Whom certificates with a fingerprint or name speak for, and what they may do at most.

    `roles` are those of the user at the time of the read. From `expire_time_ns` on it is nobody's (None: while the
    certificate itself holds).
    """

    certificate_id: str
    user_id: str
    name: str
    match: CertificateMatch
    value: str
    scopes: frozenset[Scope]
    create_time_ns: int
    accounts: frozenset[str] | None = None
    mode_max: Environment = Environment.LIVE
    expire_time_ns: int | None = None
    revoke_time_ns: int | None = None
    roles: frozenset[Role] = frozenset({Role.USER})
