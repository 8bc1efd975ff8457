"""Keys with restrictions, the first administrator, roles, certificates and tokens, typed on a database."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from brokergw.app.doctor import examine
from brokergw.app.settings import Settings
from brokergw.desk.identity.certificates import fingerprint_of
from tests.fixtures.certificates import Authority
from tests.fixtures.command_line import Typed
from tests.unit.cli.test_server import typed_on

ALICE = ("keys", "create", "--user", "alice", "--json")


async def one(directory: Path, *words: str) -> dict[str, Any]:
    """Type a command that prints one object."""
    typed = await typed_on(directory, *words)
    assert typed.status == 0, typed.err
    (line,) = typed.lines
    read: dict[str, Any] = line
    return read


def said(typed: Typed) -> tuple[int, str]:
    """Give what a refused command said."""
    return typed.status, typed.err


async def test_the_first_administrator_is_made_once(tmp_path: Path) -> None:
    """Its key manages and trades nothing; `serve` and `doctor` ask for it until it is there."""
    settings = Settings(data_dir=tmp_path, database_url="", alpaca_paper_url="http://127.0.0.1:9")
    await one(tmp_path, *ALICE)
    (lacking,) = (each for each in await examine(settings) if each.area == "administrators")
    assert (lacking.ok, "keys bootstrap" in lacking.advice) == (None, True)

    made = await one(tmp_path, "keys", "bootstrap", "--user", "root", "--json")
    assert made["api_key"].startswith("bgw_")
    assert {"admin.write", "keys.write", "audit.read", "risk.write"} <= set(made["scopes"])
    assert not {"orders.write", "connections.write"} & set(made["scopes"])

    status, words = said(await typed_on(tmp_path, "keys", "bootstrap", "--user", "mallory"))
    assert (status, "already" in words) == (3, True)
    assert await one(tmp_path, "roles", "list", "--json") == {"user_id": "root", "roles": ["ADMIN"]}
    (there,) = (each for each in await examine(settings) if each.area == "administrators")
    assert (there.ok, there.what) == (True, "root")


async def test_a_key_takes_its_restrictions_from_the_command_line(tmp_path: Path) -> None:
    """And shows them; without an end it lives as long as keys may."""
    words = ("--mode", "paper", "--address", "10.0.0.0/8", "--address", "192.0.2.1", "--scope", "orders.read")
    made = await one(tmp_path, *ALICE, *words)
    assert (made["mode_max"], made["addresses"]) == ("PAPER", ["10.0.0.0/8", "192.0.2.1/32"])
    lives = datetime.fromisoformat(made["expire_time"]) - datetime.fromisoformat(made["create_time"])
    assert lives == timedelta(days=90)
    listed = await typed_on(tmp_path, "keys", "list")
    assert "PAPER" in listed.out
    assert datetime.fromisoformat(made["create_time"]).tzinfo == UTC


@pytest.mark.parametrize(
    ("words", "status", "about"),
    [
        (("--scope", "admin.read"), 3, "ROLE_MISSING"),
        (("--scope", "orders.write", "--scope", "keys.write"), 2, "manages no keys"),
        (("--role", "KING"), 2, "KING"),
        (("--mode", "turbo"), 2, "TURBO"),
        (("--address", "10.0.0.1/8"), 2, "mask"),
        (("--account", "acc_none"), 3, "ACCOUNT_NOT_FOUND"),
        (("--expires-in-days", "91"), 2, "90 days"),
    ],
)
async def test_a_key_that_cannot_be_is_told_why(
    tmp_path: Path, words: tuple[str, ...], status: int, about: str
) -> None:
    """In words and by the status; nothing is made."""
    typed = await typed_on(tmp_path, *ALICE, *words)
    assert typed.status == status
    assert about in " ".join(typed.err.replace("│", " ").split())
    assert (await typed_on(tmp_path, "keys", "list", "--json")).lines == []


async def test_a_role_comes_with_a_key_or_by_itself_and_goes(tmp_path: Path) -> None:
    """The last administrator's stays."""
    made = await one(tmp_path, *ALICE, "--role", "operator", "--scope", "operations.read")
    assert made["scopes"] == ["operations.read"]
    assert (await typed_on(tmp_path, "roles", "grant", "bob", "admin")).status == 0
    roles = {each["user_id"]: each["roles"] for each in (await typed_on(tmp_path, "roles", "list", "--json")).lines}
    assert roles == {"alice": ["OPERATOR"], "bob": ["ADMIN"]}
    assert (await typed_on(tmp_path, "roles", "revoke", "alice", "OPERATOR")).status == 0
    status, words = said(await typed_on(tmp_path, "roles", "revoke", "bob", "ADMIN"))
    assert (status, "LAST_ADMIN" in words) == (3, True)
    assert (await typed_on(tmp_path, "roles", "grant", "bob", "emperor")).status == 2
    assert "bob" in (await typed_on(tmp_path, "roles", "list")).out


async def test_a_rotated_key_is_shown_once(tmp_path: Path) -> None:
    """With until when the one of before works."""
    made = await one(tmp_path, *ALICE)
    rotated = await one(tmp_path, "keys", "rotate", made["key_id"], "--overlap-minutes", "5", "--json")
    assert rotated["key_id"] == made["key_id"]
    assert rotated["api_key"] != made["api_key"]
    assert rotated["old_secret_until"] > made["create_time"]
    listed = await typed_on(tmp_path, "keys", "list", "--json")
    assert rotated["api_key"] not in listed.out
    assert said(await typed_on(tmp_path, "keys", "rotate", "nokey"))[0] == 3


async def test_a_certificate_is_mapped_by_its_file_or_name(tmp_path: Path) -> None:
    """In exactly one way; unmapped it speaks for nobody."""
    leaf = Authority("clients").leaf()
    file = tmp_path / "desk.crt"
    file.write_bytes(leaf.certificate)
    common = ("certificates", "map", "--user", "alice", "--scope", "orders.read")
    assert (await typed_on(tmp_path, *common, "--file", str(file))).status == 0
    assert (await typed_on(tmp_path, *common, "--dns", "BOT.desk.test")).status == 0
    assert (await typed_on(tmp_path, *common)).status == 2
    assert (await typed_on(tmp_path, *common, "--dns", "a", "--uri", "b")).status == 2
    assert (await typed_on(tmp_path, *common, "--fingerprint", "ab")).status == 2
    listed = (await typed_on(tmp_path, "certificates", "list", "--json")).lines
    values = {each["match"]: each["value"] for each in listed}
    assert values == {"FINGERPRINT": fingerprint_of(leaf.certificate), "DNS": "bot.desk.test"}
    assert (await typed_on(tmp_path, "certificates", "unmap", listed[0]["certificate_id"])).status == 0
    assert said(await typed_on(tmp_path, "certificates", "unmap", "crt_none"))[0] == 3
    shown = await typed_on(tmp_path, "certificates", "list", "--user", "alice")
    assert listed[0]["certificate_id"][:8] in json.dumps(shown.out)


async def test_a_token_is_refused_from_the_command_line(tmp_path: Path) -> None:
    """By its id, and again without harm."""
    for _ in range(2):
        assert (await typed_on(tmp_path, "tokens", "revoke", "jti-1")).status == 0
