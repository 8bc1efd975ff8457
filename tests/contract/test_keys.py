"""Keys, roles, certificates and tokens over the wire."""

from dataclasses import replace
from typing import Any

import grpc
import pytest
from brokerapi.v1 import keys_pb2 as pb
from brokerapi.v1 import live_pb2, trading_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from brokergw.model.account import Environment
from brokergw.model.principal import Role, Scope
from brokergw.rpc.methods import POLICIES
from tests.fixtures.edge import KEY, Edge, refused
from tests.fixtures.edge_samples import ACCOUNT

OTHER = (("x-api-key", "brk_other"),)
READS = pb.Rights(scopes=["orders.read"])


@pytest.fixture(autouse=True)
def no_trader(edge: Edge) -> None:
    """Let everybody's key be one that does not trade, as those must be that make keys."""
    for name, principal in edge.authenticator.keys.items():
        edge.authenticator.keys[name] = replace(principal, scopes=principal.scopes - {Scope.ORDERS_WRITE})


async def issued(edge: Edge, **request: Any) -> pb.IssueKeyResponse:
    """Make a key of ann's."""
    return await edge.keys.IssueKey(pb.IssueKeyRequest(name="laptop", **request), metadata=KEY)


async def test_a_user_makes_lists_rotates_and_revokes_its_own_keys(edge: Edge) -> None:
    """The text is in the answer that makes it, and nowhere else; times and rights come back as they were given."""
    end = Timestamp(seconds=edge.clock.now_ns() // 1_000_000_000 + 3_600)
    rights = pb.Rights(
        scopes=["orders.read", "orders.write"],
        account_ids=[ACCOUNT],
        environment_max=trading_pb2.ENVIRONMENT_PAPER,
        addresses=["10.0.0.0/8"],
    )
    made = await issued(edge, rights=rights, expire_time=end)
    assert made.api_key.startswith(f"bgw_{made.key.key_id}_")
    assert (made.key.user_id, made.key.name, made.key.rights, made.key.expire_time) == ("ann", "laptop", rights, end)
    assert not made.key.HasField("revoke_time")
    assert not made.key.HasField("last_used_time")

    rotation = pb.RotateKeyRequest(key_id=made.key.key_id, overlap=Duration(seconds=60))
    rotated = await edge.keys.RotateKey(rotation, metadata=KEY)
    assert rotated.api_key.startswith(f"bgw_{made.key.key_id}_")
    assert rotated.api_key != made.api_key
    seconds = rotated.key.old_secret_expire_time.seconds - edge.clock.now_ns() // 1_000_000_000
    assert seconds == 60

    gone = (await edge.keys.RevokeKey(pb.RevokeKeyRequest(key_id=made.key.key_id), metadata=KEY)).key
    assert gone.HasField("revoke_time")
    listed = (await edge.keys.ListKeys(pb.ListKeysRequest(), metadata=KEY)).keys
    assert [each.key_id for each in listed] == [made.key.key_id]
    assert made.api_key not in str(listed)
    assert not (await edge.keys.ListKeys(pb.ListKeysRequest(), metadata=OTHER)).keys


async def test_an_overlap_that_is_not_given_is_an_hour(edge: Edge) -> None:
    """And none at all is one that is given as none."""
    made = await issued(edge)
    now = edge.clock.now_ns() // 1_000_000_000
    for overlap, seconds in ((None, 3_600), (Duration(), 0)):
        request = pb.RotateKeyRequest(key_id=made.key.key_id, overlap=overlap)
        rotated = await edge.keys.RotateKey(request, metadata=KEY)
        assert rotated.key.old_secret_expire_time.seconds - now == seconds


@pytest.mark.parametrize(
    ("overlap", "taken"), [((-1, 0), False), ((604_800, 0), True), ((604_800, 1), False)], ids=["past", "week", "more"]
)
async def test_an_overlap_lasts_a_week_at_most(edge: Edge, overlap: tuple[int, int], *, taken: bool) -> None:
    """To the nanosecond."""
    made = await issued(edge)
    span = Duration(seconds=overlap[0], nanos=overlap[1])
    call = edge.keys.RotateKey(pb.RotateKeyRequest(key_id=made.key.key_id, overlap=span), metadata=KEY)
    if taken:
        await call
    else:
        assert (await refused(call)).fields == ["overlap"]


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.IssueKeyRequest(), ["name"]),
        (pb.IssueKeyRequest(name="n" * 65), ["name"]),
        (pb.IssueKeyRequest(name="n", rights=pb.Rights(scopes=["orders.wirte"])), ["rights.scopes"]),
        (pb.IssueKeyRequest(name="n", rights=pb.Rights(scopes=[""])), ["rights.scopes"]),
        (pb.IssueKeyRequest(name="n", rights=pb.Rights(account_ids=["a b"])), ["rights.account_ids"]),
        (pb.IssueKeyRequest(name="n", rights=pb.Rights(account_ids=["a"] * 101)), ["rights.account_ids"]),
        (pb.IssueKeyRequest(name="n", rights=pb.Rights(addresses=["10.0.0.0/8"] * 101)), ["rights.addresses"]),
        (pb.IssueKeyRequest(name="n", rights=pb.Rights(addresses=["10.0.0.1/8"])), ["addresses"]),
        (
            pb.IssueKeyRequest(name="n", rights=pb.Rights(environment_max=9)),  # type: ignore[arg-type]
            ["rights.environment_max"],
        ),
        (pb.IssueKeyRequest(name="n", expire_time=Timestamp(seconds=1)), ["expire_time"]),
        (pb.IssueKeyRequest(name="n", expire_time=Timestamp(nanos=-1)), ["expire_time"]),
    ],
)
async def test_a_key_that_cannot_be_is_refused_by_field(
    edge: Edge, request_: pb.IssueKeyRequest, fields: list[str]
) -> None:
    """And nothing is made."""
    refusal = await refused(edge.keys.IssueKey(request_, metadata=KEY))
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, fields)
    assert edge.given.keys.by == {}


