"""Keys with their restrictions, roles, certificates and refused tokens, on each database."""

import asyncio
from dataclasses import replace

import pytest

from brokergw.model.account import Environment
from brokergw.model.certificates import CertificateMapping, CertificateMatch
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.principal import ApiKey, Role, Scope
from brokergw.store import Store
from tests.conformance.store.making import START_NS, USER
from tests.conformance.store.test_directories import a_key
from tests.fixtures.stores import open_for_test

ADMIN = frozenset({Role.USER, Role.ADMIN})


def an_audit(action: str = "key.issued") -> AuditRow:
    return AuditRow(time_ns=START_NS, request_id="req_1", user_id="root", key_id="key_0", action=action, outcome="OK")


def a_mapping(certificate_id: str = "crt_1", **changes: object) -> CertificateMapping:
    mapping = CertificateMapping(
        certificate_id=certificate_id,
        user_id=USER,
        name="desk",
        match=CertificateMatch.URI,
        value="spiffe://desk/bot",
        scopes=frozenset({Scope.ORDERS_READ}),
        create_time_ns=START_NS,
    )
    return replace(mapping, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "restriction",
    [
        {},
        {"accounts": frozenset({"acc_1", "acc_2"})},
        {"accounts": frozenset()},
        {"mode_max": Environment.PAPER},
        {"addresses": ("10.0.0.0/8", "2001:db8::/32")},
    ],
    ids=["none", "accounts", "no account", "mode", "addresses"],
)
async def test_a_key_keeps_its_restrictions(store: Store, restriction: dict[str, object]) -> None:
    """What a key is restricted to comes back as it was stored; no account at all is not all of them."""
    key = replace(a_key(), **restriction)  # type: ignore[arg-type]
    await store.keys.add(key, "hash")
    assert await store.keys.by_hash("hash") == key
    assert await store.keys.get("key_1") == key
    assert await store.keys.get("key_2") is None


async def test_a_key_comes_with_the_roles_that_its_user_has_now(store: Store) -> None:
    """Roles given with a key, and later, and taken away, show in each of the user's keys."""
    await store.keys.add(a_key(roles=ADMIN), "hash")
    await store.keys.add(a_key("key_2"), "hash-2")
    await store.roles.grant(USER, Role.OPERATOR, an_audit())
    await store.roles.grant("root", Role.ADMIN, an_audit())
    everything = ADMIN | {Role.OPERATOR}
    assert {key.roles for key in await store.keys.list(USER)} == {everything}
    await store.roles.revoke(USER, Role.ADMIN, an_audit())
    found = await store.keys.by_hash("hash-2")
    assert found is not None
    assert found.roles == {Role.USER, Role.OPERATOR}
    assert await store.roles.list() == {USER: {Role.OPERATOR}, "root": {Role.ADMIN}}


async def test_a_rotated_key_is_found_by_both_secrets_and_no_third(store: Store) -> None:
    """The one of before is told apart and has its end; a second rotation ends it at once."""
    await store.keys.add(a_key(), "first")
    assert await store.keys.rotate("key_1", "second", START_NS + 5)
    rotated = a_key(old_secret_until_ns=START_NS + 5)
    assert await store.keys.by_hash("second") == rotated
    assert await store.keys.by_hash("first") == replace(rotated, by_old_secret=True)
    assert await store.keys.rotate("key_1", "third", START_NS + 9)
    assert await store.keys.by_hash("first") is None
    assert (await store.keys.by_hash("second")) is not None
    await store.keys.revoke("key_1", START_NS + 6)
    assert not await store.keys.rotate("key_1", "fourth", START_NS + 9)
    assert not await store.keys.rotate("key_2", "fifth", START_NS + 9)
    assert await store.keys.by_hash("fourth") is None


async def test_holders_are_given_by_their_present_secret(store: Store) -> None:
    """Who may stop everything is known by it when the record stands still; revoked keys are not."""
    for number in range(3):
        await store.keys.add(a_key(f"key_{number}", scopes=frozenset({Scope.ADMIN_WRITE}), roles=ADMIN), f"h{number}")
    await store.keys.add(a_key("key_3"), "h3")
    await store.keys.rotate("key_1", "h1-new", START_NS + 5)
    await store.keys.revoke("key_2", START_NS)
    held = await store.keys.holders(Scope.ADMIN_WRITE)
    assert {key_hash: key.key_id for key_hash, key in held.items()} == {"h0": "key_0", "h1-new": "key_1"}
    assert {key.roles for key in held.values()} == {ADMIN}


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_user_has_so_many_usable_keys_and_no_more(store: Store, limit: int) -> None:
    """Revoked and expired ones, and other users' keys, do not count."""
    await store.keys.add(a_key("key_a", revoke_time_ns=START_NS), "revoked")
    await store.keys.add(a_key("key_b", expire_time_ns=START_NS), "expired")
    await store.keys.add(a_key("key_c", user_id="usr_2"), "foreign")
    for number in range(limit):
        await store.keys.add(a_key(f"key_{number}"), f"h{number}", live_max=limit)
    with pytest.raises(GatewayError) as refused:
        await store.keys.add(a_key("key_more"), "more", live_max=limit)
    assert refused.value.reason is Reason.API_KEYS_EXCEED_LIMIT
    assert await store.keys.get("key_more") is None


