"""Tokens of the issuer."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from brokergw.desk.identity.issuer_keys import IssuerKeys
from brokergw.desk.identity.token_rules import TokenRules
from brokergw.desk.identity.tokens import Tokens, looks_like_token
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import CredentialKind, Role, Scope
from tests.fixtures.clock import FakeClock
from tests.fixtures.forgeries import TOKENS
from tests.fixtures.issuer import AUDIENCE, Issuer, encoded
from tests.fixtures.memory_identity import MemoryRoles, MemoryTokens
from tests.unit.desk.identity.published import Published

RULES = TokenRules(issuer="https://issuer.test", audiences=frozenset({AUDIENCE}))


@pytest.fixture(scope="module")
def made() -> Issuer:
    return Issuer()


class World:
    """An issuer, and who reads its tokens."""

    def __init__(self, issuer: Issuer, clock: FakeClock, rules: TokenRules = RULES) -> None:
        self.issuer, self.clock = issuer, clock
        issuer.now_s = lambda: clock.now_ns() / 1e9
        self.published = Published(issuer.key_set)
        self.roles = MemoryRoles()
        self.directory = MemoryTokens(self.roles)
        self.tokens = Tokens(rules, IssuerKeys(self.published, clock), self.directory, clock)

    async def refusal(self, token: str) -> Reason:
        with pytest.raises(GatewayError) as refused:
            await self.tokens.authenticate(token)
        return refused.value.reason


@pytest.fixture
def world(made: Issuer, still_clock: FakeClock) -> World:
    return World(made, still_clock)


async def test_a_good_token_is_its_user(world: World) -> None:
    """With the scopes that are ours, the roles that the gateway keeps, and the end that it says."""
    world.roles.given["alice"] = {Role.OPERATOR}
    end = int(world.clock.now_ns() / 1e9) + 300
    claims = world.issuer.claims(scope="orders.read operations.read admin.write openid keys.write", exp=end)
    principal = await world.tokens.authenticate(world.issuer.token(claims))
    assert (principal.user_id, principal.key_id, principal.kind) == ("alice", "token-1", CredentialKind.JWT)
    assert principal.scopes == {Scope.ORDERS_READ, Scope.OPERATIONS_READ, Scope.ADMIN_WRITE, Scope.KEYS_WRITE}
    assert principal.roles == {Role.USER, Role.OPERATOR}
    assert principal.expire_time_ns == (end + 30) * 1_000_000_000


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_a_type_is_read_as_media_types_are(world: World, kind: str) -> None:
    """In any case, with or without its first half."""
    assert (await world.tokens.authenticate(world.issuer.token(typ=kind))).user_id == "alice"


async def test_each_kind_of_key_signs(made: Issuer, still_clock: FakeClock) -> None:
    """RSA, both paddings; elliptic; Edwards under its old and its new name."""
    rules = replace(RULES, algorithms=frozenset({"RS256", "PS256", "ES256", "EdDSA", "Ed25519"}))
    world = World(made, still_clock, rules)
    for token in (
        made.token(),
        made.token(alg="PS256"),
        made.token(key=made.ec, alg="ES256", kid="ec-1"),
        made.edwards_token(),
        made.edwards_token("Ed25519"),
    ):
        assert (await world.tokens.authenticate(token)).user_id == "alice"


@pytest.mark.parametrize("name", TOKENS)
async def test_a_token_that_is_not_good_is_refused(world: World, name: str) -> None:
    """S2: with its reason, and without asking the record whose it would be."""
    forge, reason = TOKENS[name]
    assert (await world.refusal(forge(world.issuer))).value == reason
    assert world.directory.asked == 0
    assert world.published.asked <= 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": -30}, Reason.TOKEN_EXPIRED),
        ({"exp": -29}, None),
        ({"iat": 30}, None),
        ({"iat": 31}, Reason.TOKEN_INVALID),
        ({"nbf": 30}, None),
        ({"nbf": 31}, Reason.TOKEN_INVALID),
        ({"iat": -10, "exp": 86_389}, None),
        ({"iat": -10, "exp": 86_390}, None),
        ({"iat": -10, "exp": 86_391}, Reason.TOKEN_INVALID),
    ],
)
async def test_times_hold_to_the_second(world: World, changes: dict[str, int], reason: Reason | None) -> None:
    """Just within, at and just beyond the leeway of half a minute and a day's life."""
    now = int(world.issuer.now_s())
    times = {"iat": -100, "exp": 200, **changes}
    claims = world.issuer.claims(**{name: now + offset for name, offset in times.items()})
    if reason is None:
        assert (await world.tokens.authenticate(world.issuer.token(claims))).user_id == "alice"
    else:
        assert await world.refusal(world.issuer.token(claims)) is reason


async def test_a_token_that_was_taken_is_refused_from_its_end_on(world: World) -> None:
    """To the nanosecond, though it is remembered."""
    token = world.issuer.token()
    end_ns = (await world.tokens.authenticate(token)).expire_time_ns
    assert end_ns is not None
    world.clock.advance((end_ns - world.clock.now_ns() - 1) / 1e9)
    await world.tokens.authenticate(token)
    world.clock.advance(1e-9)
    assert await world.refusal(token) is Reason.TOKEN_EXPIRED


