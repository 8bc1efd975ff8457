"""The issuer's published keys."""

import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, OctKey, RSAKey

from brokergw.desk.identity.issuer_keys import IssuerKeys, keys_of
from brokergw.desk.identity.strict_json import NotStrict
from brokergw.model.errors import GatewayError, Reason
from tests.fixtures.clock import FakeClock
from tests.fixtures.issuer import Issuer, encoded
from tests.unit.desk.identity.published import Published


@pytest.fixture(scope="module")
def made() -> Issuer:
    return Issuer()


@pytest.fixture
def published(made: Issuer) -> Published:
    return Published(made.key_set)


@pytest.fixture
def keys(published: Published, still_clock: FakeClock) -> IssuerKeys:
    return IssuerKeys(published, still_clock)


async def test_keys_are_fetched_once_for_five_minutes(
    keys: IssuerKeys, published: Published, still_clock: FakeClock
) -> None:
    """And in the background from then on, while those at hand go on being used."""
    for _ in range(3):
        assert await keys.find("rsa-1") is not None
    still_clock.advance(299.9)
    await keys.find("rsa-1")
    assert published.asked == 1
    still_clock.advance(0.1)
    published.waiting = asyncio.Event()
    assert await keys.find("rsa-1") is not None
    published.waiting.set()
    await asyncio.sleep(0.01)
    assert published.asked == 2


async def test_a_withdrawn_key_is_used_for_ten_minutes_at_most(
    keys: IssuerKeys, published: Published, still_clock: FakeClock
) -> None:
    """Whoever comes then waits for the set as it is now."""
    assert await keys.find("rsa-1") is not None
    published.key_set = lambda: {"keys": []}
    still_clock.advance(600)
    assert await keys.find("rsa-1") is None


async def test_made_up_ids_make_a_fetch_each_half_minute_at_most(
    keys: IssuerKeys, published: Published, still_clock: FakeClock
) -> None:
    """However many there are, and though the set at hand is fresh."""
    await keys.find("rsa-1")
    for number in range(50):
        assert await keys.find(f"made-up-{number}") is None
    assert published.asked == 1
    still_clock.advance(30)
    await asyncio.gather(*(keys.find(f"made-up-{number}") for number in range(50)))
    assert published.asked == 2


async def test_a_new_key_is_found_when_its_first_token_comes(
    keys: IssuerKeys, published: Published, made: Issuer, still_clock: FakeClock
) -> None:
    """Not before the half minute is over."""
    await keys.find("rsa-1")
    new = RSAKey.generate_key(2048, {"kid": "rsa-2"}).as_dict(private=False)
    published.key_set = lambda: {"keys": [*made.key_set()["keys"], new]}
    still_clock.advance(29.9)
    assert await keys.find("rsa-2") is None
    still_clock.advance(0.1)
    assert await keys.find("rsa-2") is not None


async def test_keys_outlive_an_issuer_that_is_away_for_an_hour(
    keys: IssuerKeys, published: Published, still_clock: FakeClock
) -> None:
    """Then nobody can tell any more, and the answer says so rather than that the token is wrong."""
    await keys.find("rsa-1")
    published.away = True
    still_clock.advance(3_599)
    assert await keys.find("rsa-1") is not None
    still_clock.advance(30)
    with pytest.raises(GatewayError) as unsure:
        await keys.find("rsa-1")
    assert unsure.value.reason is Reason.ISSUER_UNAVAILABLE
    published.away = False
    still_clock.advance(30)
    assert await keys.find("rsa-1") is not None


async def test_an_issuer_that_was_never_reached_is_asked_each_half_minute(
    keys: IssuerKeys, published: Published, still_clock: FakeClock
) -> None:
    """A flood of tokens while it is away does not become a flood of questions."""
    published.away = True
    for _ in range(20):
        with pytest.raises(GatewayError):
            await keys.find("rsa-1")
    assert published.asked == 1
    still_clock.advance(30)
    published.away = False
    assert await keys.find("rsa-1") is not None


