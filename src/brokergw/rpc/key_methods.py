"""The RPCs of keys, roles, certificates and tokens, one row each. They change the gateway's own state: no key."""

from typing import Final

from brokerapi.v1 import keys_pb2 as pb
from google.protobuf.message import Message

from brokergw.model.principal import ADMINS, Role, Scope
from brokergw.rpc.policy import Decoder, MethodPolicy
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire import keys

_NOBODY_SPECIAL: Final[frozenset[Role]] = frozenset()


def _read(
    method: str, request: type[Message], decode: Decoder, *, only: frozenset[Role] = _NOBODY_SPECIAL, cost: int = 1
) -> MethodPolicy:
    return MethodPolicy(
        method=f"/brokerapi.v1.{method}",
        request=request,
        decode=decode,
        scope=Scope.KEYS_READ,
        only=only,
        budget=Budget.READS,
        cost=cost,
    )


def _change(
    method: str, request: type[Message], decode: Decoder, *, only: frozenset[Role] = _NOBODY_SPECIAL
) -> MethodPolicy:
    return MethodPolicy(
        method=f"/brokerapi.v1.{method}",
        request=request,
        decode=decode,
        scope=Scope.KEYS_WRITE,
        only=only,
        budget=Budget.CONNECTIONS,
        audited=True,
    )


OWN_KEYS: Final = (
    _change("KeyService/IssueKey", pb.IssueKeyRequest, keys.issue_own_from_proto),
    _read("KeyService/ListKeys", pb.ListKeysRequest, keys.as_it_is),
    _change("KeyService/RotateKey", pb.RotateKeyRequest, keys.rotate_from_proto),
    _change("KeyService/RevokeKey", pb.RevokeKeyRequest, keys.key_from_proto),
)

EVERYBODYS_KEYS: Final = (
    _change("AdminService/IssueApiKey", pb.IssueApiKeyRequest, keys.issue_from_proto, only=ADMINS),
    _read("AdminService/ListApiKeys", pb.ListApiKeysRequest, keys.list_from_proto, only=ADMINS, cost=5),
    _change("AdminService/RotateApiKey", pb.RotateApiKeyRequest, keys.rotate_from_proto, only=ADMINS),
    _change("AdminService/RevokeApiKey", pb.RevokeApiKeyRequest, keys.key_from_proto, only=ADMINS),
    _read("AdminService/ListRoles", pb.ListRolesRequest, keys.as_it_is, only=ADMINS),
    _change("AdminService/GrantRole", pb.GrantRoleRequest, keys.role_from_proto, only=ADMINS),
    _change("AdminService/RevokeRole", pb.RevokeRoleRequest, keys.role_from_proto, only=ADMINS),
    _change("AdminService/MapCertificate", pb.MapCertificateRequest, keys.map_from_proto, only=ADMINS),
    _read("AdminService/ListCertificates", pb.ListCertificatesRequest, keys.list_certificates_from_proto, only=ADMINS),
    _change("AdminService/UnmapCertificate", pb.UnmapCertificateRequest, keys.certificate_from_proto, only=ADMINS),
    _change("AdminService/RevokeToken", pb.RevokeTokenRequest, keys.token_id_from_proto, only=ADMINS),
)
