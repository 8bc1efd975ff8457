"""The principal behind a call, whatever it presents."""

from typing import Any

import pytest

from brokergw.desk.identity.api_keys import ApiKeys
from brokergw.desk.identity.caller import CallerIdentity
from brokergw.desk.identity.certificates import Certificates, fingerprint_of
from brokergw.desk.identity.issuing import KeyRequest
from brokergw.model.account import Environment
from brokergw.model.certificates import CertificateMapping, CertificateMatch
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import Caller, CredentialKind, Principal, Role, Scope
from brokergw.ports.identity import Presented
from tests.fixtures.certificates import Authority
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_identity import PEPPER, access_in_memory

LEAF = Authority("clients").leaf().certificate
ROOT = Caller(Principal("root", "key_0", frozenset(Scope), frozenset(Role)), "req_1")


class World:
    """Keys, certificates, and who reads them."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.given = access_in_memory(clock, {"acc_1": "alice", "acc_2": "alice"})
        self.api_keys = ApiKeys(self.given.keys, PEPPER, clock)
        certificates = Certificates(self.given.certificates, clock)
        self.caller = CallerIdentity(self.given.keys, clock, self.api_keys, certificates)

    async def key(self, user_id: str = "alice", **request: Any) -> str:
        _, secret = await self.given.access.keys.issue(ROOT, user_id, KeyRequest(name="k", **request))
        return secret

    def map(self, user_id: str = "alice", **changes: Any) -> None:
        scopes = changes.pop("scopes", frozenset({Scope.ORDERS_READ, Scope.ORDERS_WRITE}))
        self.given.certificates.all["crt_1"] = CertificateMapping(
            certificate_id="crt_1",
            user_id=user_id,
            name="",
            match=CertificateMatch.FINGERPRINT,
            value=fingerprint_of(LEAF),
            scopes=scopes,
            create_time_ns=0,
            **changes,
        )

    async def refusal(self, **presented: Any) -> Reason:
        with pytest.raises(GatewayError) as refused:
            await self.caller.authenticate(Presented(**presented))
        return refused.value.reason


@pytest.fixture
def world(still_clock: FakeClock) -> World:
    return World(still_clock)


async def test_a_key_alone_is_its_user(world: World) -> None:
    """As it was before there were certificates."""
    principal = await world.caller.authenticate(Presented(token=await world.key()))
    assert (principal.user_id, principal.kind) == ("alice", CredentialKind.API_KEY)


async def test_a_mapped_certificate_alone_is_its_user(world: World) -> None:
    """Without any key."""
    world.map()
    principal = await world.caller.authenticate(Presented(certificate=LEAF))
    assert (principal.user_id, principal.kind) == ("alice", CredentialKind.CERTIFICATE)


async def test_nothing_and_a_strangers_certificate_are_nobody(world: World) -> None:
    """Each with its own reason; a certificate that speaks for nobody does no harm to a key."""
    assert await world.refusal() is Reason.CREDENTIALS_MISSING
    assert await world.refusal(certificate=LEAF) is Reason.CERTIFICATE_UNKNOWN
    assert (await world.caller.authenticate(Presented(token=await world.key(), certificate=LEAF))).user_id == "alice"


async def test_a_wrong_key_is_not_saved_by_a_good_certificate(world: World) -> None:
    """What is presented must hold, all of it."""
    world.map()
    assert await world.refusal(token="bgw_wrong", certificate=LEAF) is Reason.API_KEY_INVALID


async def test_a_key_over_another_users_certificate_is_refused(world: World) -> None:
    """A stolen key is of no use over a connection of the thief's own, nor the other way round."""
    world.map("bob")
    assert await world.refusal(token=await world.key(), certificate=LEAF) is Reason.CERTIFICATE_MISMATCH


@pytest.mark.parametrize(
    ("key", "mapping", "left"),
    [
        ({}, {}, (None, Environment.LIVE, {Scope.ORDERS_READ, Scope.ORDERS_WRITE})),
        (
            {"accounts": frozenset({"acc_1"}), "scopes": frozenset({Scope.ORDERS_READ})},
            {},
            ({"acc_1"}, Environment.LIVE, {Scope.ORDERS_READ}),
        ),
        (
            {"mode_max": Environment.PAPER},
            {"accounts": frozenset({"acc_2"}), "mode_max": Environment.MOCK},
            ({"acc_2"}, Environment.MOCK, {Scope.ORDERS_READ, Scope.ORDERS_WRITE}),
        ),
        (
            {"accounts": frozenset({"acc_1"})},
            {"accounts": frozenset({"acc_2"})},
            (set(), Environment.LIVE, {Scope.ORDERS_READ, Scope.ORDERS_WRITE}),
        ),
        (
            {"scopes": frozenset({Scope.RISK_WRITE})},
            {"scopes": frozenset({Scope.RISK_WRITE}), "mode_max": Environment.PAPER},
            (None, Environment.PAPER, set()),
        ),
    ],
    ids=["neither", "the key's", "both", "no account in common", "a scope that reaches further"],
)
async def test_a_key_over_its_users_certificate_may_do_what_both_may(
    world: World, key: dict[str, Any], mapping: dict[str, Any], left: tuple[Any, Environment, set[Scope]]
) -> None:
    """Accounts, mode and scopes are what both allow, never what one of them does."""
    world.map(**mapping)
    principal = await world.caller.authenticate(Presented(token=await world.key(**key), certificate=LEAF))
    accounts, mode_max, scopes = left
    assert principal.accounts == accounts
    assert (principal.mode_max, principal.scopes) == (mode_max, frozenset(scopes))


async def test_a_change_anywhere_is_noticed_at_the_next_look(world: World) -> None:
    """A look is a quarter of a second away; what was known is looked up again, and streams hear of it."""
    token = await world.key()
    await world.caller.look()
    before = world.caller.changes
    await world.caller.authenticate(Presented(token=token))
    await world.caller.look()
    assert world.caller.changes == before
    (key,) = await world.given.keys.list()
    await world.given.keys.revoke(key.key_id, world.clock.now_ns())
    assert (await world.caller.authenticate(Presented(token=token))).user_id == "alice"
    await world.caller.look()
    assert world.caller.changes == before + 1
    assert await world.refusal(token=token) is Reason.API_KEY_REVOKED


@pytest.mark.parametrize("state", ["good", "revoked", "expired", "unknown"])
async def test_refusing_looks_no_more_up_than_accepting(world: World, state: str) -> None:
    """One look by the hash, whatever it finds: the time of an answer does not tell which keys there are."""
    token = await world.key(expire_time_ns=world.clock.now_ns() + 5)
    (key,) = await world.given.keys.list()
    if state == "revoked":
        await world.given.keys.revoke(key.key_id, world.clock.now_ns())
    if state == "expired":
        world.clock.advance(5e-9)
    if state == "unknown":
        world.given.keys.by.clear()
    for _ in range(3):
        try:
            await world.caller.authenticate(Presented(token=token))
        except GatewayError:
            assert state != "good"
        world.clock.advance(1)
        if state == "good":
            break
    assert world.given.keys.asked == (1 if state == "good" else 3)
    assert world.given.keys.uses == {}