async def test_a_set_that_cannot_be_read_leaves_the_one_before(
    keys: IssuerKeys, published: Published, still_clock: FakeClock
) -> None:
    """As if the issuer had not answered."""
    await keys.find("rsa-1")
    published.key_set = lambda: {"keys": "none"}
    still_clock.advance(600)
    assert await keys.find("rsa-1") is not None


def _rsa(bits: int) -> dict[str, Any]:
    numbers = rsa.generate_private_key(65_537, bits).public_key().public_numbers()
    modulus = numbers.n.to_bytes((bits + 7) // 8, "big")
    return {"kty": "RSA", "kid": "k", "n": encoded(modulus), "e": "AQAB"}


@pytest.mark.parametrize(
    ("jwk", "taken"),
    [
        (_rsa(2_048), True),
        (_rsa(2_040), False),
        ({**_rsa(2_048), "use": "enc"}, False),
        ({**_rsa(2_048), "key_ops": ["encrypt"]}, False),
        ({**_rsa(2_048), "key_ops": ["verify"]}, True),
        ({**_rsa(2_048), "n": "!"}, False),
        ({**_rsa(2_048), "kid": 7}, False),
        (ECKey.generate_key("secp256k1", {"kid": "k"}).as_dict(private=False), False),
        (ECKey.generate_key("P-521", {"kid": "k"}).as_dict(private=False), True),
        (ECKey.generate_key("P-256", {"kid": "k"}).as_dict(private=True), False),
        (OctKey.generate_key(256, {"kid": "k"}).as_dict(), False),
        ({"kty": "OKP", "crv": "X25519", "kid": "k", "x": encoded(b"x" * 32)}, False),
        ({"kty": ["RSA"], "kid": "k"}, False),
        ({**_rsa(2_048), "key_ops": 7}, False),
        ({"kid": "k"}, False),
    ],
    ids=[
        *("rsa", "short rsa", "for encryption", "operations", "verifying", "no number", "id", "other curve", "curve"),
        *("private", "secret", "exchange", "kind", "operations that are none", "nothing"),
    ],
)
def test_only_strong_public_keys_for_signatures_are_taken(jwk: dict[str, Any], *, taken: bool) -> None:
    """Just at the least size, and just below it; what is not understood is left out, not guessed."""
    assert ("k" in keys_of(json.dumps({"keys": [jwk]}).encode())) is taken


def test_an_id_that_is_there_twice_names_no_key(made: Issuer) -> None:
    """Nobody could tell which of the two is meant."""
    both = {"keys": [made.rsa.as_dict(private=False), made.stranger.as_dict(private=False)]}
    assert keys_of(json.dumps(both).encode()) == {}


@pytest.mark.parametrize("number", [64, 65])
def test_a_set_has_so_many_keys(made: Issuer, number: int) -> None:
    """64 at most."""
    many = [{**made.rsa.as_dict(private=False), "kid": f"k{n}"} for n in range(number)]
    body = json.dumps({"keys": many}).encode()
    if number <= 64:
        assert len(keys_of(body)) == number
    else:
        with pytest.raises(NotStrict):
            keys_of(body)


async def test_a_key_is_for_its_own_algorithms(made: Issuer, published: Published, still_clock: FakeClock) -> None:
    """Of its kind and curve, and where the issuer names one, that one only."""
    bound = {**made.rsa.as_dict(private=False), "kid": "bound", "alg": "PS256"}
    published.key_set = lambda: {"keys": [*made.key_set()["keys"], bound]}
    keys = IssuerKeys(published, still_clock)
    fits = {}
    for key_id in ("rsa-1", "ec-1", "ed-1", "bound"):
        key = await keys.find(key_id)
        assert key is not None
        every = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519", "HS256", "none")
        fits[key_id] = {each for each in every if key.fits(each)}
    assert fits == {
        "rsa-1": {"RS256", "PS256"},
        "ec-1": {"ES256"},
        "ed-1": {"EdDSA", "Ed25519"},
        "bound": {"PS256"},
    }
