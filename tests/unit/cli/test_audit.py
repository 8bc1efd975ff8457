"""The verbs of `brokergw audit`."""

import json
import sqlite3
from pathlib import Path

import pytest
from brokerapi.v1 import audit_pb2 as pb

from tests.fixtures.command_line import CommandLine, type_command
from tests.fixtures.fake_gateway import FakeGateway


def an_event(number: int) -> pb.AuditEvent:
    """Make an event."""
    return pb.AuditEvent(
        chain="chn_1", sequence=number, user_id="ann", action="brokerapi.v1.OrderService/SubmitOrder", outcome="OK"
    )


async def test_events_are_listed_as_asked(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Every option reaches the gateway, and pages are put together up to the limit."""
    fake_gateway.answers["ListAuditEvents"] = pb.ListAuditEventsResponse(
        events=[an_event(2), an_event(1)], next_page_token="next"
    )
    typed = await command(
        *("audit", "list", "--user", "ann", "--broker", "alpaca", "--account", "acc_1", "--order", "ord_1"),
        *("--action", "order.", "--since", "2027-01-15T08:00:00", "--until", "2027-01-16", "--limit", "3", "--json"),
    )
    assert [line["sequence"] for line in typed.lines] == ["2", "1", "2"]
    first, second = (seen.request for seen in fake_gateway.seen("ListAuditEvents"))
    assert (first.user_id, first.broker, first.account_id, first.order_id) == ("ann", "alpaca", "acc_1", "ord_1")
    assert (first.action, first.since_time.ToJsonString()) == ("order.", "2027-01-15T08:00:00Z")
    assert (first.until_time.ToJsonString(), first.page_size) == ("2027-01-16T00:00:00Z", 3)
    assert (second.page_token, second.user_id) == ("next", "ann")


async def test_events_are_shown_as_a_table(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """A person sees who did what and how it ended."""
    fake_gateway.answers["ListAuditEvents"] = pb.ListAuditEventsResponse(events=[an_event(1)])
    typed = await command("audit", "list", "--all-users")
    assert "SubmitOrder" in typed.out
    assert "ann" in typed.out
    assert fake_gateway.seen("ListAuditEvents")[0].request.all_users


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, str]:
    """Give the settings of a gateway whose log has rows: one user with a key."""
    settings = {"BROKERGW_DATA_DIR": str(tmp_path)}
    made = type_command("keys", "create", "--user", "ann", "--name", "first", "--json", **settings)
    assert made.status == 0, made.err
    revoked = type_command("keys", "revoke", json.loads(made.out)["key_id"], **settings)
    assert revoked.status == 0, revoked.err
    return settings


def test_a_log_is_verified_without_a_gateway(kept: dict[str, str]) -> None:
    """Rows, chains and checkpoints are counted; a whole log ends well."""
    typed = type_command("audit", "verify", "--json", **kept)
    assert typed.status == 0, typed.out
    (told,) = typed.lines
    assert told["whole"]
    assert told["rows"] >= 2
    assert told["unsigned"] == 0
    assert "The log is whole" in type_command("audit", "verify", **kept).err


def test_a_bent_log_ends_with_a_status_of_its_own(kept: dict[str, str], tmp_path: Path) -> None:
    """What is wrong is shown with its place."""
    with sqlite3.connect(tmp_path / "brokergw.db") as database:
        database.execute("DROP TRIGGER broker_audit_log_unchanged")
        database.execute("UPDATE broker_audit_log SET outcome = 'x' WHERE sequence = 2")
    database.close()
    typed = type_command("audit", "verify", **kept)
    assert typed.status == 4
    assert "ROW_CHANGED" in typed.out


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_an_export_is_verified_by_itself(kept: dict[str, str], tmp_path: Path, name: str) -> None:
    """The file and the public key are enough; another key is not."""
    out = tmp_path / name
    assert type_command("audit", "export", "--out", str(out), **kept).status == 0
    assert type_command("audit", "verify", "--export", str(out), **kept).status == 0
    (told,) = type_command("audit", "verify", "--export", str(out), "--json", **kept).lines
    (key,) = told["public_keys"]
    elsewhere = {"BROKERGW_DATA_DIR": str(tmp_path / "elsewhere")}
    assert type_command("audit", "verify", "--export", str(out), "--public-key", key, **elsewhere).status == 0
    other = type_command("audit", "verify", "--export", str(out), "--public-key", "ab" * 32, **elsewhere)
    assert other.status == 4
    assert "KEY_UNKNOWN" in other.out


@pytest.mark.parametrize(
    "words",
    [("verify", "--public-key", "short"), ("verify", "--export", "README.md"), ("export", "--out", "README.md")],
    ids=" ".join,
)
def test_a_wrong_command_line_is_told(kept: dict[str, str], words: tuple[str, ...]) -> None:
    """No key, no export, and a file that is there already."""
    assert type_command("audit", *words, **kept).status == 2


def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    """There is nothing to verify where there is no database."""
    assert type_command("audit", "verify", BROKERGW_DATA_DIR=str(tmp_path)).status == 2
