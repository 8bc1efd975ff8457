"""The audit log: every row in the chain of its writer, and every chain signed."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from brokergw.model.errors import GatewayError
from brokergw.ports.journal import Commit
from brokergw.store import Store
from brokergw.store.audit.canonical import GENESIS, row_hash
from brokergw.store.audit.chain import OPENED, chain_of
from brokergw.store.notary.checkpoint import Checkpoint, SignedCheckpoint
from brokergw.store.notary.file import files_in
from brokergw.store.notary.heads import _OPEN, open_chains
from brokergw.store.notary.keeping import AuditKeeping
from brokergw.store.tables import AUDIT, AUDIT_CHAINS, AUDIT_CHECKPOINTS
from tests.conformance.store.making import ALL, add_accounts, admit, an_order, audit, committed, in_one_batch, settle
from tests.conformance.store.test_halts import wish
from tests.fixtures.audit_log import KEYS, audit_rows, keeper_of, signed_store
from tests.fixtures.stores import open_for_test


async def checkpoints_of(store: Store) -> list[Checkpoint]:
    """Read every checkpoint, and insist that each is signed."""
    wanted = select(AUDIT_CHECKPOINTS).order_by(AUDIT_CHECKPOINTS.c.time_ns, AUDIT_CHECKPOINTS.c.number)
    rows = await store._reader.query(ALL, lambda database: database.execute(wanted).all())
    assert all(KEYS.vouches(row.key_id, row.body, row.signature) for row in rows)
    return [Checkpoint.read(row.body) for row in rows]


def require_chained(rows: Sequence[Any]) -> dict[str, int]:
    """Insist that each chain is whole from its first row, and give how long each is."""
    lengths = {}
    for chain, links in groupby(rows, key=lambda row: row.chain):
        previous = GENESIS
        for number, row in enumerate(links, 1):
            assert (row.sequence, row.previous_hash) == (number, previous)
            assert row.hash == row_hash(chain, number, previous, tuple(row)[4:])
            assert (row.action == OPENED) == (number == 1)
            previous = row.hash
            lengths[chain] = number
    return lengths


async def test_rows_of_a_process_stand_in_one_chain(store: Store) -> None:
    """Units, rows that ride and small writes of a process stand in the chain of their writer, without a gap."""
    await add_accounts(store)
    orders = [an_order() for _ in range(5)]
    await in_one_batch(store, *map(admit, orders))
    store.journal.record(audit("ridden"))
    for order in orders:
        await committed(store, settle(order))
    lengths = require_chained(await audit_rows(store))
    assert max(lengths.values()) >= 12
    chains = await store._reader.query(ALL, lambda database: database.execute(select(AUDIT_CHAINS)).all())
    assert {row.chain for row in chains} == set(lengths)


async def test_rows_of_refused_units_leave_no_gap(store: Store) -> None:
    """When units of a batch are refused, one by one or all at once, the chain goes on without theirs."""
    await add_accounts(store)
    good, bad = an_order(), an_order("acc_unknown")
    results = await in_one_batch(store, admit(good), admit(bad), admit(an_order()))
    assert isinstance(results[1], GatewayError)
    await committed(store, settle(good))
    (length,) = require_chained(await audit_rows(store)).values()
    assert length == 1 + 3


async def test_a_row_put_behind_the_head_is_not_continued(store: Store, store_url: str) -> None:
    """A row that somebody else writes at a chain's next place ends that chain for its writer, who begins another."""
    await add_accounts(store)
    await committed(store, Commit(audit=(audit("first"),)))
    last = (await audit_rows(store))[-1]
    forged = dict(last._mapping) | {"sequence": last.sequence + 1, "previous_hash": last.hash, "hash": "f" * 64}
    async with open_for_test(store_url) as other:
        await other._writer.run(ALL, lambda database: database.execute(AUDIT.insert().values(forged)) and None)
    await committed(store, Commit(audit=(audit("second"),)))
    rows = await audit_rows(store)
    assert {row.chain for row in rows if row.action == "second"}.isdisjoint({last.chain})
    require_chained([row for row in rows if row.hash != "f" * 64])


@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = 'x'", "DELETE FROM {}"])
@pytest.mark.parametrize(("table", "column"), [("broker_audit_log", "outcome"), ("audit_checkpoints", "body")])
async def test_the_database_itself_refuses_changes(signing: Store, statement: str, table: str, column: str) -> None:
    """Neither an audit row nor a checkpoint can be changed or removed by an ordinary statement."""
    await committed(signing, Commit(audit=(audit(),)))
    keeper = keeper_of(signing)
    await keeper.sign()
    with pytest.raises(Exception, match=r"never changed|retention only|permission denied"):
        await signing._writer.run(
            ALL, lambda database: database.execute(text(statement.format(table, column))) and None
        )