async def test_a_key_that_trades_makes_no_keys(edge: Edge) -> None:
    """S1: asked for by such a key, or of one."""
    both = pb.Rights(scopes=["orders.write", "keys.write"])
    assert (await refused(edge.keys.IssueKey(pb.IssueKeyRequest(name="n", rights=both), metadata=KEY))).fields == [
        "scopes"
    ]
    for name, principal in edge.authenticator.keys.items():
        edge.authenticator.keys[name] = replace(principal, scopes=frozenset({Scope.ORDERS_WRITE, Scope.KEYS_READ}))
    refusal = await refused(issued(edge))
    assert (refusal.reason, refusal.metadata["scope"]) == ("SCOPE_MISSING", "keys.write")


async def test_a_foreign_key_is_missing(edge: Edge) -> None:
    """I2: bob is told of ann's key what he is told of none."""
    made = await issued(edge)
    told = []
    for key_id in (made.key.key_id, "nokeyatall"):
        refusal = await refused(edge.keys.RevokeKey(pb.RevokeKeyRequest(key_id=key_id), metadata=OTHER))
        told.append((refusal.code, refusal.reason, refusal.text))
    assert told[0] == told[1] == (grpc.StatusCode.NOT_FOUND, "API_KEY_NOT_FOUND", "API key was not found")