async def test_a_revoked_token_is_refused_within_a_second(world: World) -> None:
    """By its id, at the next look, which comes at once where somebody's rights have changed."""
    token = world.issuer.token()
    await world.tokens.authenticate(token)
    await world.tokens.authenticate(token)
    assert world.directory.asked == 1
    world.directory.refused.add("token-1")
    world.clock.advance(0.9)
    await world.tokens.authenticate(token)
    world.clock.advance(0.1)
    assert await world.refusal(token) is Reason.TOKEN_REVOKED
    world.directory.refused.clear()
    world.tokens.forget()
    await world.tokens.authenticate(token)


async def test_a_token_without_an_id_is_known_by_its_hash(world: World) -> None:
    """So that it can be revoked too; another text of the same token would not be it, and is refused."""
    token = world.issuer.token(world.issuer.claims(jti=None))
    principal = await world.tokens.authenticate(token)
    assert principal.key_id.startswith("sha256:")
    world.directory.refused.add(principal.key_id)
    world.tokens.forget()
    assert await world.refusal(token) is Reason.TOKEN_REVOKED


async def test_a_role_taken_away_takes_its_scopes_from_tokens(world: World) -> None:
    """At the next look, as from keys."""
    world.roles.given["alice"] = {Role.ADMIN}
    token = world.issuer.token(world.issuer.claims(scope="admin.write orders.write keys.write"))
    assert (await world.tokens.authenticate(token)).scopes == {Scope.ADMIN_WRITE, Scope.ORDERS_WRITE}
    world.roles.given["alice"] = set()
    world.tokens.forget()
    assert (await world.tokens.authenticate(token)).scopes == {Scope.ORDERS_WRITE}


@pytest.mark.parametrize(
    ("claims", "scopes", "roles"),
    [
        ({"scp": ["bgw:orders.read", "orders.write"], "groups": ["ops"]}, {Scope.ORDERS_READ}, {Role.OPERATOR}),
        ({"scp": "bgw:admin.read bgw:nothing", "groups": "desk"}, {Scope.ADMIN_READ}, {Role.RISK_OFFICER}),
        ({"scp": ["bgw:orders.read", 7], "groups": ["ops", 7]}, set(), set()),
        ({"groups": ["OPERATOR", "ADMIN"]}, set(), set()),
        ({"scp": "bgw:admin.read"}, set(), set()),
    ],
    ids=["lists", "texts", "not texts", "roles by their own names", "no group"],
)
async def test_claims_mean_what_the_settings_say(
    made: Issuer, still_clock: FakeClock, claims: dict[str, Any], scopes: set[Scope], roles: set[Role]
) -> None:
    """Scopes by prefix, roles by group only: what the gateway keeps is not asked for then."""
    rules = replace(
        RULES,
        user_claim="email",
        scope_claim="scp",
        scope_prefix="bgw:",
        roles_claim="groups",
        roles_by_group={"ops": Role.OPERATOR, "desk": Role.RISK_OFFICER},
    )
    world = World(made, still_clock, rules)
    world.roles.given["alice@desk.test"] = {Role.ADMIN}
    whole = {**made.claims(scope=None), "email": "alice@desk.test", **claims}
    principal = await world.tokens.authenticate(made.token(whole))
    assert principal.user_id == "alice@desk.test"
    assert principal.scopes == scopes
    assert principal.roles == roles | {Role.USER}


@pytest.mark.parametrize(("over", "taken"), [(0, True), (1, False)])
async def test_a_token_may_be_so_long(world: World, over: int, *, taken: bool) -> None:
    """6,144 characters, which fit beside other metadata; and not one more that a token can have."""
    issuer = world.issuer
    lengths = {
        padding: len(issuer.raw(issuer.header(), json.dumps(issuer.claims(x="x" * padding)).encode(), b"s" * 256))
        for padding in range(4_000, 4_800)
    }
    fitting = max(padding for padding, length in lengths.items() if length <= 6_144)
    token = issuer.token(issuer.claims(x="x" * (fitting + over)))
    assert (len(token) <= 6_144) is taken
    if taken:
        assert (await world.tokens.authenticate(token)).user_id == "alice"
    else:
        assert await world.refusal(token) is Reason.TOKEN_INVALID


async def test_a_burst_of_one_token_asks_the_issuer_once(world: World) -> None:
    """Whoever comes while the keys are fetched waits for the same fetch."""
    token = world.issuer.token()
    principals = await asyncio.gather(*(world.tokens.authenticate(token) for _ in range(20)))
    assert {each.user_id for each in principals} == {"alice"}
    assert world.published.asked == 1


@pytest.mark.parametrize(
    "rules",
    [{"issuer": ""}, {"audiences": frozenset()}, {"types": frozenset()}, {"algorithms": frozenset({"HS256"})}],
    ids=["issuer", "audience", "type", "algorithm"],
)
def test_rules_that_would_take_anything_cannot_be(rules: dict[str, Any]) -> None:
    """Nor can one ask for a signature that anybody could make who can check it."""
    with pytest.raises(ValueError, match="tokens"):
        TokenRules(**{"issuer": "i", "audiences": frozenset({"a"}), **rules})


def test_a_key_does_not_look_like_a_token() -> None:
    """Three parts make a token; whatever else is there is for whoever reads keys."""
    assert looks_like_token(f"{encoded(b'a')}.{encoded(b'b')}.")
    assert not looks_like_token("bgw_abcdefghij_x")
    assert not looks_like_token("a.b.c.d")
