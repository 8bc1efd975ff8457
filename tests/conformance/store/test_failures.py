import asyncio
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, event, select, text
from sqlalchemy.exc import OperationalError

from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.journal import Commit, Committed, KeyTaken, OrderQuery
from brokergw.store import Store
from brokergw.store.audit.chain import OPENED
from brokergw.store.tables import AUDIT
from tests.conformance.store.making import (
    ALL,
    MINE,
    add_accounts,
    admit,
    an_order,
    audit,
    committed,
    in_one_batch,
    log_of,
    told,
)
from tests.fixtures.broken_wire import losing_proxy
from tests.fixtures.stores import open_for_test
from tests.fixtures.two_roles import owned


async def reason_of(store: Store, unit: Commit) -> Reason:
    """Commit a unit that must fail, and give the reason."""
    with pytest.raises(GatewayError) as failed:
        await store.journal.commit(unit)
    return failed.value.reason


async def audit_outcomes(store: Store) -> list[str]:
    """Read the outcomes of the audit rows."""
    wanted = select(AUDIT.c.outcome).where(AUDIT.c.action != OPENED).order_by(AUDIT.c.chain, AUDIT.c.sequence)
    return list(await store.journal._reader.query(ALL, lambda database: database.scalars(wanted).all()))


@contextmanager
def locked_by_another(path: Path) -> Iterator[None]:
    """Hold SQLite's write lock from another connection."""
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    other.close()


async def test_lost_reply_to_commit_is_an_unknown_outcome(postgresql_url: str) -> None:
    """When the reply to COMMIT is lost, the caller hears JOURNAL_OUTCOME_UNKNOWN, and a retry finds its own key."""
    with losing_proxy(postgresql_url) as (url, proxy):
        async with open_for_test(url) as store:
            await add_accounts(store)
            order = an_order()
            proxy.lose_next_commit = True
            assert await reason_of(store, admit(order)) is Reason.JOURNAL_OUTCOME_UNKNOWN
            assert await store.journal.order(MINE, order.order_id) == order
            again = await store.journal.commit(admit(order))
            assert isinstance(again, KeyTaken)
            assert again.record.subject == order.order_id
            await committed(store, admit(an_order()))
            assert await log_of(store) == [1, 2]


