"""API keys."""

import asyncio
from dataclasses import replace

import pytest

from brokergw.desk.authenticate import Authenticator, hash_key, mint_key
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import ApiKey, Scope
from tests.fixtures.clock import FakeClock

PEPPER = b"p" * 32


class Keys:
    """A key directory that counts its look-ups."""

    def __init__(self) -> None:
        self.by: dict[str, ApiKey] = {}
        self.asked = 0

    async def add(self, key: ApiKey, key_hash: str) -> None:
        self.by[key_hash] = key

    async def by_hash(self, key_hash: str) -> ApiKey | None:
        self.asked += 1
        return self.by.get(key_hash)

    async def holders(self, scope: Scope) -> dict[str, ApiKey]:
        return {each: key for each, key in self.by.items() if scope in key.scopes}

    async def list(self, user_id: str | None = None) -> list[ApiKey]:
        return list(self.by.values())

    async def revoke(self, key_id: str, time_ns: int) -> bool:
        return False

    async def touch(self, key_id: str, time_ns: int) -> None:
        return None


@pytest.fixture
def keys() -> Keys:
    return Keys()


def stored(keys: Keys, clock: FakeClock, token: str, key_id: str) -> ApiKey:
    key = ApiKey(
        key_id=key_id,
        user_id="alice",
        name="",
        scopes=frozenset({Scope.ORDERS_READ}),
        create_time_ns=clock.now_ns(),
        expire_time_ns=clock.now_ns() + 10_000_000_000,
        revoke_time_ns=None,
    )
    keys.by[hash_key(token, PEPPER)] = key
    return key


async def test_a_minted_key_is_known_by_its_hash_only(keys: Keys, still_clock: FakeClock) -> None:
    """The key turns into its principal, and the store never held it."""
    key_id, token = mint_key()
    stored(keys, still_clock, token, key_id)
    principal = await Authenticator(keys, PEPPER, still_clock).authenticate(token)
    assert (principal.user_id, principal.key_id) == ("alice", key_id)
    assert all(token not in text for text in keys.by)


@pytest.mark.parametrize(
    "mangle",
    [lambda t: t[:-1] + "z", str.upper, lambda t: t[:0], lambda t: t + "\n"],
    ids=["digit", "case", "empty", "newline"],
)
async def test_a_mistyped_key_is_refused_without_asking_the_store(
    keys: Keys, still_clock: FakeClock, mangle: object
) -> None:
    """The checksum and the form tell."""
    token = mangle(mint_key()[1])  # type: ignore[operator]
    with pytest.raises(GatewayError) as caught:
        await Authenticator(keys, PEPPER, still_clock).authenticate(token)
    assert caught.value.reason is Reason.API_KEY_INVALID
    assert keys.asked == 0


async def test_an_unknown_key_answers_like_a_malformed_one(keys: Keys, still_clock: FakeClock) -> None:
    """Nobody learns which keys exist."""
    with pytest.raises(GatewayError) as caught:
        await Authenticator(keys, PEPPER, still_clock).authenticate(mint_key()[1])
    assert caught.value.reason is Reason.API_KEY_INVALID


async def test_a_revocation_acts_within_a_second(keys: Keys, still_clock: FakeClock) -> None:
    """A key is trusted for at most a second before the store is asked again."""
    key_id, token = mint_key()
    key = stored(keys, still_clock, token, key_id)
    authenticator = Authenticator(keys, PEPPER, still_clock)
    await authenticator.authenticate(token)
    await authenticator.authenticate(token)
    assert keys.asked == 1
    keys.by[hash_key(token, PEPPER)] = replace(key, revoke_time_ns=still_clock.now_ns())
    still_clock.advance(1.0)
    with pytest.raises(GatewayError) as caught:
        await authenticator.authenticate(token)
    assert caught.value.reason is Reason.API_KEY_REVOKED


async def test_an_expired_key_is_refused_at_its_time(keys: Keys, still_clock: FakeClock) -> None:
    """Expiry is checked on every call, also for a key that is still trusted."""
    key_id, token = mint_key()
    stored(keys, still_clock, token, key_id)
    authenticator = Authenticator(keys, PEPPER, still_clock)
    await authenticator.authenticate(token)
    still_clock.advance(10.0)
    with pytest.raises(GatewayError) as caught:
        await authenticator.authenticate(token)
    assert caught.value.reason is Reason.API_KEY_EXPIRED


async def test_calls_that_come_together_share_one_look_up(keys: Keys, still_clock: FakeClock) -> None:
    """A burst with one key asks the store once, also when the first of the callers leaves."""
    key_id, token = mint_key()
    stored(keys, still_clock, token, key_id)
    authenticator = Authenticator(keys, PEPPER, still_clock)

    calls = [asyncio.create_task(authenticator.authenticate(token)) for _ in range(5)]
    await asyncio.sleep(0)
    calls[0].cancel()
    principals = await asyncio.gather(*calls[1:])

    assert {principal.key_id for principal in principals} == {key_id}
    assert keys.asked == 1


async def test_a_busy_key_is_looked_up_again_while_it_is_trusted(keys: Keys, still_clock: FakeClock) -> None:
    """After half a second the next call brings a look-up that it does not wait for, and a revocation is seen by it."""
    key_id, token = mint_key()
    key = stored(keys, still_clock, token, key_id)
    authenticator = Authenticator(keys, PEPPER, still_clock)
    await authenticator.authenticate(token)
    keys.by[hash_key(token, PEPPER)] = replace(key, revoke_time_ns=still_clock.now_ns())

    still_clock.advance(0.6)
    assert (await authenticator.authenticate(token)).key_id == key_id
    for _ in range(3):
        await asyncio.sleep(0)

    assert keys.asked == 2
    with pytest.raises(GatewayError) as refused:
        await authenticator.authenticate(token)
    assert refused.value.reason is Reason.API_KEY_REVOKED