async def test_the_version_changes_with_whatever_decides_who_may_do_what(store: Store) -> None:
    """And with nothing else: a key's use is no change of anybody's rights."""

    async def changes(work: object) -> bool:
        before = await store.keys.version()
        await work  # type: ignore[misc]
        return await store.keys.version() != before

    assert await changes(store.keys.add(a_key(), "hash"))
    assert not await changes(store.keys.touch({}))
    assert await changes(store.keys.rotate("key_1", "second", START_NS))
    assert await changes(store.keys.revoke("key_1", START_NS))
    assert await changes(store.roles.grant(USER, Role.OPERATOR, an_audit()))
    assert await changes(store.roles.revoke(USER, Role.OPERATOR, an_audit()))
    assert await changes(store.certificates.add(a_mapping(), an_audit()))
    assert await changes(store.certificates.revoke("crt_1", START_NS, an_audit()))
    assert await changes(store.tokens.revoke("jti", START_NS, START_NS + 5, an_audit()))


async def test_there_is_one_first_administrator(store: Store, store_url: str) -> None:
    """Of two processes that make it at once one does; nobody becomes it later."""

    def root(number: int) -> ApiKey:
        return a_key(f"key_{number}", user_id=f"root-{number}", roles=ADMIN)

    async with open_for_test(store_url) as other:
        made = await asyncio.gather(
            *(each.keys.add_first_admin(root(n), f"h{n}", an_audit()) for n, each in enumerate((store, other) * 2))
        )
    assert sorted(made) == [False, False, False, True]
    assert len(await store.roles.list()) == len(await store.keys.list()) == 1


async def test_the_last_administrator_stays(store: Store) -> None:
    """Its role is not taken away, and nothing of the attempt is written."""
    for user in ("ann", "bob"):
        await store.roles.grant(user, Role.ADMIN, an_audit())
    await store.roles.grant("ann", Role.ADMIN, an_audit())
    assert await store.roles.revoke("ann", Role.ADMIN, an_audit())
    assert not await store.roles.revoke("ann", Role.ADMIN, an_audit())
    with pytest.raises(GatewayError) as refused:
        await store.roles.revoke("bob", Role.ADMIN, an_audit())
    assert refused.value.reason is Reason.LAST_ADMIN
    assert await store.roles.of("bob") == ADMIN


async def test_a_certificate_is_found_by_its_names(store: Store) -> None:
    """With all that it was mapped to, and its user's roles; one that was taken away is not found, but listed."""
    mapping = a_mapping(accounts=frozenset({"acc_1"}), mode_max=Environment.MOCK, expire_time_ns=START_NS + 9)
    await store.certificates.add(mapping, an_audit())
    await store.roles.grant(USER, Role.OPERATOR, an_audit())
    whole = replace(mapping, roles=frozenset({Role.USER, Role.OPERATOR}))
    names = [(CertificateMatch.DNS, "spiffe://desk/bot"), (CertificateMatch.URI, "spiffe://desk/bot")]
    assert await store.certificates.matching(names) == [whole]
    assert await store.certificates.matching(names[:1]) == []
    assert await store.certificates.get("crt_1") == whole
    await store.certificates.revoke("crt_1", START_NS + 3, an_audit())
    await store.certificates.revoke("crt_1", START_NS + 4, an_audit())
    assert await store.certificates.matching(names) == []
    assert await store.certificates.list(USER) == [replace(whole, revoke_time_ns=START_NS + 3)]
    assert await store.certificates.list("usr_2") == []


async def test_a_name_speaks_for_one_user_at_a_time(store: Store, store_url: str) -> None:
    """Also when two processes map it at once; once it was taken away, it is free."""
    async with open_for_test(store_url) as other:
        tried = await asyncio.gather(
            *(
                each.certificates.add(a_mapping(f"crt_{n}", user_id=f"usr_{n}"), an_audit())
                for n, each in enumerate((store, other))
            ),
            return_exceptions=True,
        )
    (refused,) = (each for each in tried if each is not None)
    assert isinstance(refused, GatewayError)
    assert refused.reason is Reason.CERTIFICATE_MAPPED
    (mapped,) = await store.certificates.list()
    await store.certificates.revoke(mapped.certificate_id, START_NS, an_audit())
    await store.certificates.add(a_mapping("crt_9"), an_audit())


async def test_a_refused_token_is_refused_until_its_time(store: Store) -> None:
    """Its user's roles come with the answer; what is kept is forgotten when it has expired anyway."""
    await store.roles.grant(USER, Role.OPERATOR, an_audit())
    assert not (await store.tokens.standing("jti-1", USER)).revoked
    await store.tokens.revoke("jti-1", START_NS, START_NS + 5, an_audit())
    await store.tokens.revoke("jti-1", START_NS + 1, START_NS + 9, an_audit())
    standing = await store.tokens.standing("jti-1", USER)
    assert (standing.revoked, standing.roles) == (True, frozenset({Role.USER, Role.OPERATOR}))
    await store.tokens.revoke("jti-2", START_NS + 4, START_NS + 9, an_audit())
    assert (await store.tokens.standing("jti-1", USER)).revoked
    await store.tokens.revoke("jti-3", START_NS + 5, START_NS + 9, an_audit())
    assert not (await store.tokens.standing("jti-1", USER)).revoked
    assert (await store.tokens.standing("jti-2", "nobody")).roles == {Role.USER}
