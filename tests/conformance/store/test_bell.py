import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from brokergw.ports.journal import Commit
from brokergw.store import Store
from tests.conformance.store.making import add_accounts, admit, an_order, audit, committed, settle
from tests.fixtures.broken_wire import losing_proxy
from tests.fixtures.stores import open_for_test
from tests.fixtures.two_roles import owned


class Ear:
    """Counts what the bell rings."""

    def __init__(self, store: Store) -> None:
        self.rung = 0
        self._heard = asyncio.Event()
        store.journal.on_wake(self._hear)

    def _hear(self) -> None:
        self.rung += 1
        self._heard.set()

    async def hears(self) -> None:
        """Wait for a ring."""
        async with asyncio.timeout(5):
            await self._heard.wait()
        self._heard.clear()


@pytest.fixture
async def writing(postgresql_url: str) -> AsyncIterator[Store]:
    """Give another process's store, which knows the accounts."""
    async with open_for_test(postgresql_url) as store:
        await add_accounts(store)
        yield store


@pytest.fixture
async def ear(postgresql_url: str) -> AsyncIterator[Ear]:
    """Give an ear that has heard the bell open."""
    async with open_for_test(postgresql_url) as store:
        ear = Ear(store)
        await ear.hears()
        yield ear


async def test_other_processes_events_ring(writing: Store, ear: Ear) -> None:
    """A batch of another process that wrote events rings, and when it rings the events can be read."""
    order = an_order()
    await committed(writing, admit(order))
    await ear.hears()
    await committed(writing, settle(order))
    await ear.hears()
    assert ear.rung == 3


async def test_what_is_no_event_does_not_ring(writing: Store, ear: Ear) -> None:
    """Audit rows and refused units ring nothing."""
    order = an_order()
    await committed(writing, admit(order))
    await ear.hears()
    await writing.journal.commit(admit(order))
    await committed(writing, Commit(audit=(audit(),)))
    await committed(writing, admit(an_order()))
    await ear.hears()
    assert ear.rung == 3


async def test_own_events_do_not_ring(postgresql_url: str, writing: Store) -> None:
    """A process is told of its own events by `on_events` alone."""
    ear = Ear(writing)
    await ear.hears()
    await committed(writing, admit(an_order()))
    async with open_for_test(postgresql_url) as other:
        await committed(other, admit(an_order()))
    await ear.hears()
    assert ear.rung == 2


async def test_cut_bell_is_hung_again_and_rings(postgresql_url: str, writing: Store, ear: Ear) -> None:
    """When its connection is cut the bell is opened again, and rings once, because something may have been missed."""
    with psycopg.connect(owned(postgresql_url), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'brokergw bell'"
        )
    await ear.hears()
    await committed(writing, admit(an_order()))
    await ear.hears()


async def test_store_closes_while_the_server_is_gone(postgresql_url: str) -> None:
    """A bell that finds no server waits longer each time, and still ends at once with its store."""
    with losing_proxy(postgresql_url) as (url, proxy):
        async with open_for_test(url) as store:
            ear = Ear(store)
            await ear.hears()
            proxy.close()
            await asyncio.sleep(0.3)
            async with asyncio.timeout(1):
                await store.close()
        assert ear.rung == 1


async def test_sqlite_never_rings(sqlite_url: str) -> None:
    """One process serves a SQLite file, and its journal says so."""
    async with open_for_test(sqlite_url) as store, open_for_test(sqlite_url) as other:
        await add_accounts(store)
        ear = Ear(store)
        await committed(other, admit(an_order()))
        await asyncio.sleep(0.05)
        assert ear.rung == 0
        assert not store.journal.shared
