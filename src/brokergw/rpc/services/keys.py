"""KeyService, and the part of AdminService that is about keys, roles, certificates and tokens."""

from brokerapi.v1 import keys_pb2 as pb

from brokergw.desk.identity.access import Access
from brokergw.rpc.call import Call
from brokergw.rpc.wire.keys import (
    Issue,
    RoleChange,
    Rotation,
    certificate_to_proto,
    key_to_proto,
    roles_to_proto,
)
from brokergw.rpc.wire.paging import PageTokens


class KeyService:
    """A user's own keys."""

    def __init__(self, access: Access) -> None:
        self._keys = access.keys

    async def issue_key(self, call: Call) -> bytes:
        """Make a key; its text goes out here and nowhere else."""
        asked: Issue = call.command
        key, secret = await self._keys.issue(call.caller, call.caller.user_id, asked.request)
        return pb.IssueKeyResponse(key=key_to_proto(key), api_key=secret).SerializeToString()

    async def list_keys(self, call: Call) -> bytes:
        """List the caller's keys."""
        found = await self._keys.list(call.caller.user_id)
        return pb.ListKeysResponse(keys=map(key_to_proto, found)).SerializeToString()

    async def rotate_key(self, call: Call) -> bytes:
        """Give a key another secret."""
        asked: Rotation = call.command
        key, secret = await self._keys.rotate(call.caller, asked.key_id, asked.overlap_s, call.caller.user_id)
        return pb.RotateKeyResponse(key=key_to_proto(key), api_key=secret).SerializeToString()

    async def revoke_key(self, call: Call) -> bytes:
        """Revoke a key."""
        key = await self._keys.revoke(call.caller, call.command, call.caller.user_id)
        return pb.RevokeKeyResponse(key=key_to_proto(key)).SerializeToString()


class EverybodysKeys:
    """What administrators give and take."""

    _access: Access
    _pages: PageTokens

    async def issue_api_key(self, call: Call) -> bytes:
        """Make a key for any user; its text goes out here and nowhere else."""
        asked: Issue = call.command
        key, secret = await self._access.keys.issue(call.caller, asked.user_id, asked.request)
        return pb.IssueApiKeyResponse(key=key_to_proto(key), api_key=secret).SerializeToString()

    async def list_api_keys(self, call: Call) -> bytes:
        """List anybody's keys."""
        request: pb.ListApiKeysRequest = call.command
        found = await self._access.keys.list(request.user_id or None)
        page, token = self._pages.slice(call.caller.user_id, request, found, lambda key: key.key_id)
        return pb.ListApiKeysResponse(keys=map(key_to_proto, page), next_page_token=token).SerializeToString()

    async def rotate_api_key(self, call: Call) -> bytes:
        """Give anybody's key another secret."""
        asked: Rotation = call.command
        key, secret = await self._access.keys.rotate(call.caller, asked.key_id, asked.overlap_s, None)
        return pb.RotateApiKeyResponse(key=key_to_proto(key), api_key=secret).SerializeToString()

    async def revoke_api_key(self, call: Call) -> bytes:
        """Revoke anybody's key."""
        key = await self._access.keys.revoke(call.caller, call.command, None)
        return pb.RevokeApiKeyResponse(key=key_to_proto(key)).SerializeToString()

    async def list_roles(self, call: Call) -> bytes:  # noqa: ARG002 - every administrator sees the same
        """List who is more than a user."""
        found = await self._access.roles.list()
        users = [roles_to_proto(user_id, roles) for user_id, roles in sorted(found.items())]
        return pb.ListRolesResponse(users=users).SerializeToString()

    async def grant_role(self, call: Call) -> bytes:
        """Give somebody a role."""
        asked: RoleChange = call.command
        roles = await self._access.roles.grant(call.caller, asked.user_id, asked.role)
        return pb.GrantRoleResponse(user=roles_to_proto(asked.user_id, roles)).SerializeToString()

    async def revoke_role(self, call: Call) -> bytes:
        """Take a role away."""
        asked: RoleChange = call.command
        roles = await self._access.roles.revoke(call.caller, asked.user_id, asked.role)
        return pb.RevokeRoleResponse(user=roles_to_proto(asked.user_id, roles)).SerializeToString()

    async def map_certificate(self, call: Call) -> bytes:
        """Say whom certificates speak for."""
        mapping = await self._access.certificates.map(call.caller, call.command)
        return pb.MapCertificateResponse(certificate=certificate_to_proto(mapping)).SerializeToString()

    async def list_certificates(self, call: Call) -> bytes:
        """List which certificates speak for whom."""
        found = await self._access.certificates.list(call.command)
        return pb.ListCertificatesResponse(certificates=map(certificate_to_proto, found)).SerializeToString()

    async def unmap_certificate(self, call: Call) -> bytes:
        """Take a mapping away."""
        mapping = await self._access.certificates.unmap(call.caller, call.command)
        return pb.UnmapCertificateResponse(certificate=certificate_to_proto(mapping)).SerializeToString()

    async def revoke_token(self, call: Call) -> bytes:
        """Refuse one token from now on."""
        await self._access.tokens.revoke(call.caller, call.command)
        return pb.RevokeTokenResponse().SerializeToString()
