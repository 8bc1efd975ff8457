"""The calls about API keys, roles, certificates and tokens."""

from collections.abc import Sequence
from functools import cached_property

from brokerapi.v1 import keys_pb2 as pb
from brokerapi.v1 import keys_pb2_grpc

from brokergw.client import encode
from brokergw.client.encode import BadArgument, Moment
from brokergw.client.risk import RiskCalls


class AccessCalls(RiskCalls):
    """Keys of the caller's own; with the role ADMIN everybody's, and roles, certificates and tokens.

    None of these calls is repeated by itself but the lists.
    """

    @cached_property
    def _keys(self) -> keys_pb2_grpc.KeyServiceStub:
        return keys_pb2_grpc.KeyServiceStub(self._channel)

    async def issue_key(
        self,
        name: str,
        rights: pb.Rights | None = None,
        *,
        expire_time: Moment | None = None,
        timeout_s: float | None = None,
    ) -> pb.IssueKeyResponse:
        """Make a key of the caller's; the answer holds its text, which is never shown again."""
        request = pb.IssueKeyRequest(name=name, rights=rights, expire_time=encode.timestamp("expire_time", expire_time))
        return await self._caller.once(self._keys.IssueKey, request, timeout_s)

    async def list_keys(self, *, timeout_s: float | None = None) -> Sequence[pb.ApiKey]:
        """List the caller's keys, newest first."""
        return (await self._caller.read(self._keys.ListKeys, pb.ListKeysRequest(), timeout_s)).keys

    async def rotate_key(
        self, key_id: str, *, overlap_s: float | None = None, timeout_s: float | None = None
    ) -> pb.RotateKeyResponse:
        """Give a key of the caller's another secret; the one of before works for the overlap (an hour)."""
        request = pb.RotateKeyRequest(key_id=key_id, overlap=encode.duration(overlap_s))
        return await self._caller.once(self._keys.RotateKey, request, timeout_s)

    async def revoke_key(self, key_id: str, *, timeout_s: float | None = None) -> pb.ApiKey:
        """Revoke a key of the caller's."""
        request = pb.RevokeKeyRequest(key_id=key_id)
        return (await self._caller.once(self._keys.RevokeKey, request, timeout_s)).key

    async def issue_api_key(
        self,
        user_id: str,
        name: str,
        rights: pb.Rights | None = None,
        *,
        expire_time: Moment | None = None,
        timeout_s: float | None = None,
    ) -> pb.IssueApiKeyResponse:
        """Make a key for any user; the answer holds its text, which is never shown again."""
        request = pb.IssueApiKeyRequest(
            user_id=user_id, name=name, rights=rights, expire_time=encode.timestamp("expire_time", expire_time)
        )
        return await self._caller.once(self._admin.IssueApiKey, request, timeout_s)

    async def list_api_keys(
        self, user_id: str = "", *, page_size: int = 0, page_token: str = "", timeout_s: float | None = None
    ) -> pb.ListApiKeysResponse:
        """List anybody's keys, newest first, a page at a time."""
        request = pb.ListApiKeysRequest(user_id=user_id, page_size=page_size, page_token=page_token)
        return await self._caller.read(self._admin.ListApiKeys, request, timeout_s)

    async def rotate_api_key(
        self, key_id: str, *, overlap_s: float | None = None, timeout_s: float | None = None
    ) -> pb.RotateApiKeyResponse:
        """Give anybody's key another secret."""
        request = pb.RotateApiKeyRequest(key_id=key_id, overlap=encode.duration(overlap_s))
        return await self._caller.once(self._admin.RotateApiKey, request, timeout_s)

    async def revoke_api_key(self, key_id: str, *, timeout_s: float | None = None) -> pb.ApiKey:
        """Revoke anybody's key."""
        request = pb.RevokeApiKeyRequest(key_id=key_id)
        return (await self._caller.once(self._admin.RevokeApiKey, request, timeout_s)).key

    async def list_roles(self, *, timeout_s: float | None = None) -> Sequence[pb.UserRoles]:
        """List who is more than a user."""
        return (await self._caller.read(self._admin.ListRoles, pb.ListRolesRequest(), timeout_s)).users

    async def grant_role(self, user_id: str, role: str, *, timeout_s: float | None = None) -> pb.UserRoles:
        """Give a user a role: operator, risk_officer or admin."""
        request = pb.GrantRoleRequest(user_id=user_id, role=_role(role))
        return (await self._caller.once(self._admin.GrantRole, request, timeout_s)).user

    async def revoke_role(self, user_id: str, role: str, *, timeout_s: float | None = None) -> pb.UserRoles:
        """Take a role away."""
        request = pb.RevokeRoleRequest(user_id=user_id, role=_role(role))
        return (await self._caller.once(self._admin.RevokeRole, request, timeout_s)).user

    async def map_certificate(
        self,
        user_id: str,
        name: str,
        match: str,
        value: str,
        rights: pb.Rights,
        *,
        expire_time: Moment | None = None,
        timeout_s: float | None = None,
    ) -> pb.Certificate:
        """Let certificates with a fingerprint, uri or dns name speak for a user."""
        known_by = f"CERTIFICATE_MATCH_{match.upper()}"
        if known_by not in pb.CertificateMatch.keys():  # noqa: SIM118 - an enum wrapper is no mapping
            raise BadArgument("match must be fingerprint, uri or dns")
        request = pb.MapCertificateRequest(
            user_id=user_id,
            name=name,
            match=pb.CertificateMatch.Value(known_by),
            value=value,
            rights=rights,
            expire_time=encode.timestamp("expire_time", expire_time),
        )
        return (await self._caller.once(self._admin.MapCertificate, request, timeout_s)).certificate

    async def list_certificates(self, user_id: str = "", *, timeout_s: float | None = None) -> Sequence[pb.Certificate]:
        """List which certificates speak for whom, newest first."""
        request = pb.ListCertificatesRequest(user_id=user_id)
        return (await self._caller.read(self._admin.ListCertificates, request, timeout_s)).certificates

    async def unmap_certificate(self, certificate_id: str, *, timeout_s: float | None = None) -> pb.Certificate:
        """Take a mapping away."""
        request = pb.UnmapCertificateRequest(certificate_id=certificate_id)
        return (await self._caller.once(self._admin.UnmapCertificate, request, timeout_s)).certificate

    async def revoke_token(self, token_id: str, *, timeout_s: float | None = None) -> None:
        """Refuse one token of the issuer's, by its `jti`."""
        request = pb.RevokeTokenRequest(token_id=token_id)
        await self._caller.once(self._admin.RevokeToken, request, timeout_s)


def _role(name: str) -> pb.Role.ValueType:
    full = f"ROLE_{name.upper()}"
    if full not in pb.Role.keys():  # noqa: SIM118 - an enum wrapper is no mapping
        raise BadArgument("role must be operator, risk_officer or admin")
    return pb.Role.Value(full)
