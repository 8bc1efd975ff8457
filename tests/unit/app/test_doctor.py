"""The look over an installation."""

import base64
from pathlib import Path

import pytest

from brokergw.app.clock import SystemClock
from brokergw.app.doctor import examine
from brokergw.app.finding import Finding
from brokergw.app.keys import COMMAND_LINE, create_key, direct_access, request_of
from brokergw.app.settings import Settings
from brokergw.ports.broker import Credentials
from brokergw.store import open_store
from tests.conformance.store.making import connection_for
from tests.fixtures.two_roles import owned


def local(tmp_path: Path, **more: object) -> Settings:
    return Settings(data_dir=tmp_path, alpaca_paper_url="http://127.0.0.1:9", **more)  # type: ignore[arg-type]


async def areas(settings: Settings) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in await examine(settings):
        found.setdefault(finding.area, []).append(finding)
    return found


async def test_a_fresh_installation_has_nothing_to_mend(tmp_path: Path) -> None:
    """What is not there yet is told with what to do, and nothing is wrong."""
    found = await areas(local(tmp_path))
    assert all(finding.ok is not False for findings in found.values() for finding in findings)
    assert "serve" in found["database"][0].advice


async def test_an_installation_without_keys_says_how_to_make_one(tmp_path: Path) -> None:
    """With a key the advice is gone."""
    settings = local(tmp_path)
    key, _ = await create_key(settings, "alice", request_of("test", ["orders.read"], 1))
    async with direct_access(settings) as access:
        await access.keys.revoke(COMMAND_LINE, key.key_id, None)
    (revoked,) = (await areas(settings))["API keys"]
    assert (revoked.ok, "keys create" in revoked.advice) == (None, True)
    await create_key(settings, "alice", request_of("test", (), 1))
    (usable,) = (await areas(settings))["API keys"]
    assert (usable.ok, usable.what) == (True, "1 usable")
    assert key.user_id == "alice"


def test_an_unknown_scope_is_named() -> None:
    """A typo must not make a key that can do nothing, or everything."""
    with pytest.raises(ValueError, match=r"orders\.wirte"):
        request_of("test", ["orders.wirte"])


@pytest.mark.parametrize(
    ("settings", "area", "words"),
    [
        ({"listen": "0.0.0.0:50051"}, "listener", "BROKERGW_TLS_CERTIFICATE"),
        ({"listen": "nonsense"}, "listener", "host:port"),
        ({"tls_certificate": "/none", "tls_private_key": "/none"}, "certificate", "path"),
        ({"database_url": "postgresql://127.0.0.1:9/none"}, "database", "BROKERGW_DATABASE_URL"),
        ({"signing_key": "short"}, "secrets", "openssl"),
    ],
    ids=["plaintext", "address", "certificate", "database", "secret"],
)
async def test_what_is_wrong_is_told_with_what_to_do(
    tmp_path: Path, settings: dict[str, object], area: str, words: str
) -> None:
    """One bad setting is one finding that fails, with advice."""
    failed = [finding for finding in (await areas(local(tmp_path, **settings)))[area] if finding.ok is False]
    assert len(failed) == 1
    assert words in f"{failed[0].what} {failed[0].advice}"


async def test_keys_that_others_can_read_are_found(tmp_path: Path) -> None:
    """The advice is the command that mends it."""
    settings = local(tmp_path)
    await examine(settings)
    (tmp_path / "signing.key").chmod(0o644)
    advice = [finding.advice for finding in (await areas(settings))["secrets"] if finding.ok is False]
    assert advice == [f"chmod 600 {tmp_path / 'signing.key'}"]


async def test_the_vault_is_looked_into(tmp_path: Path) -> None:
    """All under the first key is well, what a rotation must reach is told, what does not open is wrong."""
    old, new = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    await create_key(local(tmp_path, credentials_encryption_key=old), "alice", request_of("test", (), 1))
    url = local(tmp_path).store_url
    async with open_store(url, clock=SystemClock(), credentials_key=bytes([1]) * 32) as store:
        await store.connections.add(connection_for("acc_1", has_key=True), Credentials(key="k", secret="s"))
    told = []
    for keys in (old, f"{new},{old}", new):
        (found,) = (await areas(local(tmp_path, credentials_encryption_key=keys)))["vault"]
        told.append((found.ok, found.what, found.advice))
    assert told[0] == (True, "2 stored secrets, all under the first key", "")
    assert told[1] == (None, "2 of 2 stored secrets wait for a rotation", "run `brokergw vault rotate`")
    assert told[2][0] is False
    assert "put these keys back" in told[2][2]


async def test_a_file_of_keys_that_others_can_read_is_found(tmp_path: Path) -> None:
    """Wherever it is."""
    path = tmp_path / "elsewhere"
    path.write_text(base64.b64encode(bytes(32)).decode())
    path.chmod(0o640)
    found = (await areas(local(tmp_path, credentials_key_file=path)))["secrets"]
    assert [each.advice for each in found if each.ok is False] == [f"chmod 600 {path}"]


async def test_a_role_that_row_security_does_not_bind_is_found(tmp_path: Path, postgresql_url: str) -> None:
    """A database that the gateway would refuse to serve from is a finding with its advice; the serving role is well."""
    key = base64.b64encode(bytes(32)).decode()
    keys = {"signing_key": key, "credentials_encryption_key": key}
    owner = local(tmp_path, database_url=owned(postgresql_url), **keys)
    (found,) = (await areas(owner))["database"]
    assert (found.ok, "superuser" in found.what, found.advice) == (False, True, "see docs/separation.md")
    (found,) = (await areas(local(tmp_path, database_url=postgresql_url, **keys)))["database"]
    assert found.ok
