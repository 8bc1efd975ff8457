"""Credentials on their way in, and streams whose credential ends."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest
from brokerapi.v1 import fills_pb2
from brokerapi.v1 import orders_pb2 as pb
from grpc import aio
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import Principal, Role, Scope
from brokergw.rpc.methods import POLICIES
from brokergw.rpc.policy import MethodPolicy, require_allowed
from tests.fixtures.edge import KEY, Edge, refusal_of, refused

GET = pb.GetOrderRequest(order_id="ord_1")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "CREDENTIALS_MISSING"),
        ((("authorization", ""),), "CREDENTIALS_MISSING"),
        ((("authorization", "Bearer"),), "CREDENTIALS_MISSING"),
        ((("authorization", "Bearer "),), "CREDENTIALS_MISSING"),
        ((("authorization", "brk_good"),), "CREDENTIALS_MISSING"),
        ((("authorization", "Basic brk_good"),), "CREDENTIALS_MISSING"),
        ((("authorization", "Bearer  brk_good"),), "API_KEY_INVALID"),
        ((("authorization", "Bearer brk_good brk_good"),), "API_KEY_INVALID"),
        ((("authorization", "Basic x"), ("x-api-key", "brk_good")), "CREDENTIALS_AMBIGUOUS"),
        ((("authorization", "Bearer brk_good"), ("x-api-key", "brk_good")), "CREDENTIALS_AMBIGUOUS"),
        ((("authorization", "Bearer brk_good"), ("authorization", "Bearer brk_other")), "CREDENTIALS_AMBIGUOUS"),
        ((("authorization", "Bearer brk_good"), ("authorization", "Bearer brk_good")), "CREDENTIALS_AMBIGUOUS"),
        ((("x-api-key", "brk_good"), ("x-api-key", "brk_other")), "CREDENTIALS_AMBIGUOUS"),
        ((("x-api-key", "brk_good "),), "API_KEY_INVALID"),
    ],
)
async def test_what_is_not_one_credential_is_refused(
    edge: Edge, metadata: tuple[tuple[str, str], ...], reason: str
) -> None:
    """None, half of one, or more than one: nobody guesses which was meant."""
    refusal = await refused(edge.orders.GetOrder(GET, metadata=metadata))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(edge: Edge, kind: str) -> None:
    """RFC 9110: authentication schemes are not case sensitive."""
    await edge.orders.GetOrder(GET, metadata=(("authorization", f"{kind} brk_good"),))


@pytest.mark.parametrize(
    "header",
    ["x-forwarded-for", "x-real-ip", "x-forwarded-client-cert", "x-user-id", "x-ssl-client-verify", "forwarded"],
)
async def test_what_a_proxy_might_say_is_not_read(edge: Edge, header: str) -> None:
    """S5: who calls, and from where, is what the connection and the credential say."""
    await edge.orders.GetOrder(GET, metadata=(*KEY, (header, "10.9.9.9")))
    (presented,) = edge.authenticator.presented[-1:]
    assert (presented.address, presented.certificate) == ("127.0.0.1", b"")


def _may(role: Role, policy: MethodPolicy) -> bool:
    """Tell whether somebody with a role and every scope in the world may call a method."""
    try:
        require_allowed(policy, Principal("ann", "key_1", frozenset(Scope), frozenset({role})))
    except GatewayError:
        return False
    return True


def _matrix() -> dict[str, set[Role]]:
    return {policy.name: {role for role in Role if _may(role, policy)} for policy in POLICIES}


KEEPERS = {Role.RISK_OFFICER, Role.ADMIN}
STAFF = {Role.OPERATOR, *KEEPERS}


def test_every_method_is_for_somebody_and_admin_methods_never_for_users() -> None:
    """E1: with every scope in the world, a user reaches nothing of AdminService or OperationsService."""
    assert all(_matrix().values())
    for policy in POLICIES:
        if policy.service.endswith(("AdminService", "OperationsService")):
            assert Role.USER not in policy.roles


@pytest.mark.parametrize(
    ("methods", "roles"),
    [
        (("SetKillSwitch", "HaltUser", "GetKillSwitch", "GetUserLimits", "GetUserModes"), STAFF),
        (("ClearKillSwitch", "ResumeUser", "UpdateUserLimits", "UpdatePlatformLimits", "RevokeLiveTrading"), KEEPERS),
        (("UpdateReconciliationPolicy",), KEEPERS),
        (("SettleOrder", "SettleReconciliation"), {Role.OPERATOR, Role.ADMIN}),
        (("ListOrdersInDoubt", "ListMismatches"), STAFF),
        (("GrantLiveTrading", "ResetMfa", "UnlockMfa", "UpdateBrokerConfig"), {Role.ADMIN}),
        (("IssueApiKey", "ListApiKeys", "RotateApiKey", "RevokeApiKey"), {Role.ADMIN}),
        (("GrantRole", "RevokeRole", "ListRoles", "MapCertificate", "UnmapCertificate", "RevokeToken"), {Role.ADMIN}),
        (("SubmitOrder", "CancelOrder", "GetLimits", "HaltTrading", "CreateConnection"), {Role.USER}),
        (("IssueKey", "RevokeKey"), {Role.USER, Role.ADMIN}),
    ],
)
def test_methods_are_for_these_roles(methods: tuple[str, ...], roles: set[Role]) -> None:
    """Who stops trading is many; who lets it go on, and who grants, is few."""
    matrix = _matrix()
    for method in methods:
        assert matrix[method] == roles, method


async def test_a_role_is_asked_for_before_the_scope(edge: Edge) -> None:
    """With the roles that have it, so that nobody looks for another key in vain."""
    from brokerapi.v1 import halts_pb2

    good = edge.authenticator.keys["brk_good"]
    edge.authenticator.keys["brk_good"] = replace(good, roles=frozenset({Role.USER}))
    refusal = await refused(edge.admin.GetKillSwitch(halts_pb2.GetKillSwitchRequest(), metadata=KEY))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
    assert refusal.metadata["roles"] == "ADMIN OPERATOR RISK_OFFICER"


async def _ended(stream: Any) -> aio.AioRpcError:
    """Read a stream to its end, and give the status that ended it."""
    try:
        while await stream.read() is not aio.EOF:
            pass
    except aio.AioRpcError as error:
        return error
    status = aio.Metadata(), await stream.trailing_metadata()
    return aio.AioRpcError(await stream.code(), *status, details=await stream.details())


def _revoke(edge: Edge) -> str:
    edge.authenticator.revoked.add("brk_good")
    return "API_KEY_REVOKED"


def _take_scope(edge: Edge) -> str:
    good = edge.authenticator.keys["brk_good"]
    edge.authenticator.keys["brk_good"] = replace(good, scopes=frozenset())
    return "SCOPE_MISSING"


def _take_role(edge: Edge) -> str:
    good = edge.authenticator.keys["brk_good"]
    edge.authenticator.keys["brk_good"] = replace(good, roles=frozenset())
    return "ROLE_MISSING"


@pytest.mark.parametrize("take", [_revoke, _take_scope, _take_role])
async def test_a_stream_ends_at_the_next_look_after_its_right_was_taken(edge: Edge, take: Any) -> None:
    """Without waiting for a heartbeat; the cursor to resume from is in the trailer, and its slot is free."""
    stream = edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(), metadata=KEY)
    await stream.read()
    reason = take(edge)
    edge.authenticator.changes += 1
    await edge.clock.pass_time(0.25)
    refusal = refusal_of(await _ended(stream))
    assert refusal.reason == reason
    assert refusal.trailing["x-last-cursor"]
    async with asyncio.timeout(20):
        while edge.server.budgets.streams.left("ann") < edge.server.budgets.streams.limit:
            await asyncio.sleep(0.01)


async def test_other_streams_go_on(edge: Edge) -> None:
    """A change of somebody else's rights is looked into, and changes nothing for those who keep theirs."""
    stream = edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(), metadata=(("x-api-key", "brk_other"),))
    await stream.read()
    asked = edge.authenticator.asked
    _revoke(edge)
    edge.authenticator.changes += 1
    await edge.clock.pass_time(1)
    assert edge.authenticator.asked == asked + 1
    assert not stream.done()
    stream.cancel()


