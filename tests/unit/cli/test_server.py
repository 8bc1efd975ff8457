import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brokergw.app.demos import DEMOS
from brokergw.app.finding import Finding
from brokergw.app.settings import Settings
from brokergw.ports.audit import AuditQuery
from brokergw.store.database.engine import parse_url, reader_engine
from brokergw.store.migrations import read_epoch
from tests.fixtures.command_line import Typed, type_command
from tests.fixtures.stores import open_for_test


async def typed_on(directory: Path, *words: str, **environment: str) -> Typed:
    """Type a command for a gateway whose data lie in a directory."""
    where = {"BROKERGW_DATA_DIR": str(directory), "BROKERGW_DATABASE_URL": "", **environment}
    return await asyncio.to_thread(type_command, *words, **where)


@dataclass
class Recorder:
    """Stands in for a function of the gateway: remembers how it was called."""

    answer: Any = 0
    given: tuple[Any, ...] = ()

    def __call__(self, *given: Any) -> Any:
        """Be called."""
        self.given = given
        return self.answer


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces one function of a module of `brokergw.app`."""

    def replace(module: str, name: str, answer: Any = 0) -> Recorder:
        recorder = Recorder(answer)
        monkeypatch.setitem(sys.modules, f"brokergw.app.{module}", SimpleNamespace(**{name: recorder}))
        return recorder

    return replace


async def test_a_key_is_shown_once_and_listed_without_itself(tmp_path: Path) -> None:
    """`keys create` prints the key, `keys list` never does, `keys revoke` ends it."""
    (made,) = (await typed_on(tmp_path, "keys", "create", "--user", "alice", "--name", "laptop", "--json")).lines
    assert made["api_key"].startswith("bgw_")
    assert made["user_id"] == "alice"

    listed = await typed_on(tmp_path, "keys", "list", "--user", "alice")
    assert made["key_id"] in listed.out
    assert made["api_key"] not in listed.out

    assert (await typed_on(tmp_path, "keys", "revoke", made["key_id"])).status == 0
    (after,) = (await typed_on(tmp_path, "keys", "list", "--json")).lines
    assert after["revoke_time"]
    assert (await typed_on(tmp_path, "keys", "revoke", "nobody")).status == 3


async def test_a_key_for_a_person_stands_in_a_frame(tmp_path: Path) -> None:
    """Without --json the key is whole on the screen, with its scopes as asked for."""
    typed = await typed_on(
        tmp_path, "keys", "create", "--user", "bob", "--scope", "orders.read", "--expires-in-days", "30"
    )

    assert "bgw_" in typed.out
    (listed,) = (await typed_on(tmp_path, "keys", "list", "--json")).lines
    assert listed["scopes"] == ["orders.read"]
    assert listed["expire_time"] > listed["create_time"]


async def test_an_unknown_scope_is_a_wrong_command_line(tmp_path: Path) -> None:
    """The scope is named and no key is made."""
    typed = await typed_on(tmp_path, "keys", "create", "--user", "bob", "--scope", "everything")

    assert typed.status == 2
    assert "everything" in typed.err
    assert (await typed_on(tmp_path, "keys", "list", "--json")).lines == []


async def test_the_schema_is_brought_up_to_date_once(tmp_path: Path) -> None:
    """`db upgrade` tells from where to where, and the second time that there is nothing to do."""
    first = await typed_on(tmp_path, "db", "upgrade")
    second = await typed_on(tmp_path, "db", "upgrade")

    assert (first.status, second.status) == (0, 0)
    assert "upgraded from" in first.err
    assert "already" in second.err


async def test_a_restored_database_begins_another_life(tmp_path: Path) -> None:
    """`db restored` gives the record another epoch and says so in the audit; not while somebody serves it."""
    await typed_on(tmp_path, "db", "upgrade")
    url = f"sqlite:///{tmp_path / 'brokergw.db'}"
    before = read_epoch(reader_engine(parse_url(url)))
    assert (await typed_on(tmp_path, "db", "restored")).status == 0
    after = read_epoch(reader_engine(parse_url(url)))
    assert after != before
    async with open_for_test(url) as store:
        assert store.journal.epoch == after
        (told,) = await store.audit.list(AuditQuery(action="record.restored"))
        assert (told.row.key_id, told.row.detail) == ("command-line", f"the life before was {before}")
        await store.claim()
        refused = await typed_on(tmp_path, "db", "restored")
    assert (refused.status, read_epoch(reader_engine(parse_url(url)))) == (2, after)
    assert "serves" in refused.err


async def test_a_database_that_several_processes_share_is_not_restored_beside_them(
    tmp_path: Path, postgresql_url: str
) -> None:
    """On PostgreSQL whoever lives is asked to end first."""
    where = {"BROKERGW_DATABASE_URL": postgresql_url}
    async with open_for_test(postgresql_url) as store:
        before = store.journal.epoch
        await store.leases.renew(())
        refused = await typed_on(tmp_path, "db", "restored", **where)
        assert (refused.status, "1 processes serve" in refused.err) == (2, True)
        await store.leases.release()
    assert (await typed_on(tmp_path, "db", "restored", **where)).status == 0
    async with open_for_test(postgresql_url) as store:
        assert store.journal.epoch != before


async def test_a_database_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Status 5, no traceback, and no password."""
    typed = await typed_on(
        tmp_path, "db", "upgrade", BROKERGW_DATABASE_URL="postgresql://bob:hidden-password@127.0.0.1:1/x"
    )

    assert typed.status == 5
    assert "hidden-password" not in typed.out + typed.err


