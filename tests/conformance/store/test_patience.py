"""The record that cannot be written: whoever waits to be let through is refused in time, what must be kept is kept."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import Connection, literal, select

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.order import Order
from brokergw.model.whose import NOBODYS
from brokergw.ports.journal import Commit, Committed
from brokergw.store import Store
from brokergw.store.database.patience import SHORT_IDLE_MS
from tests.conformance.store.making import MINE, add_accounts, admit, an_order, audit, committed, settle
from tests.fixtures.stores import OwnServer, open_for_test
from tests.fixtures.two_roles import owned, served

_IN_TIME_S: Final = 0.8
"""Half a second, and what a machine that runs other tests too may add."""

_AT_ONCE_S: Final = 0.3
"""Less than anybody waits who is not refused at once."""


async def refused(store: Store, unit: Commit) -> tuple[Reason, float]:
    """Commit a unit that must be refused; gives the reason and how long that took."""
    began = time.monotonic()
    with pytest.raises(GatewayError) as failed:
        await store.journal.commit(unit)
    return failed.value.reason, time.monotonic() - began


def waited_for(order: Order, lates: list[str] | None = None) -> Commit:
    """Make an admission that somebody waits for."""
    told = lates if lates is not None else []
    return replace(admit(order), late=lambda: told.append(order.order_id))


async def durable_of(store: Store, orders: Sequence[Order]) -> list[str]:
    """Name the orders that are on record although they were refused: those, and only those, must be told."""
    found = [await store.journal.order(MINE, order.order_id) for order in orders]
    return [order.order_id for order in found if order is not None]


@contextmanager
def sqlite_locked(path: Path) -> Iterator[None]:
    """Hold SQLite's write lock from another connection."""
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    other.close()


@contextmanager
def audit_locked(url: str) -> Iterator[None]:
    """Lock the table of the audit log from another session."""
    with psycopg.connect(owned(url)) as other:
        other.execute("LOCK TABLE broker_audit_log IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


async def test_admission_is_refused_in_time_while_the_audit_log_is_locked(postgresql_url: str) -> None:
    """Another session locks the audit log: admissions are refused within half a second, and what becomes
    durable of them is told; a broker's answer and audit rows come onto the record when the lock is gone.
    """
    async with open_for_test(postgresql_url) as store:
        await add_accounts(store)
        known = an_order()
        await committed(store, admit(known))
        orders = [an_order() for _ in range(5)]
        lates: list[str] = []
        with audit_locked(postgresql_url):
            reason, took_s = await refused(store, waited_for(orders[0], lates))
            assert (reason, took_s < _IN_TIME_S) == (Reason.AUDIT_UNAVAILABLE, True)
            store.journal.record(audit(outcome="KEPT"))
            answer = asyncio.create_task(store.journal.commit(settle(known)))
            for order in orders[1:]:
                reason, took_s = await refused(store, waited_for(order, lates))
                assert reason in {Reason.AUDIT_UNAVAILABLE, Reason.JOURNAL_UNAVAILABLE}
                assert took_s < _IN_TIME_S
            with pytest.raises(GatewayError):
                await store.ping()
        result = (await asyncio.gather(answer, return_exceptions=True))[0]
        if not isinstance(result, Committed):
            await committed(store, settle(known))
        await _until_answering(store)
        assert await durable_of(store, orders) == lates
        await committed(store, waited_for(an_order()))


async def test_nothing_is_written_while_the_audit_log_may_not_be(postgresql_url: str) -> None:
    """A role that lost its right to write the audit log writes nothing at all; with the right back nothing is lost."""
    async with open_for_test(postgresql_url) as store:
        await add_accounts(store)
        order = an_order()
        with psycopg.connect(owned(postgresql_url), autocommit=True) as owner:
            owner.execute("REVOKE INSERT ON broker_audit_log FROM brokergw_app")
            try:
                store.journal.record(audit(outcome="KEPT"))
                assert (await refused(store, waited_for(order)))[0] is Reason.AUDIT_UNAVAILABLE
                assert await store.journal.order(MINE, order.order_id) is None
                with pytest.raises(GatewayError):
                    await store.ping()
            finally:
                owner.execute("GRANT INSERT ON broker_audit_log TO brokergw_app")
        await committed(store, waited_for(order))
        await store.ping()
    with psycopg.connect(owned(postgresql_url)) as owner:
        kept = owner.execute("SELECT count(*) FROM broker_audit_log WHERE outcome = 'KEPT'").fetchone()
    assert kept == (1,)


async def test_frozen_server_keeps_nobody(own_postgresql: OwnServer) -> None:
    """Every process of PostgreSQL stands still: admissions, reads and the readiness are refused within half a second,
    at once from the second on; what was on its way becomes durable afterwards at most with its caller's refusal told.
    """
    async with open_for_test(served(own_postgresql.url), upgrade_tables=True, owner_url=own_postgresql.url) as store:
        await add_accounts(store)
        store.begin_service()
        first, later, lates = an_order(), [an_order() for _ in range(3)], list[str]()
        with own_postgresql.frozen():
            reason, took_s = await refused(store, waited_for(first, lates))
            assert (reason, took_s < _IN_TIME_S) == (Reason.JOURNAL_UNAVAILABLE, True)
            for order in later:
                reason, took_s = await refused(store, waited_for(order, lates))
                assert (reason, took_s < _AT_ONCE_S) == (Reason.JOURNAL_UNAVAILABLE, True)
            for ask in (store.journal.order(MINE, first.order_id), store.journal.open_orders(MINE)):
                began = time.monotonic()
                with pytest.raises(GatewayError):
                    await ask
                assert time.monotonic() - began < _IN_TIME_S
            with pytest.raises(GatewayError):
                await store.ping()
        await _until_answering(store)
        durable = await store.journal.order(MINE, first.order_id)
        assert lates == ([first.order_id] if durable is not None else [])
        assert [await store.journal.order(MINE, order.order_id) for order in later] == [None] * 3


async def _until_answering(store: Store) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await store.ping()
            except GatewayError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_foreign_lock_on_sqlite_refuses_in_time(sqlite_url: str, tmp_path: Path) -> None:
    """Another process keeps SQLite's write lock: admissions are refused in time, what becomes durable of them is
    told, reads go on.
    """
    async with open_for_test(sqlite_url) as store:
        await add_accounts(store)
        orders, lates = [an_order() for _ in range(4)], list[str]()
        with sqlite_locked(tmp_path / "store.db"):
            for order in orders:
                reason, took_s = await refused(store, waited_for(order, lates))
                assert (reason, took_s < _IN_TIME_S) == (Reason.JOURNAL_UNAVAILABLE, True)
            assert await store.journal.order(MINE, orders[0].order_id) is None
        await _until_answering(store)
        assert await durable_of(store, orders) == lates
        await committed(store, waited_for(an_order()))


async def test_a_session_ended_for_idling_takes_nothing_with_it(postgresql_url: str) -> None:
    """The server ends the writer's session for idling in its transaction: what was in it is written on another one."""
    idled: list[float] = []

    def idle_once(database: Connection) -> Any:
        if not idled:
            idled.append(2 * SHORT_IDLE_MS / 1_000)
            time.sleep(idled[0])
        return database.scalar(select(literal(7)))

    async with open_for_test(postgresql_url) as store:
        assert await store._writer.run(NOBODYS, idle_once) == 7
    assert idled
