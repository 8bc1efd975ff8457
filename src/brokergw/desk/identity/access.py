"""What administrators give and take besides keys: roles, certificates, tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from brokergw.desk.identity.issuing import Issuing
from brokergw.desk.telling import audit_row
from brokergw.model.account import Environment
from brokergw.model.certificates import CertificateMapping, CertificateMatch
from brokergw.model.errors import FieldViolation, GatewayError, InvalidRequest, NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.ids import new_id
from brokergw.model.principal import Caller, Role, Scope
from brokergw.model.roles import ROLES_OF, scopes_allowed, scopes_left
from brokergw.ports.clock import Clock
from brokergw.ports.identity import CertificateDirectory, RoleDirectory, TokenDirectory

_TOKENS_KEPT_NS: Final = 30 * 86_400_000_000_000
"""For how long a revoked token is refused: longer than the gateway takes any token to live."""


class Granting:
    """Roles beyond USER."""

    def __init__(self, roles: RoleDirectory, clock: Clock) -> None:
        self._roles = roles
        self._clock = clock

    async def list(self) -> Mapping[str, frozenset[Role]]:
        """Give every user that has a role beyond USER, with those roles."""
        return await self._roles.list()

    async def grant(self, caller: Caller, user_id: str, role: Role) -> frozenset[Role]:
        """Give a user a role; gives what it has now beyond USER."""
        await self._roles.grant(user_id, role, self._audit(caller, "role.granted", user_id, role))
        return await self._roles.of(user_id) - {Role.USER}

    async def revoke(self, caller: Caller, user_id: str, role: Role) -> frozenset[Role]:
        """Take a role away; gives what is left beyond USER. Raises LAST_ADMIN."""
        await self._roles.revoke(user_id, role, self._audit(caller, "role.revoked", user_id, role))
        return await self._roles.of(user_id) - {Role.USER}

    def _audit(self, caller: Caller, action: str, user_id: str, role: Role) -> AuditRow:
        return audit_row(caller, self._clock.now_ns(), action, "OK", detail=f"user={user_id} role={role.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRequest:
    """Whom certificates of a kind shall speak for, and what they may do."""

    user_id: str
    name: str
    match: CertificateMatch
    value: str
    scopes: frozenset[Scope]
    accounts: frozenset[str] | None = None
    mode_max: Environment = Environment.LIVE
    expire_time_ns: int | None = None


class CertificateMappings:
    """Which certificates speak for whom."""

    def __init__(self, certificates: CertificateDirectory, roles: RoleDirectory, clock: Clock) -> None:
        self._certificates = certificates
        self._roles = roles
        self._clock = clock

    async def map(self, caller: Caller, request: MappingRequest) -> CertificateMapping:
        """Let certificates speak for a user; raises ROLE_MISSING, FIELD_INVALID, CERTIFICATE_MAPPED."""
        now = self._clock.now_ns()
        roles = await self._roles.of(request.user_id)
        _require_allowed(request, roles)
        if request.expire_time_ns is not None and request.expire_time_ns <= now:
            raise InvalidRequest((FieldViolation("expire_time", "must lie in the future"),))
        mapping = CertificateMapping(
            certificate_id=new_id("crt"),
            user_id=request.user_id,
            name=request.name,
            match=request.match,
            value=request.value,
            scopes=request.scopes,
            create_time_ns=now,
            accounts=request.accounts,
            mode_max=request.mode_max,
            expire_time_ns=request.expire_time_ns,
            roles=roles,
        )
        await self._certificates.add(mapping, self._audit(caller, "certificate.mapped", mapping, now))
        return mapping

    async def list(self, user_id: str | None) -> Sequence[CertificateMapping]:
        """List mappings, newest first."""
        return await self._certificates.list(user_id)

    async def unmap(self, caller: Caller, certificate_id: str) -> CertificateMapping:
        """Take a mapping away; done again it changes nothing. Raises CERTIFICATE_NOT_FOUND."""
        mapping = await self._certificates.get(certificate_id)
        if mapping is None:
            raise NotFound(Reason.CERTIFICATE_NOT_FOUND, "certificate", certificate_id)
        if mapping.revoke_time_ns is not None:
            return mapping
        now = self._clock.now_ns()
        await self._certificates.revoke(certificate_id, now, self._audit(caller, "certificate.unmapped", mapping, now))
        return replace(mapping, revoke_time_ns=now)

    def _audit(self, caller: Caller, action: str, mapping: CertificateMapping, now: int) -> AuditRow:
        told = f"certificate={mapping.certificate_id} user={mapping.user_id} {mapping.match.value}={mapping.value}"
        return audit_row(caller, now, action, "OK", detail=told)


class TokenRevoking:
    """Tokens that are refused though their issuer made them."""

    def __init__(self, tokens: TokenDirectory, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    async def revoke(self, caller: Caller, token_id: str) -> None:
        """Refuse a token from now on."""
        now = self._clock.now_ns()
        audit = audit_row(caller, now, "token.revoked", "OK", detail=f"token={token_id}")
        await self._tokens.revoke(token_id, now, now + _TOKENS_KEPT_NS, audit)


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that is given and taken."""

    keys: Issuing
    roles: Granting
    certificates: CertificateMappings
    tokens: TokenRevoking


def _require_allowed(request: MappingRequest, roles: frozenset[Role]) -> None:
    for scope in sorted(request.scopes - scopes_allowed(roles)):
        raise GatewayError(
            Reason.ROLE_MISSING,
            f"the user has no role that allows {scope.value}",
            metadata={"scope": scope.value, "roles": " ".join(sorted(ROLES_OF[scope]))},
        )
    lost = request.scopes - scopes_left(request.scopes, roles, request.accounts, request.mode_max)
    if lost or not request.scopes:
        rule = f"{' '.join(sorted(lost))} must not be there beside the others" if lost else "is required"
        raise InvalidRequest((FieldViolation("rights.scopes", rule),))