async def test_a_wrong_setting_is_named_without_its_value(tmp_path: Path) -> None:
    """The value might be a secret, so only the name and the rule are told."""
    typed = await typed_on(tmp_path, "serve", BROKERGW_ORDERS_PER_MINUTE="hidden-value")

    assert typed.status == 2
    assert "orders_per_minute" in typed.err
    assert "hidden-value" not in typed.err


def test_serve_puts_its_options_over_the_environment(stand_in: Any) -> None:
    """An option that is given wins; one that is not leaves the environment's value."""
    run = stand_in("run", "serve", answer=7)

    typed = type_command(
        *("serve", "--listen", "127.0.0.1:1"), BROKERGW_LISTEN="127.0.0.1:2", BROKERGW_METRICS_LISTEN="127.0.0.1:3"
    )

    assert typed.status == 7
    (settings,) = run.given
    assert isinstance(settings, Settings)
    assert (settings.listen, settings.metrics_listen) == ("127.0.0.1:1", "127.0.0.1:3")


def test_demo_ends_as_the_demo_does(stand_in: Any) -> None:
    """The status of the demonstration is the status of the verb."""
    stand_in("demo", "main", answer=3)

    assert type_command("demo").status == 3


def test_the_demo_trades_at_simulated_brokers_only(stand_in: Any) -> None:
    """A broker that is chosen is passed on, and one without a simulator is a misuse."""
    run = stand_in("demo", "main")
    assert type_command("demo", "--broker", "ibkr").status == 0
    assert run.given == (DEMOS["ibkr"],)
    assert type_command("demo", "--broker", "nobody").status == 2


def test_the_simulator_gets_its_options(stand_in: Any) -> None:
    """What is given is passed on under the simulator's own names."""
    run = stand_in("simulators", "run")

    typed = type_command(
        *("sim", "alpaca", "--port", "0", "--seed", "7", "--rate-limit", "200", "--key", "PK:secret", "--market-hours")
    )

    assert typed.status == 0
    options = {"key": "PK:secret", "seed": "7", "rate-limit": "200", "market-hours": True}
    assert run.given == ("alpaca", "127.0.0.1", 0, options)


def test_the_simulated_gateway_gets_its_options(stand_in: Any) -> None:
    """The Client Portal gateway's simulator has options of its own."""
    run = stand_in("simulators", "run")
    typed = type_command("sim", "ibkr", "--port", "0", "--account", "DU7", "--paced")
    assert typed.status == 0
    assert run.given == ("ibkr", "127.0.0.1", 0, {"account": "DU7", "paced": True, "market-hours": False})


@pytest.mark.parametrize(("ok", "status"), [(True, 0), (None, 0), (False, 1)])
def test_the_doctor_fails_only_when_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch, *, ok: bool | None, status: int
) -> None:
    """A finding that is merely worth knowing does not."""

    async def examine(settings: Settings) -> list[Finding]:
        return [Finding("database", ok, "what was seen", "what to do")]

    monkeypatch.setitem(sys.modules, "brokergw.app.doctor", SimpleNamespace(examine=examine))

    typed = type_command("doctor")
    (line,) = type_command("doctor", "--json").lines

    assert typed.status == status
    assert "what to do" in typed.out
    assert line == {"area": "database", "ok": ok, "what": "what was seen", "advice": "what to do"}
