"""The issuer's key set over HTTP."""

import json

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.transport.jwks import HttpKeySource
from tests.fixtures.issuer import Issuer, issuer_online


async def _refused(source: HttpKeySource) -> str:
    with pytest.raises(GatewayError) as unavailable:
        await source.fetch()
    assert unavailable.value.reason is Reason.ISSUER_UNAVAILABLE
    return unavailable.value.message


async def test_the_address_of_the_keys_comes_from_the_issuers_own_description() -> None:
    """It is asked for once; then the keys are."""
    async with issuer_online() as online:
        source = HttpKeySource(online.url)
        for _ in range(2):
            assert "rsa-1" in (await source.fetch()).decode()
        await source.close()
    assert online.asked == ["/.well-known/openid-configuration", "/keys", "/keys"]


async def test_an_address_that_is_set_is_asked_alone() -> None:
    """No description is needed, and none is read."""
    async with issuer_online() as online:
        source = HttpKeySource("https://issuer.test", f"{online.url}/keys")
        assert "rsa-1" in (await source.fetch()).decode()
        await source.close()
    assert online.asked == ["/keys"]


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://other.test", "jwks_uri": "https://other.test/keys"},
        {"issuer": "OWN", "jwks_uri": "http://issuer.test/keys"},
        {"issuer": "OWN", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "OWN", "jwks_uri": 7},
        {"issuer": "OWN"},
        [],
    ],
    ids=["another issuer", "plain http", "a file", "a number", "no address", "a list"],
)
async def test_a_description_that_leads_elsewhere_is_not_followed(description: object) -> None:
    """It must be the very issuer's, and its keys be reached safely."""
    async with issuer_online() as online:
        body = json.dumps(description).replace("OWN", online.url).encode()
        online.answers["/.well-known/openid-configuration"] = (200, body)
        source = HttpKeySource(online.url)
        await _refused(source)
        await source.close()
    assert online.asked == ["/.well-known/openid-configuration"]


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_another_answer_is_none(status: int) -> None:
    """A redirect is not followed either."""
    async with issuer_online() as online:
        online.answers["/keys"] = (status, b"")
        source = HttpKeySource(online.url, f"{online.url}/keys")
        assert str(status) in await _refused(source)
        await source.close()
    assert online.asked == ["/keys"]


@pytest.mark.parametrize(("size", "taken"), [(262_144, True), (262_145, False)])
async def test_a_set_may_be_so_large(size: int, *, taken: bool) -> None:
    """A quarter of a megabyte, and not a byte more."""
    async with issuer_online() as online:
        online.answers["/keys"] = (200, b"[" + b" " * (size - 2) + b"]")
        source = HttpKeySource(online.url, f"{online.url}/keys")
        if taken:
            assert len(await source.fetch()) == size
        else:
            await _refused(source)
        await source.close()


async def test_an_issuer_that_is_not_there_is_away() -> None:
    """Which says nothing of any token."""
    async with issuer_online(Issuer()) as online:
        url = online.url
    source = HttpKeySource(url)
    await _refused(source)
    await source.close()


@pytest.mark.parametrize(
    ("issuer", "keys", "safe"),
    [
        ("https://issuer.test", "", True),
        ("http://127.0.0.1:9", "", True),
        ("http://localhost:9", "", True),
        ("http://issuer.test", "", False),
        ("https://issuer.test", "http://issuer.test/keys", False),
        ("http://127.0.0.1.evil.test", "", False),
        ("file:///etc", "", False),
    ],
)
def test_only_safe_addresses_can_be_set(issuer: str, keys: str, *, safe: bool) -> None:
    """HTTPS, or this machine itself."""
    if safe:
        HttpKeySource(issuer, keys)
    else:
        with pytest.raises(ValueError, match="HTTPS"):
            HttpKeySource(issuer, keys)
