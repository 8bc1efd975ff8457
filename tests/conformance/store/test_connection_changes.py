"""Finding what other processes did with connections, at the cost of what they did and not of what there is."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, update

from brokergw.desk.sessions import Sessions
from brokergw.model.events import AuditRow
from brokergw.ports.broker import Credentials
from brokergw.store import Store
from brokergw.store.connections import directory as module
from brokergw.store.tables import CONNECTIONS
from tests.conformance.store.making import ALL, USER, connection_for
from tests.fixtures.clock import START_NS, FakeClock
from tests.fixtures.patience import written
from tests.fixtures.scripted_broker import ScriptedBroker
from tests.fixtures.stores import open_for_test

ROW = AuditRow(
    time_ns=START_NS, request_id="", user_id=USER, key_id="", action="connection.updated", outcome="OK", detail=""
)
MANY = 200
ROUNDS = 20


async def test_each_change_is_told_once(store: Store) -> None:
    """Made, given other credentials, named and revoked: each is news once to whoever looks, and then nothing is."""
    directory, seen = store.connections, -1
    made = connection_for("acc_1")
    steps = (
        lambda: directory.add(made, None),
        lambda: directory.put_credentials(made, Credentials(key="a key of mine", secret="s")),
        lambda: directory.set_label(USER, made.connection_id, "mine", ROW),
        lambda: directory.revoke(USER, made.connection_id, START_NS),
    )
    for step in steps:
        await step()
        (found,), latest = await directory.changed(seen)
        assert latest > seen
        assert found == (await directory.list())[0]
        assert await directory.changed(latest) == ([], latest)
        seen = latest


async def test_who_begins_is_told_everything(store: Store) -> None:
    """From the beginning on every connection is told, those of former versions too, which have no number."""
    for account in ("acc_1", "acc_2", "acc_3"):
        await store.connections.add(connection_for(account), None)
    before = await store.connections._run(
        ALL, lambda database: database.execute(update(CONNECTIONS).values(change=0)).rowcount
    )
    assert before == 3
    found, latest = await store.connections.changed(-1)
    assert len(found) == 3
    assert await store.connections.changed(latest) == ([], latest)


async def test_changes_of_several_processes_come_in_one_order(store_url: str) -> None:
    """Of two who change connections at once, whoever reads along misses nothing."""
    async with open_for_test(store_url) as one, open_for_test(store_url) as other, open_for_test(store_url) as reading:
        writing = [
            written(partial(store.connections.add, connection_for(f"acc_{number}_{name}"), None))
            for number in range(20)
            for name, store in (("one", one), ("other", other))
        ]
        work = asyncio.gather(*writing)
        seen = -1
        found: set[str] = set()
        while not work.done():
            changed, seen = await reading.connections.changed(seen)
            found |= {each.connection_id for each in changed}
        await work
        changed, _ = await reading.connections.changed(seen)
        assert len(found | {each.connection_id for each in changed}) == 40


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count the connections that are read."""
    count = {"rows": 0}
    read = module._connection

    def counting(row: Any) -> Any:
        count["rows"] += 1
        return read(row)

    monkeypatch.setattr(module, "_connection", counting)
    return count


async def test_a_round_costs_one_statement_at_most_and_no_row(store: Store, counted: dict[str, int]) -> None:
    """With two hundred connections a round that finds nothing new reads none; one that has changed, that one."""
    for number in range(MANY):
        await store.connections.add(replace(connection_for(f"acc_{number}"), broker="scripted"), None)
    clock = FakeClock()
    sessions = Sessions(store.connections, {"scripted": ScriptedBroker()}, clock)
    await sessions.open_all()
    assert (len(sessions.all()), counted["rows"]) == (MANY, MANY)
    statements: list[str] = []
    event.listen(store._reading, "before_cursor_execute", lambda _c, _k, text, *_: statements.append(text))
    for _ in range(ROUNDS):
        await sessions.open_all()
    # SQLite is not even asked while nothing is written.
    assert (len(statements), counted["rows"]) == (ROUNDS if store.journal.shared else 0, MANY)
    await store.connections.set_label(USER, "con_acc_7", "mine", ROW)
    await sessions.open_all()
    assert counted["rows"] == MANY + 1
    assert [each.connection.label for each in sessions.all()].count("mine") == 1
    await sessions.stop()