async def test_an_administrator_keeps_everybodys_keys(edge: Edge) -> None:
    """Makes them for new users too, pages through them, rotates and revokes them."""
    made = []
    for user in ("ann", "carol", "carol"):
        request = pb.IssueApiKeyRequest(user_id=user, name="bot", rights=READS)
        made.append(await edge.admin.IssueApiKey(request, metadata=KEY))
    assert [each.key.user_id for each in made] == ["ann", "carol", "carol"]
    whole = (await edge.admin.ListApiKeys(pb.ListApiKeysRequest(user_id="carol"), metadata=KEY)).keys
    assert len(whole) == 2
    first = await edge.admin.ListApiKeys(pb.ListApiKeysRequest(page_size=2), metadata=KEY)
    rest = await edge.admin.ListApiKeys(
        pb.ListApiKeysRequest(page_size=2, page_token=first.next_page_token), metadata=KEY
    )
    assert (len(first.keys), len(rest.keys), rest.next_page_token) == (2, 1, "")
    foreign = edge.admin.ListApiKeys(
        pb.ListApiKeysRequest(page_size=2, page_token=first.next_page_token), metadata=OTHER
    )
    assert (await refused(foreign)).reason == "PAGE_TOKEN_INVALID"
    key_id = made[1].key.key_id
    rotated = await edge.admin.RotateApiKey(pb.RotateApiKeyRequest(key_id=key_id), metadata=KEY)
    assert rotated.api_key not in {each.api_key for each in made}
    gone = await edge.admin.RevokeApiKey(pb.RevokeApiKeyRequest(key_id=key_id), metadata=KEY)
    assert gone.key.HasField("revoke_time")


async def test_roles_are_granted_listed_and_revoked(edge: Edge) -> None:
    """USER is nobody's to give; scopes wait for the role."""
    ask = pb.IssueApiKeyRequest(user_id="olga", name="desk", rights=pb.Rights(scopes=["operations.read"]))
    assert (await refused(edge.admin.IssueApiKey(ask, metadata=KEY))).reason == "ROLE_MISSING"
    grant = pb.GrantRoleRequest(user_id="olga", role=pb.ROLE_OPERATOR)
    assert list((await edge.admin.GrantRole(grant, metadata=KEY)).user.roles) == [pb.ROLE_OPERATOR]
    await edge.admin.IssueApiKey(ask, metadata=KEY)
    (user,) = (await edge.admin.ListRoles(pb.ListRolesRequest(), metadata=KEY)).users
    assert (user.user_id, list(user.roles)) == ("olga", [pb.ROLE_OPERATOR])
    revoke = pb.RevokeRoleRequest(user_id="olga", role=pb.ROLE_OPERATOR)
    assert not (await edge.admin.RevokeRole(revoke, metadata=KEY)).user.roles
    for role in (pb.ROLE_UNSPECIFIED, pb.ROLE_USER, 9):
        wrong = pb.GrantRoleRequest(user_id="olga", role=role)  # type: ignore[arg-type]
        assert (await refused(edge.admin.GrantRole(wrong, metadata=KEY))).fields == ["role"]


async def test_certificates_are_mapped_listed_and_unmapped(edge: Edge) -> None:
    """A fingerprint is read with or without colons, in any case; a name is one name."""
    digits = "AB" * 32
    written = ":".join(digits[start : start + 2] for start in range(0, 64, 2))
    request = pb.MapCertificateRequest(
        user_id="ann", name="desk", match=pb.CERTIFICATE_MATCH_FINGERPRINT, value=written, rights=READS
    )
    mapped = (await edge.admin.MapCertificate(request, metadata=KEY)).certificate
    assert (mapped.value, mapped.user_id, list(mapped.rights.scopes)) == (digits.lower(), "ann", ["orders.read"])
    assert (await refused(edge.admin.MapCertificate(request, metadata=KEY))).code is grpc.StatusCode.ALREADY_EXISTS
    listed = await edge.admin.ListCertificates(pb.ListCertificatesRequest(user_id="ann"), metadata=KEY)
    assert list(listed.certificates) == [mapped]
    assert not (await edge.admin.ListCertificates(pb.ListCertificatesRequest(user_id="bob"), metadata=KEY)).certificates
    unmap = pb.UnmapCertificateRequest(certificate_id=mapped.certificate_id)
    assert (await edge.admin.UnmapCertificate(unmap, metadata=KEY)).certificate.HasField("revoke_time")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"value": "ab"}, ["value"]),
        ({"value": ""}, ["value"]),
        ({"match": pb.CERTIFICATE_MATCH_DNS, "value": "*.desk.test"}, ["value"]),
        ({"match": pb.CERTIFICATE_MATCH_URI, "value": "spiffe://a b"}, ["value"]),
        ({"match": pb.CERTIFICATE_MATCH_URI, "value": "s" * 257}, ["value"]),
        ({"match": pb.CERTIFICATE_MATCH_UNSPECIFIED}, ["match"]),
        ({"user_id": ""}, ["user_id"]),
        ({"rights": pb.Rights(scopes=["orders.read"], addresses=["10.0.0.1"])}, ["rights.addresses"]),
        ({"rights": pb.Rights()}, ["rights.scopes"]),
    ],
)
async def test_a_mapping_that_cannot_be_is_refused_by_field(
    edge: Edge, changes: dict[str, Any], fields: list[str]
) -> None:
    """And nothing is mapped."""
    whole = {
        "user_id": "ann",
        "name": "desk",
        "match": pb.CERTIFICATE_MATCH_FINGERPRINT,
        "value": "ab" * 32,
        "rights": READS,
    }
    request = pb.MapCertificateRequest(**{**whole, **changes})
    assert (await refused(edge.admin.MapCertificate(request, metadata=KEY))).fields == fields
    assert edge.given.certificates.all == {}


