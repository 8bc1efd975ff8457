"""Keys, roles and certificates. A key's text goes out once, in the answer that makes it."""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from brokerapi.v1 import keys_pb2 as pb
from brokerapi.v1 import trading_pb2

from brokergw.desk.identity.access import MappingRequest
from brokergw.desk.identity.certificates import is_fingerprint
from brokergw.desk.identity.issuing import OVERLAP_MAX_S, KeyRequest
from brokergw.model.account import Environment
from brokergw.model.certificates import CertificateMapping, CertificateMatch
from brokergw.model.errors import Reason
from brokergw.model.principal import ApiKey, Role, Scope
from brokergw.rpc.wire.found import Found, enum_from, name_from, optional_token_from, token_from
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.times import optional_time, seconds_from, time_from, time_to_proto
from brokergw.rpc.wire.trading import ENVIRONMENT_FROM, ENVIRONMENT_TO

_OVERLAP_S: Final = 3_600.0
_LISTED_MAX: Final = 100
_VALUE_LENGTH_MAX: Final = 256

_ROLE_TO: Final = {role: pb.Role.Value(f"ROLE_{role.value}") for role in Role}
_GRANTABLE: Final[dict[int, Role]] = {number: role for role, number in _ROLE_TO.items() if role is not Role.USER}
_MATCH_TO: Final = {match: pb.CertificateMatch.Value(f"CERTIFICATE_MATCH_{match.value}") for match in CertificateMatch}
_MATCH_FROM: Final[dict[int, CertificateMatch]] = {number: match for match, number in _MATCH_TO.items()}
_SCOPES: Final = {scope.value: scope for scope in Scope}

_Issue: TypeAlias = pb.IssueKeyRequest | pb.IssueApiKeyRequest
_Rotate: TypeAlias = pb.RotateKeyRequest | pb.RotateApiKeyRequest


@dataclass(frozen=True, slots=True)
class Issue:
    """What a new key shall be, and whose; empty is the caller's."""

    user_id: str
    request: KeyRequest


@dataclass(frozen=True, slots=True)
class Rotation:
    """Which key gets another secret, and for how long the one of before goes on working."""

    key_id: str
    overlap_s: float


@dataclass(frozen=True, slots=True)
class RoleChange:
    """Who gets or loses which role."""

    user_id: str
    role: Role


def as_it_is(request: Any, found: Found) -> Any:  # noqa: ARG001 - there is nothing to check
    """Read a request that holds nothing."""
    return request


def issue_own_from_proto(request: pb.IssueKeyRequest, found: Found) -> Issue:
    """Read IssueKeyRequest."""
    return Issue("", _key_request(request, found))


def issue_from_proto(request: pb.IssueApiKeyRequest, found: Found) -> Issue:
    """Read IssueApiKeyRequest."""
    return Issue(token_from(request.user_id, "user_id", found), _key_request(request, found))


def rotate_from_proto(request: _Rotate, found: Found) -> Rotation:
    """Read which key is to be rotated."""
    overlap_s = seconds_from(request.overlap) if request.HasField("overlap") else _OVERLAP_S
    if not 0 <= overlap_s <= OVERLAP_MAX_S:
        found.add("overlap", "must be between 0 and seven days")
    return Rotation(token_from(request.key_id, "key_id", found), overlap_s)


def key_from_proto(request: pb.RevokeKeyRequest | pb.RevokeApiKeyRequest, found: Found) -> str:
    """Read which key a request is about."""
    return token_from(request.key_id, "key_id", found)


def list_from_proto(request: pb.ListApiKeysRequest, found: Found) -> pb.ListApiKeysRequest:
    """Check ListApiKeysRequest."""
    optional_token_from(request.user_id, "user_id", found)
    page_size_from(request.page_size, found)
    return request


def list_certificates_from_proto(request: pb.ListCertificatesRequest, found: Found) -> str | None:
    """Read whose certificates are asked for; None is everybody's."""
    return optional_token_from(request.user_id, "user_id", found) or None


def role_from_proto(request: pb.GrantRoleRequest | pb.RevokeRoleRequest, found: Found) -> RoleChange:
    """Read who gets or loses which role."""
    if request.role == pb.ROLE_USER:
        found.add("role", "USER is everybody's")
        return RoleChange(request.user_id, Role.USER)
    role = enum_from(_GRANTABLE, request.role, "role", found, Reason.FIELD_INVALID, Role.USER)
    return RoleChange(token_from(request.user_id, "user_id", found), role)


def map_from_proto(request: pb.MapCertificateRequest, found: Found) -> MappingRequest:
    """Read MapCertificateRequest."""
    match = enum_from(_MATCH_FROM, request.match, "match", found, Reason.FIELD_INVALID, CertificateMatch.FINGERPRINT)
    if request.rights.addresses:
        found.add("rights.addresses", "are not taken for certificates")
    return MappingRequest(
        user_id=token_from(request.user_id, "user_id", found),
        name=_name(request.name, found),
        match=match,
        value=_certificate_value(request.value, match, found),
        scopes=_scopes(request.rights, found),
        accounts=_accounts(request.rights, found),
        mode_max=_mode(request.rights, found),
        expire_time_ns=_end(request, found),
    )


