"""The client's calls about keys, roles, certificates and tokens."""

from datetime import UTC, datetime

import pytest
from brokerapi.v1 import keys_pb2 as pb

from brokergw.client import BadArgument, Client
from tests.fixtures.fake_gateway import FakeGateway

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)


async def test_each_call_asks_what_it_is_told(fake_gateway: FakeGateway, quick_client: Client) -> None:
    """One request each, as the contract has it."""
    rights = pb.Rights(scopes=["orders.read"])
    await quick_client.issue_key("laptop", rights, expire_time=NOON)
    await quick_client.rotate_key("k1", overlap_s=60)
    await quick_client.revoke_key("k1")
    await quick_client.list_keys()
    await quick_client.issue_api_key("bob", "bot", rights)
    await quick_client.rotate_api_key("k2")
    await quick_client.revoke_api_key("k2")
    await quick_client.list_api_keys("bob", page_size=5)
    await quick_client.grant_role("olga", "operator")
    await quick_client.revoke_role("olga", "RISK_OFFICER")
    await quick_client.list_roles()
    await quick_client.map_certificate("bob", "desk", "dns", "bot.test", rights, expire_time=NOON)
    await quick_client.unmap_certificate("crt_1")
    await quick_client.list_certificates("bob")
    await quick_client.revoke_token("jti-1")
    asked = {name: fake_gateway.seen(name)[0].request for name in ("IssueKey", "RotateKey", "GrantRole", "RevokeRole")}
    assert asked["IssueKey"].rights == rights
    assert asked["IssueKey"].expire_time.ToDatetime(UTC) == NOON
    assert asked["RotateKey"].overlap.seconds == 60
    assert (asked["GrantRole"].role, asked["RevokeRole"].role) == (pb.ROLE_OPERATOR, pb.ROLE_RISK_OFFICER)
    rotated, mapped = (fake_gateway.seen(name)[0].request for name in ("RotateApiKey", "MapCertificate"))
    assert not rotated.HasField("overlap")
    assert (mapped.match, mapped.value) == (pb.CERTIFICATE_MATCH_DNS, "bot.test")
    for name in ("RevokeKey", "ListKeys", "IssueApiKey", "RevokeApiKey", "ListApiKeys", "ListRoles"):
        assert len(fake_gateway.seen(name)) == 1
    for name in ("UnmapCertificate", "ListCertificates", "RevokeToken"):
        assert len(fake_gateway.seen(name)) == 1


async def test_a_word_that_means_nothing_is_refused_before_it_is_sent(quick_client: Client) -> None:
    """Roles and kinds of names are the contract's."""
    with pytest.raises(BadArgument, match="role"):
        await quick_client.grant_role("olga", "emperor")
    with pytest.raises(BadArgument, match="match"):
        await quick_client.map_certificate("bob", "desk", "subject", "CN=bob", pb.Rights())
