"""API keys."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from brokergw.desk.identity.api_keys import ApiKeys
from brokergw.desk.identity.key_form import hash_key, mint_key
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import ApiKey, Role, Scope
from brokergw.ports.identity import Use
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_identity import MemoryKeys

PEPPER = b"p" * 32


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


def stored(keys: MemoryKeys, clock: FakeClock, token: str, key_id: str, **changes: Any) -> ApiKey:
    key = ApiKey(
        key_id=key_id,
        user_id="alice",
        name="",
        scopes=frozenset({Scope.ORDERS_READ}),
        create_time_ns=clock.now_ns(),
        expire_time_ns=clock.now_ns() + 10_000_000_000,
        revoke_time_ns=None,
    )
    key = replace(key, **changes)
    keys.by[hash_key(token, PEPPER)] = key
    return key


async def test_a_minted_key_is_known_by_its_hash_only(keys: MemoryKeys, still_clock: FakeClock) -> None:
    """The key turns into its principal, and the store never held it."""
    key_id, token = mint_key()
    stored(keys, still_clock, token, key_id)
    principal = await ApiKeys(keys, PEPPER, still_clock).authenticate(token)
    assert (principal.user_id, principal.key_id) == ("alice", key_id)
    assert all(token not in text for text in keys.by)


@pytest.mark.parametrize(
    "mangle",
    [lambda t: t[:-1] + "z", str.upper, lambda t: t[:0], lambda t: t + "\n"],
    ids=["digit", "case", "empty", "newline"],
)
async def test_a_mistyped_key_is_refused_without_asking_the_store(
    keys: MemoryKeys, still_clock: FakeClock, mangle: object
) -> None:
    """The checksum and the form tell."""
    token = mangle(mint_key()[1])  # type: ignore[operator]
    with pytest.raises(GatewayError) as caught:
        await ApiKeys(keys, PEPPER, still_clock).authenticate(token)
    assert caught.value.reason is Reason.API_KEY_INVALID
    assert keys.asked == 0


async def test_an_unknown_key_answers_like_a_malformed_one(keys: MemoryKeys, still_clock: FakeClock) -> None:
    """Nobody learns which keys exist."""
    with pytest.raises(GatewayError) as caught:
        await ApiKeys(keys, PEPPER, still_clock).authenticate(mint_key()[1])
    assert caught.value.reason is Reason.API_KEY_INVALID


async def test_a_revocation_acts_within_a_second(keys: MemoryKeys, still_clock: FakeClock) -> None:
    """A key is trusted for at most a second before the store is asked again."""
    key_id, token = mint_key()
    key = stored(keys, still_clock, token, key_id)
    api_keys = ApiKeys(keys, PEPPER, still_clock)
    await api_keys.authenticate(token)
    await api_keys.authenticate(token)
    assert keys.asked == 1
    keys.by[hash_key(token, PEPPER)] = replace(key, revoke_time_ns=still_clock.now_ns())
    still_clock.advance(1.0)
    with pytest.raises(GatewayError) as caught:
        await api_keys.authenticate(token)
    assert caught.value.reason is Reason.API_KEY_REVOKED


async def test_an_expired_key_is_refused_at_its_time(keys: MemoryKeys, still_clock: FakeClock) -> None:
    """Expiry is checked on every call, also for a key that is still trusted."""
    key_id, token = mint_key()
    stored(keys, still_clock, token, key_id)
    api_keys = ApiKeys(keys, PEPPER, still_clock)
    await api_keys.authenticate(token)
    still_clock.advance(10.0)
    with pytest.raises(GatewayError) as caught:
        await api_keys.authenticate(token)
    assert caught.value.reason is Reason.API_KEY_EXPIRED


async def test_calls_that_come_together_share_one_look_up(keys: MemoryKeys, still_clock: FakeClock) -> None:
    """A burst with one key asks the store once, also when the first of the callers leaves."""
    key_id, token = mint_key()
    stored(keys, still_clock, token, key_id)
    api_keys = ApiKeys(keys, PEPPER, still_clock)

    calls = [asyncio.create_task(api_keys.authenticate(token)) for _ in range(5)]
    await asyncio.sleep(0)
    calls[0].cancel()
    principals = await asyncio.gather(*calls[1:])

    assert {principal.key_id for principal in principals} == {key_id}
    assert keys.asked == 1


async def test_a_busy_key_is_looked_up_again_while_it_is_trusted(keys: MemoryKeys, still_clock: FakeClock) -> None:
    """After half a second the next call brings a look-up that it does not wait for, and a revocation is seen by it."""
    key_id, token = mint_key()
    key = stored(keys, still_clock, token, key_id)
    api_keys = ApiKeys(keys, PEPPER, still_clock)
    await api_keys.authenticate(token)
    keys.by[hash_key(token, PEPPER)] = replace(key, revoke_time_ns=still_clock.now_ns())

    still_clock.advance(0.6)
    assert (await api_keys.authenticate(token)).key_id == key_id
    for _ in range(3):
        await asyncio.sleep(0)

    assert keys.asked == 2
    with pytest.raises(GatewayError) as refused:
        await api_keys.authenticate(token)
    assert refused.value.reason is Reason.API_KEY_REVOKED


async def test_a_change_of_anybody_s_rights_makes_the_next_call_look_again(
    keys: MemoryKeys, still_clock: FakeClock
) -> None:
    """What was known is trusted no more, and a question from before the change settles nothing."""
    key_id, token = mint_key()
    key = stored(keys, still_clock, token, key_id)
    api_keys = ApiKeys(keys, PEPPER, still_clock)
    await api_keys.authenticate(token)
    keys.by[hash_key(token, PEPPER)] = replace(key, revoke_time_ns=still_clock.now_ns())
    api_keys.forget()
    with pytest.raises(GatewayError) as refused:
        await api_keys.authenticate(token)
    assert refused.value.reason is Reason.API_KEY_REVOKED


@pytest.mark.parametrize(
    ("roles", "left"),
    [
        ({Role.USER}, {Scope.ORDERS_READ}),
        ({Role.USER, Role.OPERATOR}, {Scope.ORDERS_READ, Scope.OPERATIONS_READ, Scope.ADMIN_WRITE}),
        ({Role.USER, Role.RISK_OFFICER}, {Scope.ORDERS_READ, Scope.OPERATIONS_READ, Scope.ADMIN_WRITE}),
    ],
    ids=["user", "operator", "risk officer"],
)
async def test_a_key_has_what_its_user_s_roles_leave_of_its_scopes(
    keys: MemoryKeys, still_clock: FakeClock, roles: set[Role], left: set[Scope]
) -> None:
    """A role that was taken away takes its scopes from every key at once, whatever is written in the key."""
    key_id, token = mint_key()
    scopes = frozenset({Scope.ORDERS_READ, Scope.OPERATIONS_READ, Scope.ADMIN_WRITE})
    stored(keys, still_clock, token, key_id, scopes=scopes)
    keys.roles.given["alice"] = roles
    principal = await ApiKeys(keys, PEPPER, still_clock).authenticate(token)
    assert principal.scopes == left
    assert principal.roles == roles


async def test_a_key_that_trades_manages_no_keys(keys: MemoryKeys, still_clock: FakeClock) -> None:
    """S1: even where a key was written down with both."""
    key_id, token = mint_key()
    stored(keys, still_clock, token, key_id, scopes=frozenset({Scope.ORDERS_WRITE, Scope.KEYS_WRITE}))
    assert (await ApiKeys(keys, PEPPER, still_clock).authenticate(token)).scopes == {Scope.ORDERS_WRITE}


@pytest.mark.parametrize(
    ("restriction", "audit"),
    [({"accounts": frozenset({"acc_1"})}, {Scope.AUDIT_READ}), ({"mode_max": Environment.PAPER}, set())],
    ids=["accounts", "mode"],
)
async def test_a_restricted_key_has_no_scope_that_reaches_further(
    keys: MemoryKeys, still_clock: FakeClock, restriction: dict[str, Any], audit: set[Scope]
) -> None:
    """What concerns the whole user or everybody is not for a key for some accounts or modes."""
    key_id, token = mint_key()
    keys.roles.given["alice"] = set(Role)
    stored(keys, still_clock, token, key_id, scopes=frozenset(Scope), **restriction)
    principal = await ApiKeys(keys, PEPPER, still_clock).authenticate(token)
    assert principal.restricted
    assert principal.scopes == {
        Scope.ORDERS_READ,
        Scope.ORDERS_WRITE,
        Scope.ACCOUNTS_READ,
        Scope.CONNECTIONS_READ,
        Scope.MARKET_DATA_READ,
        Scope.RISK_READ,
        *audit,
    }


@pytest.mark.parametrize(
    ("blocks", "address", "allowed"),
    [
        ((), "203.0.113.9", True),
        ((), "", True),
        (("10.0.0.0/8",), "10.255.255.255", True),
        (("10.0.0.0/8",), "11.0.0.0", False),
        (("10.0.0.0/8",), "9.255.255.255", False),
        (("10.0.0.5/32",), "10.0.0.5", True),
        (("10.0.0.5/32",), "10.0.0.6", False),
        (("10.0.0.0/8",), "::ffff:10.0.0.1", True),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "2001:db9::1", False),
        (("10.0.0.0/8", "192.0.2.0/24"), "192.0.2.255", True),
        (("10.0.0.0/8",), "", False),
        (("10.0.0.0/8",), "10.0.0.1:50051", False),
    ],
)
async def test_a_key_works_from_its_addresses_only(
    keys: MemoryKeys, still_clock: FakeClock, blocks: tuple[str, ...], address: str, *, allowed: bool
) -> None:
    """Just inside and just outside of a block; an address that cannot be read is in none."""
    key_id, token = mint_key()
    stored(keys, still_clock, token, key_id, addresses=blocks)
    api_keys = ApiKeys(keys, PEPPER, still_clock)
    for _ in range(2):
        if allowed:
            assert (await api_keys.authenticate(token, address)).key_id == key_id
            continue
        with pytest.raises(GatewayError) as refused:
            await api_keys.authenticate(token, address)
        assert refused.value.reason is Reason.ADDRESS_NOT_ALLOWED


async def test_the_secret_of_before_works_to_the_end_of_the_overlap(keys: MemoryKeys, still_clock: FakeClock) -> None:
    """A nanosecond before its end, and not at it; the new one goes on."""
    key_id, old = mint_key()
    stored(keys, still_clock, old, key_id, expire_time_ns=None)
    _, new = mint_key(key_id)
    await keys.rotate(key_id, hash_key(new, PEPPER), still_clock.now_ns() + 5)
    api_keys = ApiKeys(keys, PEPPER, still_clock)
    still_clock.advance(4e-9)
    assert (await api_keys.authenticate(old)).key_id == (await api_keys.authenticate(new)).key_id == key_id
    still_clock.advance(1e-9)
    with pytest.raises(GatewayError) as refused:
        await api_keys.authenticate(old)
    assert refused.value.reason is Reason.API_KEY_EXPIRED
    assert (await api_keys.authenticate(new)).key_id == key_id


async def test_uses_are_noted_once_for_each_look_up_and_written_together(
    keys: MemoryKeys, still_clock: FakeClock
) -> None:
    """When and from where: of many calls within a look-up's life the first, and any that comes from elsewhere."""
    key_id, token = mint_key()
    stored(keys, still_clock, token, key_id)
    api_keys = ApiKeys(keys, PEPPER, still_clock)
    for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
        await api_keys.authenticate(token, address)
    assert keys.uses == {}
    await api_keys.uses.flush()
    assert keys.uses == {key_id: Use(still_clock.now_ns(), "10.0.0.2")}