async def test_writer_survives_the_loss_of_its_connection(postgresql_url: str) -> None:
    """A connection that was cut between two commits is replaced, and nobody notices."""
    async with open_for_test(postgresql_url) as store:
        await add_accounts(store)
        with psycopg.connect(owned(postgresql_url), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await committed(store, admit(an_order()))
        assert await log_of(store) == [1]


async def test_unstorable_filter_is_the_callers_fault(postgresql_url: str) -> None:
    """A list filtered by a text that PostgreSQL cannot take is refused by FIELD_INVALID, not as an outage."""
    async with open_for_test(postgresql_url) as store:
        with pytest.raises(GatewayError) as refused:
            await store.journal.orders(OrderQuery(user_id="usr_1", symbol="\x00"))
    assert refused.value.reason is Reason.FIELD_INVALID


async def test_server_that_is_gone_is_unavailable(postgresql_url: str) -> None:
    """While the server cannot be reached, commits and reads raise JOURNAL_UNAVAILABLE."""
    with losing_proxy(postgresql_url) as (url, proxy):
        store = open_for_test(url)
        await add_accounts(store)
        proxy.close()
        assert await reason_of(store, admit(an_order())) is Reason.JOURNAL_UNAVAILABLE
        for attempt in (store.journal.order(MINE, "ord_1"), store.journal.open_orders(ALL), store.ping()):
            with pytest.raises(GatewayError) as failed:
                await attempt
            assert failed.value.reason is Reason.JOURNAL_UNAVAILABLE
        await store.close()


async def test_full_disk_is_unavailable_until_there_is_room(sqlite_url: str) -> None:
    """When the database may not grow, nothing of a unit is written; with room again the writer goes on."""
    async with open_for_test(sqlite_url) as store:
        await add_accounts(store)
        full = True

        def limit(database: sqlite3.Connection, *_: object) -> None:
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            database.execute(f"PRAGMA max_page_count = {pages if full else 1_000_000}")

        event.listen(store._writing, "checkout", limit)
        store._connection.close()
        big = Commit(audit=(audit(detail="x" * 100_000),))
        assert await reason_of(store, big) is Reason.AUDIT_UNAVAILABLE
        assert await audit_outcomes(store) == []
        full = False
        await committed(store, big)
        assert await audit_outcomes(store) == ["OK"]


async def test_locked_database_is_unavailable(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process keeps the write lock, a commit gives up after the busy time; audit rows are kept."""
    monkeypatch.setattr("brokergw.store.database.engine.SQLITE_BUSY_MS", 20)
    async with open_for_test(sqlite_url) as store:
        await add_accounts(store)
        with locked_by_another(tmp_path / "store.db"):
            store.journal.record(audit(outcome="KEPT"))
            assert await reason_of(store, admit(an_order())) is Reason.JOURNAL_UNAVAILABLE
            assert await log_of(store) == []
        order = an_order()
        await committed(store, admit(order))
        assert await audit_outcomes(store) == ["OK", "KEPT"]


async def test_failed_flush_is_an_unknown_outcome(sqlite_url: str) -> None:
    """When COMMIT itself fails on SQLite other than for a lock, nobody can tell what is on the disk."""
    async with open_for_test(sqlite_url) as store:
        await add_accounts(store)

        def fail(_connection: object) -> None:
            event.remove(store._writing, "commit", fail)
            cause = sqlite3.OperationalError("disk I/O error")
            cause.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise OperationalError("COMMIT", None, cause)

        event.listen(store._writing, "commit", fail)
        assert await reason_of(store, admit(an_order())) is Reason.JOURNAL_OUTCOME_UNKNOWN
        await committed(store, admit(an_order()))


async def test_errors_and_logs_show_nothing_stored(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A unit that the database refuses is reported and logged by its kind, without the values in it."""
    caplog.set_level(logging.DEBUG)
    await add_accounts(store)
    secrets = ("my-secret-account", "my-secret-strategy")
    unit = told(Commit(inserts=(an_order(secrets[0], strategy_id=secrets[1]),)))
    with pytest.raises(GatewayError) as failed:
        await store.journal.commit(unit)
    assert "IntegrityError" in caplog.text
    for secret in secrets:
        assert secret not in caplog.text
        assert secret not in f"{failed.value} {failed.value.metadata}"


async def test_unwritable_audit_row_is_dropped_alone(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A recorded audit row that the database refuses is reported and dropped; everything beside it is written."""
    async with open_for_test(sqlite_url) as store:
        await add_accounts(store)
        store.journal.record(audit(outcome="BAD", time_ns=2**70))
        store.journal.record(audit(outcome="GOOD"))
        await committed(store, admit(an_order()))
        while sorted(await audit_outcomes(store)) != ["GOOD", "OK"]:
            await asyncio.sleep(0.005)
    assert "an audit row cannot be written" in caplog.text


async def test_small_write_that_fails_harms_nobody(store: Store) -> None:
    """A directory's write that fails in the middle of a batch is rolled back alone."""
    await add_accounts(store)

    def work(database: object) -> None:
        database.execute(text("DELETE FROM broker_accounts"))  # type: ignore[attr-defined]
        raise LookupError("changed my mind")

    failing = asyncio.ensure_future(store.journal._writer.run(ALL, work))
    results = await in_one_batch(store, admit(an_order()), admit(an_order()))
    with pytest.raises(LookupError, match="changed my mind"):
        await failing
    assert all(isinstance(result, Committed) for result in results)
    assert await log_of(store) == [1, 2]


async def test_session_ended_for_idling_is_replaced(postgresql_url: str) -> None:
    """A transaction in which the process was frozen for too long is rolled back by the server and written again."""
    async with open_for_test(postgresql_url) as store:
        await add_accounts(store)
        frozen: list[float] = []

        def work(database: Connection) -> None:
            frozen.append(1.3 if not frozen else 0)
            database.execute(text("SELECT 1"))
            threading.Event().wait(frozen[-1])

        freezing = asyncio.ensure_future(store.journal._writer.run(ALL, work))
        results = await in_one_batch(store, admit(an_order()), admit(an_order()))
        await freezing
        assert all(isinstance(each, Committed) for each in results), results
        assert len(frozen) > 1
        assert await log_of(store) == [1, 2]
