"""What weakens an installation: each weakness is told, and gone once it is mended."""

from pathlib import Path
from typing import Any

import pytest

from brokergw.app.finding import Finding
from brokergw.app.settings import Settings
from brokergw.app.weaknesses import weak_keys, weaknesses
from brokergw.model.principal import ApiKey, Role


def found(tmp_path: Path, **settings: Any) -> list[Finding]:
    return [finding for finding in weaknesses(Settings(data_dir=tmp_path, **settings)) if finding.area != "audit"]


def test_a_default_installation_has_no_weakness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets nothing is safe."""
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    tmp_path.chmod(0o700)
    assert found(tmp_path) == []


CASES: list[tuple[dict[str, Any], str, bool | None, str]] = [
    ({"alpaca_live_url": "http://broker.example"}, "broker address", False, "BROKERGW_ALPACA_LIVE_URL"),
    ({"alpaca_live_url": "http://127.0.0.1:1"}, "broker address", None, "on this machine"),
    ({"otlp_endpoint": "http://collector.example:4317"}, "traces", None, "plain HTTP"),
    ({"listen": "0.0.0.0:1"}, "listener", None, "reflection"),
    ({"metrics_listen": "0.0.0.0:1"}, "metrics", None, "credential"),
    ({"log_level": "DEBUG"}, "logs", None, "DEBUG"),
    ({"chaos": "C5:3:kill"}, "chaos", False, "crash"),
    ({"address_client_connections_max": 0}, "connections", None, "any number"),
    ({"client_connections_max": 2**31}, "connections", False, "files"),
    (
        {"alert_webhook_url": "http://hook.example", "alert_webhook_secret": "0123456789abcdef"},
        "alerts",
        None,
        "plain HTTP",
    ),
]
_MAIL: dict[str, Any] = {
    "alert_email_server": "mail:25",
    "alert_email_from": "a@b.c",
    "alert_email_to": "d@e.f",
    "alert_email_security": "none",
}
CASES += [
    (_MAIL, "alerts", None, "plaintext"),
    ({**_MAIL, "alert_email_user": "x", "alert_email_password": "12345678"}, "alerts", False, "password"),
]


@pytest.mark.parametrize(("settings", "area", "ok", "words"), CASES, ids=[str(n) for n in range(len(CASES))])
def test_a_weak_setting_is_told(tmp_path: Path, settings: dict[str, Any], area: str, ok: object, words: str) -> None:
    """One weakness is one finding, with what to do."""
    tmp_path.chmod(0o700)
    (finding,) = found(tmp_path, **settings)
    assert (finding.area, finding.ok) == (area, ok)
    assert words in finding.what
    assert finding.advice


@pytest.mark.parametrize("name", ["SSLKEYLOGFILE", "GRPC_TRACE", "GRPC_SSL_CIPHER_SUITES"])
def test_a_variable_that_makes_libraries_talk_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a variable is named; empty it does nothing, and is not."""
    monkeypatch.setenv(name, "/tmp/x")  # noqa: S108 - nothing is written there
    assert [finding.what.split()[0] for finding in found(tmp_path)] == [name]
    monkeypatch.setenv(name, "")
    assert found(tmp_path) == []


def test_files_that_others_can_read_are_told(tmp_path: Path) -> None:
    """The private key and the database at 0600 are well, at 0640 they are not; a folder for all is not either."""
    key, database = tmp_path / "tls.key", tmp_path / "brokergw.db"
    for path in (key, database):
        path.touch(0o600)
    settings = {"tls_certificate": str(tmp_path / "tls.crt"), "tls_private_key": str(key)}
    assert found(tmp_path, **settings) == []
    for path in (key, database):
        path.chmod(0o640)
    assert [finding.advice for finding in found(tmp_path, **settings)] == [f"chmod 600 {key}", f"chmod 600 {database}"]
    key.chmod(0o600)
    database.chmod(0o600)
    tmp_path.chmod(0o777)
    assert [finding.advice for finding in found(tmp_path, **settings)] == [f"chmod 700 {tmp_path}"]


def test_missing_checkpoints_are_told(tmp_path: Path) -> None:
    """Without a file of checkpoints outside the database it is worth knowing; with one all is well."""
    settings = Settings(data_dir=tmp_path)
    (before,) = [finding for finding in weaknesses(settings) if finding.area == "audit"]
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "checkpoints-ins_1.jsonl").write_text("{}")
    (after,) = [finding for finding in weaknesses(settings) if finding.area == "audit"]
    assert (before.ok, after.ok) == (None, True)


@pytest.mark.parametrize(("role", "ok"), [(Role.ADMIN, False), (Role.OPERATOR, False), (Role.USER, None)])
def test_a_key_that_never_expires_is_told(role: Role, ok: object) -> None:
    """For a powerful role it is wrong, for a user worth knowing; a key with an end is neither."""

    def key(expire_time_ns: int | None) -> ApiKey:
        return ApiKey(
            key_id="k",
            user_id="alice",
            name="x",
            scopes=frozenset(),
            create_time_ns=0,
            expire_time_ns=expire_time_ns,
            revoke_time_ns=None,
            roles=frozenset({role}),
        )

    (finding,) = weak_keys([key(None)])
    assert finding.ok is ok
    assert list(weak_keys([key(1)])) == []