@pytest.mark.parametrize(
    ("token_id", "taken"), [("", False), ("j" * 256, True), ("j" * 257, False), ("a\nb", False), ("ü", False)]
)
async def test_a_token_is_revoked_by_its_id(edge: Edge, token_id: str, *, taken: bool) -> None:
    """Of 1 to 256 printable characters."""
    call = edge.admin.RevokeToken(pb.RevokeTokenRequest(token_id=token_id), metadata=KEY)
    if taken:
        await call
        assert edge.given.tokens.refused == {token_id}
    else:
        assert (await refused(call)).fields == ["token_id"]


@pytest.mark.parametrize("role", [Role.USER, Role.OPERATOR, Role.RISK_OFFICER])
async def test_only_administrators_give_and_take(edge: Edge, role: Role) -> None:
    """E1: every key, role, certificate and token method of AdminService, with every scope."""
    good = edge.authenticator.keys["brk_good"]
    edge.authenticator.keys["brk_good"] = replace(good, roles=frozenset({role}))
    mine = [
        p for p in POLICIES if p.service.endswith("AdminService") and p.scope in {Scope.KEYS_READ, Scope.KEYS_WRITE}
    ]
    assert len(mine) == 11
    for policy in mine:
        refusal = await refused(getattr(edge.admin, policy.name)(policy.request(), metadata=KEY))
        assert (refusal.reason, refusal.metadata["roles"]) == ("ROLE_MISSING", "ADMIN")


async def test_a_restricted_key_sees_no_binding_of_another_account(edge: Edge) -> None:
    """What the user has bound elsewhere is left out of its modes."""
    await edge.risk.SetMode(live_pb2.SetModeRequest(mode=trading_pb2.ENVIRONMENT_PAPER), metadata=KEY)
    bind = live_pb2.SetModeRequest(account_id=ACCOUNT, mode=trading_pb2.ENVIRONMENT_MOCK)
    await edge.risk.SetMode(bind, metadata=KEY)
    strategy = live_pb2.SetModeRequest(strategy_id="alpha", mode=trading_pb2.ENVIRONMENT_MOCK)
    await edge.risk.SetMode(strategy, metadata=KEY)
    good = edge.authenticator.keys["brk_good"]
    seen = {}
    for name, restriction in (
        ("all", {}),
        ("this", {"accounts": frozenset({ACCOUNT})}),
        ("another", {"accounts": frozenset({"acc_2"})}),
        ("mode", {"mode_max": Environment.MOCK}),
    ):
        edge.authenticator.keys["brk_good"] = replace(good, **restriction)
        modes = (await edge.risk.GetModes(live_pb2.GetModesRequest(), metadata=KEY)).modes
        seen[name] = {each.account_id or each.strategy_id for each in modes.bindings}
    both = {ACCOUNT, "alpha"}
    assert seen == {"all": both, "this": both, "another": {"alpha"}, "mode": {"alpha"}}
