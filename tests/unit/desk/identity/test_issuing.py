"""Keys, roles, certificates and tokens: what is given, and to whom it cannot be."""

from typing import Any

import pytest

from brokergw.desk.identity.access import MappingRequest
from brokergw.desk.identity.issuing import KeyRequest
from brokergw.desk.identity.key_form import hash_key
from brokergw.model.account import Environment
from brokergw.model.certificates import CertificateMatch
from brokergw.model.errors import GatewayError, InvalidRequest, Reason
from brokergw.model.principal import Caller, Principal, Role, Scope
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_identity import PEPPER, AccessInMemory, access_in_memory

ROOT = Caller(Principal("root", "key_0", frozenset(Scope), frozenset(Role)), "req_1")
DAY_NS = 86_400_000_000_000


@pytest.fixture
def given(still_clock: FakeClock) -> AccessInMemory:
    return access_in_memory(still_clock, {"acc_1": "alice", "acc_2": "bob"}, days_max=90, live_max=3)


async def issue(given: AccessInMemory, user_id: str = "alice", **request: Any) -> Any:
    return await given.access.keys.issue(ROOT, user_id, KeyRequest(name="laptop", **request))


async def refused(work: Any) -> GatewayError:
    with pytest.raises(GatewayError) as error:
        await work
    return error.value


async def test_a_key_by_default_has_its_users_own_scopes_for_ninety_days(
    given: AccessInMemory, still_clock: FakeClock
) -> None:
    """Not what reaches others, nor what makes keys; only a hash of it is kept, and who asked for it is on record."""
    key, secret = await issue(given)
    own = frozenset(Scope) - {
        *(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE, Scope.ADMIN_READ, Scope.ADMIN_WRITE, Scope.KEYS_WRITE)
    }
    assert key.scopes == own
    assert key.expire_time_ns == still_clock.now_ns() + 90 * DAY_NS
    assert given.keys.by == {hash_key(secret, PEPPER): key}
    (row,) = given.keys.audit
    assert (row.user_id, row.action, row.outcome) == ("root", "key.issued", "OK")
    assert key.key_id in row.detail
    assert secret not in row.detail


@pytest.mark.parametrize(
    ("ends_ns", "taken"), [(-1, False), (0, False), (1, True), (90 * DAY_NS, True), (90 * DAY_NS + 1, False)]
)
async def test_a_key_ends_in_the_future_and_within_ninety_days(
    given: AccessInMemory, still_clock: FakeClock, ends_ns: int, *, taken: bool
) -> None:
    """S1: to the nanosecond."""
    work = issue(given, expire_time_ns=still_clock.now_ns() + ends_ns)
    if taken:
        assert (await work)[0].expire_time_ns == still_clock.now_ns() + ends_ns
    else:
        error = await refused(work)
        assert isinstance(error, InvalidRequest)
        assert error.violations[0].field == "expire_time"
        assert given.keys.by == {}


@pytest.mark.parametrize(
    ("role", "scope", "allowed"),
    [
        (Role.USER, Scope.ORDERS_WRITE, True),
        (Role.USER, Scope.KEYS_WRITE, True),
        (Role.USER, Scope.OPERATIONS_READ, False),
        (Role.USER, Scope.ADMIN_READ, False),
        (Role.OPERATOR, Scope.OPERATIONS_WRITE, True),
        (Role.OPERATOR, Scope.ADMIN_WRITE, True),
        (Role.RISK_OFFICER, Scope.OPERATIONS_READ, True),
        (Role.RISK_OFFICER, Scope.OPERATIONS_WRITE, False),
        (Role.RISK_OFFICER, Scope.ADMIN_WRITE, True),
        (Role.ADMIN, Scope.OPERATIONS_WRITE, True),
    ],
)
async def test_a_key_has_no_scope_that_its_users_roles_do_not_allow(
    given: AccessInMemory, role: Role, scope: Scope, *, allowed: bool
) -> None:
    """E1: whoever makes it; the refusal names who may have it."""
    given.roles.given["alice"] = {role}
    work = issue(given, scopes=frozenset({scope}))
    if allowed:
        assert (await work)[0].scopes == {scope}
    else:
        error = await refused(work)
        assert error.reason is Reason.ROLE_MISSING
        assert role.value not in error.metadata["roles"].split()