async def test_a_stream_ends_when_its_credentials_time_is_over(edge: Edge) -> None:
    """Though nobody has changed anything."""
    good = edge.authenticator.keys["brk_good"]
    end_ns = edge.clock.now_ns() + 2_000_000_000
    edge.authenticator.keys["brk_good"] = replace(good, expire_time_ns=end_ns)
    stream = edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(), metadata=KEY)
    await stream.read()
    asked = edge.authenticator.asked
    await edge.clock.pass_time(1.75)
    assert edge.authenticator.asked == asked
    _revoke(edge)
    await edge.clock.pass_time(0.25)
    assert refusal_of(await _ended(stream)).reason == "API_KEY_REVOKED"


async def test_a_record_that_is_away_ends_no_stream(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell then; it is asked again until somebody can."""
    stream = edge.fills.SubscribeFills(fills_pb2.SubscribeFillsRequest(), metadata=KEY)
    await stream.read()
    _revoke(edge)

    async def away(*_: Any, **__: Any) -> Principal:
        raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(edge.authenticator, "authenticate", away)
        edge.authenticator.changes += 1
        await edge.clock.pass_time(1)
        assert not stream.done()
    await edge.clock.pass_time(0.25)
    assert refusal_of(await _ended(stream)).reason == "API_KEY_REVOKED"


async def test_reflection_ends_too(edge: Edge) -> None:
    """Every stream there is, not only those that tell of trading."""
    stub = reflection_pb2_grpc.ServerReflectionStub(edge.channel)  # type: ignore[arg-type]
    stream = stub.ServerReflectionInfo(metadata=KEY)  # type: ignore[operator]
    await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    await stream.read()
    _revoke(edge)
    edge.authenticator.changes += 1
    await asyncio.sleep(0.01)
    await edge.clock.pass_time(0.25)
    assert refusal_of(await _ended(stream)).reason == "API_KEY_REVOKED"