async def test_each_second_with_something_new_is_signed(signing: Store, checkpoints_folder: Path) -> None:
    """A checkpoint names every chain that has moved, is the same in the table and in the file, and follows the last."""
    keeper = keeper_of(signing)
    assert await keeper.sign() is None
    await committed(signing, Commit(audit=(audit(),)))
    assert await keeper.sign() is not None
    assert await keeper.sign() is None
    await committed(signing, Commit(audit=(audit(),)))
    assert await keeper.sign() is not None
    first, second = await checkpoints_of(signing)
    assert [head.sequence for head in (*first.heads, *second.heads)] == [2, 3]
    ((_, path),) = files_in(checkpoints_folder)
    kept = [SignedCheckpoint.from_line(line) for line in path.read_text().splitlines()]
    assert [Checkpoint.read(each.body) for each in kept] == [first, second]
    assert second.previous == kept[0].hash


async def test_the_end_is_signed(store_url: str, tmp_path: Path) -> None:
    """When a store closes, its last rows are signed, and its chain is closed."""
    async with signed_store(store_url, tmp_path) as store:
        await committed(store, Commit(audit=(audit(),)))
        store.journal.record(audit("ridden"))
    async with signed_store(store_url, tmp_path) as store:
        (made,) = await checkpoints_of(store)
        assert [head.sequence for head in made.heads] == [3]
        chains = await store._reader.query(ALL, lambda database: database.execute(select(AUDIT_CHAINS)).all())
        assert [(row.signed_sequence, row.close_time_ns is not None) for row in chains] == [(3, True)]


async def test_what_a_dead_process_left_is_signed_by_the_next(store_url: str, tmp_path: Path) -> None:
    """The first checkpoint of a process signs what another wrote and did not sign, and says which rows those are."""
    async with signed_store(store_url, tmp_path) as store:
        await committed(store, Commit(audit=(audit(),)))
        async with signed_store(store_url, tmp_path) as other:
            await committed(other, Commit(audit=(audit(),)))
            made = await keeper_of(other).sign()
            assert made is not None
            chain = chain_of(store._connection._engine).durable.chain
            assert made.found == ((chain, 1, 2),)
            assert {(head.chain, head.sequence) for head in made.heads} >= {(chain, 2)}


async def test_a_chain_that_nobody_with_the_key_began_is_not_signed(store_url: str, tmp_path: Path) -> None:
    """Rows in a chain whose first row no key signed are not made good by a later checkpoint."""
    async with signed_store(store_url, tmp_path) as store:
        await committed(store, Commit(audit=(audit(),)))
    async with open_for_test(store_url, audit=AuditKeeping(bytes(32), tmp_path)) as stranger:
        await committed(stranger, Commit(audit=(audit("forged"),)))
        async with signed_store(store_url, tmp_path) as store:
            await committed(store, Commit(audit=(audit(),)))
            made = await keeper_of(store).sign()
            rows = await audit_rows(store)
        assert made is not None
        assert {head.chain for head in made.heads} == {rows[-1].chain}


async def test_each_writer_of_a_process_has_its_chain(postgresql_url: str, tmp_path: Path) -> None:
    """Where several write beside one another, none waits for another's chain."""
    async with signed_store(postgresql_url, tmp_path) as store:
        await add_accounts(store)
        await asyncio.gather(
            committed(store, Commit(audit=(audit("group"),))),
            store.halts.place(wish()),
        )
        assert len(require_chained(await audit_rows(store))) == 2


def _touched(plan: dict[str, Any]) -> float:
    """Count the rows that a plan's steps gave and threw away, all loops together."""
    own = sum(plan.get(name, 0) for name in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter"))
    return float(own * plan["Actual Loops"] + sum(map(_touched, plan.get("Plans", []))))


async def test_a_chains_head_costs_the_same_however_long_it_is(store_url: str, checkpoints_folder: Path) -> None:
    """Asked for every second by every process, on PostgreSQL through what holds the users' rows apart."""
    async with signed_store(store_url, checkpoints_folder) as store:
        await committed(store, Commit(audit=tuple(audit(f"row {number}") for number in range(400))))
        keeper = keeper_of(store)
        chains = await keeper._reader.query(ALL, open_chains)
        assert max(each.head.sequence for each in chains) >= 400

        def explained(database: Connection) -> Any:
            if database.dialect.name == "sqlite":
                return [row[-1] for row in database.exec_driver_sql(f"EXPLAIN QUERY PLAN {_OPEN.text}")]
            return database.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {_OPEN.text}").scalar_one()

        plan = await keeper._reader.query(ALL, explained)
    if "Plan" in plan[0]:
        assert _touched(plan[0]["Plan"]) <= 20 * len(chains)
    else:
        assert not [step for step in plan if step.startswith("SCAN l")]