@pytest.mark.parametrize(
    "request_",
    [
        {"scopes": frozenset({Scope.ORDERS_WRITE, Scope.KEYS_WRITE})},
        {"scopes": frozenset({Scope.RISK_WRITE}), "accounts": frozenset({"acc_1"})},
        {"scopes": frozenset({Scope.KEYS_READ}), "mode_max": Environment.PAPER},
        {"scopes": frozenset({Scope.CONNECTIONS_WRITE}), "mode_max": Environment.MOCK},
        {"addresses": ("10.0.0.1/8",)},
        {"addresses": ("10.0.0.0/33",)},
        {"addresses": ("localhost",)},
        {"addresses": ("",)},
    ],
    ids=["trades and makes keys", "account", "mode", "mock", "bits beyond", "mask", "name", "empty"],
)
async def test_a_key_that_contradicts_itself_is_not_made(given: AccessInMemory, request_: dict[str, Any]) -> None:
    """What could only be half honoured is refused whole, with the field's name."""
    assert isinstance(await refused(issue(given, **request_)), InvalidRequest)
    assert given.keys.by == {}


async def test_a_restricted_key_has_by_default_what_its_restriction_leaves(given: AccessInMemory) -> None:
    """So that it can be made without listing scopes."""
    key, _ = await issue(given, accounts=frozenset({"acc_1"}), addresses=("10.0.0.0/8", "2001:DB8::1"))
    assert Scope.ORDERS_WRITE in key.scopes
    assert Scope.RISK_WRITE not in key.scopes
    assert key.addresses == ("10.0.0.0/8", "2001:db8::1/128")


@pytest.mark.parametrize("account", ["acc_2", "acc_none"])
async def test_a_key_is_for_accounts_of_its_user(given: AccessInMemory, account: str) -> None:
    """A foreign account answers like one that does not exist."""
    error = await refused(issue(given, accounts=frozenset({"acc_1", account})))
    assert (error.reason, error.metadata["name"]) == (Reason.ACCOUNT_NOT_FOUND, account)


async def test_a_user_has_so_many_keys(given: AccessInMemory) -> None:
    """As many as the setting says; a revoked one makes room."""
    keys = [(await issue(given))[0] for _ in range(3)]
    assert (await refused(issue(given))).reason is Reason.API_KEYS_EXCEED_LIMIT
    await given.access.keys.revoke(ROOT, keys[0].key_id, None)
    await issue(given)


async def test_a_new_user_begins_at_the_mock_broker(given: AccessInMemory) -> None:
    """T3: with an account there, and no second one with its second key."""
    for _ in range(2):
        await issue(given, "carol")
    assert list(given.connections.owners.values()).count("carol") == 1


@pytest.mark.parametrize("verb", ["revoke", "rotate"])
async def test_a_foreign_key_answers_like_a_missing_one(given: AccessInMemory, verb: str) -> None:
    """I2: to its user; who has the role reaches everybody's."""
    key, _ = await issue(given)
    keys = given.access.keys

    async def act(key_id: str, user_id: str | None) -> Any:
        if verb == "revoke":
            return await keys.revoke(ROOT, key_id, user_id)
        return await keys.rotate(ROOT, key_id, 0.0, user_id)

    foreign, missing = await refused(act(key.key_id, "bob")), await refused(act("key_none", "bob"))
    assert foreign.reason is missing.reason is Reason.API_KEY_NOT_FOUND
    assert foreign.message == missing.message
    await act(key.key_id, "alice")
    await act(key.key_id, None)


async def test_revoking_again_changes_nothing(given: AccessInMemory, still_clock: FakeClock) -> None:
    """The first time stays, and is the only one on record."""
    key, _ = await issue(given)
    first = await given.access.keys.revoke(ROOT, key.key_id, None)
    still_clock.advance(1)
    assert await given.access.keys.revoke(ROOT, key.key_id, None) == first
    assert [row.action for row in given.keys.audit] == ["key.issued", "key.revoked"]