def certificate_from_proto(request: pb.UnmapCertificateRequest, found: Found) -> str:
    """Read which mapping is to be taken away."""
    return token_from(request.certificate_id, "certificate_id", found)


def token_id_from_proto(request: pb.RevokeTokenRequest, found: Found) -> str:
    """Read which token is to be refused."""
    token_id = request.token_id
    if not 0 < len(token_id) <= _VALUE_LENGTH_MAX or not (token_id.isascii() and token_id.isprintable()):
        found.add("token_id", f"must be 1 to {_VALUE_LENGTH_MAX} printable ASCII characters")
    return token_id


def key_to_proto(key: ApiKey) -> pb.ApiKey:
    """Write a key without its text."""
    return pb.ApiKey(
        key_id=key.key_id,
        user_id=key.user_id,
        name=key.name,
        rights=_rights(key.scopes, key.accounts, key.mode_max, key.addresses),
        create_time=time_to_proto(key.create_time_ns),
        expire_time=optional_time(key.expire_time_ns),
        revoke_time=optional_time(key.revoke_time_ns),
        last_used_time=optional_time(key.last_used_time_ns),
        last_used_address=key.last_used_address,
        old_secret_expire_time=optional_time(key.old_secret_until_ns),
    )


def certificate_to_proto(mapping: CertificateMapping) -> pb.Certificate:
    """Write a mapping."""
    return pb.Certificate(
        certificate_id=mapping.certificate_id,
        user_id=mapping.user_id,
        name=mapping.name,
        match=_MATCH_TO[mapping.match],
        value=mapping.value,
        rights=_rights(mapping.scopes, mapping.accounts, mapping.mode_max, ()),
        create_time=time_to_proto(mapping.create_time_ns),
        expire_time=optional_time(mapping.expire_time_ns),
        revoke_time=optional_time(mapping.revoke_time_ns),
    )


def roles_to_proto(user_id: str, roles: frozenset[Role]) -> pb.UserRoles:
    """Write what a user is beyond USER."""
    return pb.UserRoles(user_id=user_id, roles=sorted(_ROLE_TO[role] for role in roles))


def _rights(
    scopes: frozenset[Scope], accounts: frozenset[str] | None, mode_max: Environment, addresses: tuple[str, ...]
) -> pb.Rights:
    return pb.Rights(
        scopes=sorted(scopes),
        account_ids=sorted(accounts or ()),
        environment_max=ENVIRONMENT_TO[mode_max],
        addresses=addresses,
    )


def _key_request(request: _Issue, found: Found) -> KeyRequest:
    rights = request.rights
    if len(rights.addresses) > _LISTED_MAX:
        found.add("rights.addresses", f"must be at most {_LISTED_MAX}")
    return KeyRequest(
        name=_name(request.name, found),
        scopes=_scopes(rights, found),
        accounts=_accounts(rights, found),
        mode_max=_mode(rights, found),
        addresses=tuple(rights.addresses),
        expire_time_ns=_end(request, found),
    )


def _name(text: str, found: Found) -> str:
    if not text:
        found.add("name", "is required")
    return name_from(text, "name", found)


def _scopes(rights: pb.Rights, found: Found) -> frozenset[Scope]:
    for unknown in sorted(set(rights.scopes) - set(_SCOPES))[:1]:
        found.add("rights.scopes", f"has the unknown scope {unknown[:64]!r}")
    return frozenset(_SCOPES[name] for name in rights.scopes if name in _SCOPES)


def _accounts(rights: pb.Rights, found: Found) -> frozenset[str] | None:
    if len(rights.account_ids) > _LISTED_MAX:
        found.add("rights.account_ids", f"must be at most {_LISTED_MAX}")
    for account_id in rights.account_ids[:_LISTED_MAX]:
        token_from(account_id, "rights.account_ids", found)
    return frozenset(rights.account_ids) or None


def _mode(rights: pb.Rights, found: Found) -> Environment:
    if rights.environment_max == trading_pb2.ENVIRONMENT_UNSPECIFIED:
        return Environment.LIVE
    number = rights.environment_max
    return enum_from(ENVIRONMENT_FROM, number, "rights.environment_max", found, Reason.FIELD_INVALID, Environment.MOCK)


def _end(request: _Issue | pb.MapCertificateRequest, found: Found) -> int | None:
    return time_from(request.expire_time, "expire_time", found) if request.HasField("expire_time") else None


def _certificate_value(value: str, match: CertificateMatch, found: Found) -> str:
    if match is CertificateMatch.FINGERPRINT:
        digits = value.replace(":", "").lower()
        if not is_fingerprint(digits):
            found.add("value", "must be the 64 hex digits of a SHA-256 hash")
        return digits
    if not 0 < len(value) <= _VALUE_LENGTH_MAX or not (value.isascii() and value.isprintable()) or " " in value:
        found.add("value", f"must be 1 to {_VALUE_LENGTH_MAX} visible ASCII characters")
    if match is CertificateMatch.DNS:
        if "*" in value:
            found.add("value", "must be one name, without a wildcard")
        return value.lower()
    return value