async def test_a_rotation_keeps_the_key_and_changes_its_secret(given: AccessInMemory, still_clock: FakeClock) -> None:
    """Its id is in the new text too; its end and its rights are those of before."""
    key, old = await issue(given)
    rotated, new = await given.access.keys.rotate(ROOT, key.key_id, 60.0, "alice")
    assert (rotated.key_id, rotated.scopes, rotated.expire_time_ns) == (key.key_id, key.scopes, key.expire_time_ns)
    assert rotated.old_secret_until_ns == still_clock.now_ns() + 60_000_000_000
    assert new != old
    assert new.startswith(f"bgw_{key.key_id}_")


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_a_key_that_has_ended_gets_no_other_secret(
    given: AccessInMemory, still_clock: FakeClock, end: str
) -> None:
    """Rotation does not bring it back."""
    key, _ = await issue(given, expire_time_ns=still_clock.now_ns() + 5)
    if end == "revoked":
        await given.access.keys.revoke(ROOT, key.key_id, None)
    else:
        still_clock.advance(5e-9)
    assert (await refused(given.access.keys.rotate(ROOT, key.key_id, 0.0, None))).reason is Reason.API_KEY_NOT_USABLE


async def test_roles_are_given_and_taken_on_record(given: AccessInMemory) -> None:
    """With who did it, to whom, and which."""
    assert await given.access.roles.grant(ROOT, "olga", Role.OPERATOR) == {Role.OPERATOR}
    assert await given.access.roles.list() == {"olga": {Role.OPERATOR}}
    assert await given.access.roles.revoke(ROOT, "olga", Role.OPERATOR) == set()
    assert [(row.action, row.detail) for row in given.roles.audit] == [
        ("role.granted", "user=olga role=OPERATOR"),
        ("role.revoked", "user=olga role=OPERATOR"),
    ]


def a_mapping(**changes: Any) -> MappingRequest:
    whole: dict[str, Any] = {
        "user_id": "alice",
        "name": "desk",
        "match": CertificateMatch.DNS,
        "value": "bot.test",
        "scopes": frozenset({Scope.ORDERS_READ}),
    }
    return MappingRequest(**{**whole, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scopes": frozenset({Scope.ADMIN_READ})}, Reason.ROLE_MISSING),
        ({"scopes": frozenset()}, Reason.FIELD_INVALID),
        ({"scopes": frozenset({Scope.ORDERS_WRITE, Scope.KEYS_WRITE})}, Reason.FIELD_INVALID),
        ({"scopes": frozenset({Scope.RISK_WRITE}), "mode_max": Environment.PAPER}, Reason.FIELD_INVALID),
        ({"expire_time_ns": 1}, Reason.FIELD_INVALID),
    ],
    ids=["role", "nothing", "trades and makes keys", "mode", "past"],
)
async def test_a_certificate_is_not_given_more_than_a_key(
    given: AccessInMemory, changes: dict[str, Any], reason: Reason
) -> None:
    """And its scopes must be named."""
    assert (await refused(given.access.certificates.map(ROOT, a_mapping(**changes)))).reason is reason
    assert given.certificates.all == {}


async def test_a_certificate_is_mapped_and_unmapped(given: AccessInMemory, still_clock: FakeClock) -> None:
    """Unmapped again it stays as it is; one that does not exist is not found."""
    mapped = await given.access.certificates.map(ROOT, a_mapping())
    assert await given.access.certificates.list("alice") == [mapped]
    unmapped = await given.access.certificates.unmap(ROOT, mapped.certificate_id)
    assert unmapped.revoke_time_ns == still_clock.now_ns()
    still_clock.advance(1)
    assert await given.access.certificates.unmap(ROOT, mapped.certificate_id) == unmapped
    assert (await refused(given.access.certificates.unmap(ROOT, "crt_x"))).reason is Reason.CERTIFICATE_NOT_FOUND


async def test_a_token_is_refused_by_its_id(given: AccessInMemory) -> None:
    """From then on."""
    await given.access.tokens.revoke(ROOT, "jti-1")
    assert given.tokens.refused == {"jti-1"}
