from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.pq import Trace
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DataError, OperationalError

from brokergw.ports.journal import Commit, OrderQuery
from brokergw.store import Store
from brokergw.store.database.engine import parse_url, writer_engine
from brokergw.store.sql.many import ManyRows, fetched, together, touched
from tests.conformance.store.ledgers import asking, holding
from tests.conformance.store.making import ACCOUNT, MINE, USER, add_accounts, committed, settle
from tests.fixtures.stores import open_for_test

_ENDS_A_JOURNEY: Final = {"Sync", "Query"}
"""What a client of PostgreSQL sends last before it waits for the answer (its protocol's chapter on message flow)."""


async def journeys_of(store: Store, unit: Commit, trace: Path) -> int:
    """Count how often the writer waits for the server while it commits a unit."""
    connection = store._connection._connection
    assert connection is not None
    driver: Any = connection.connection.driver_connection
    with trace.open("w") as file:
        driver.pgconn.trace(file.fileno())
        driver.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        await committed(store, unit)
        driver.pgconn.untrace()
    return journeys_in(trace)


def journeys_in(trace: Path) -> int:
    """Count them in what libpq has noted."""
    lines = [line.split("\t") for line in trace.read_text().splitlines()]
    return sum(line[0] == "F" and line[2] in _ENDS_A_JOURNEY for line in lines)


async def test_lone_order_makes_few_journeys(postgresql_url: str, tmp_path: Path) -> None:
    """An admission waits for PostgreSQL seven times, its order's next version six times, however much they write."""
    async with open_for_test(postgresql_url) as store:
        await add_accounts(store)
        await committed(store, asking(holding()))
        order = holding()
        assert await journeys_of(store, asking(order), tmp_path / "admission") == 7
        assert await journeys_of(store, settle(order), tmp_path / "settling") == 6


@contextmanager
def traced(engine: Engine, trace: Path) -> Iterator[None]:
    """Note what the connections that are lent meanwhile send."""
    with trace.open("w") as file:

        def lend(connection: Any, *_: object) -> None:
            connection.pgconn.trace(file.fileno())
            connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

        def take_back(connection: Any, *_: object) -> None:
            connection.pgconn.untrace()

        event.listen(engine.pool, "checkout", lend)
        event.listen(engine.pool, "checkin", take_back)
        try:
            yield
        finally:
            event.remove(engine.pool, "checkout", lend)
            event.remove(engine.pool, "checkin", take_back)


READS: Final[dict[str, tuple[int, Callable[[Store], Awaitable[object]]]]] = {
    "an order": (1, lambda store: store.journal.order(MINE, "ord_1")),
    "a list": (1, lambda store: store.journal.orders(OrderQuery(user_id=USER))),
    "a connection": (1, lambda store: store.connections.get(MINE, "con_1")),
    "events": (1, lambda store: store.journal.events(USER, ACCOUNT, 0, 10)),
    "a snapshot at one moment": (4, lambda store: store.journal.snapshot(USER, (ACCOUNT,))),
}
"""Reads, and how often each waits for the server: for whom they are is told along with the question."""


@pytest.mark.parametrize("read", READS)
async def test_lone_read_makes_one_journey(postgresql_url: str, tmp_path: Path, read: str) -> None:
    """Row security costs a lone read no journey: its users travel with it, or with the BEGIN of its moment."""
    journeys, ask = READS[read]
    async with open_for_test(postgresql_url) as store:
        await add_accounts(store)
        await ask(store)
        with traced(store._reading, tmp_path / "read"):
            await ask(store)
    assert journeys_in(tmp_path / "read") == journeys


async def test_statements_run_together_are_done_in_order(store_url: str) -> None:
    """Each statement sees what those before it wrote, and is answered by itself; one without rows is not run."""
    engine = writer_engine(parse_url(store_url))
    dialect = engine.dialect.name
    insert = ManyRows("INSERT INTO numbers (n) {rows} ON CONFLICT DO NOTHING", ("bigint",), dialect=dialect)
    find = ManyRows("SELECT n FROM ({rows}) AS w CROSS JOIN numbers WHERE n = column1", ("bigint",), dialect=dialect)
    with engine.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE numbers (n BIGINT PRIMARY KEY)"))
        first, none, again, found = together(
            connection, [(insert, [(1,), (2,)]), (insert, []), (insert, [(2,), (3,)]), (find, [(3,), (4,)])]
        )
        assert [touched(first), touched(none), touched(again)] == [2, 0, 1]
        assert [tuple(row) for row in fetched(found)] == [(3,)]
        connection.rollback()
    engine.dispose()


async def test_first_failure_of_several_is_raised(postgresql_url: str) -> None:
    """A statement that fails among others is raised as by itself, and a savepoint before them can be gone back to."""
    engine = writer_engine(parse_url(postgresql_url))
    fine = ManyRows("SELECT column1 FROM ({rows}) AS w", ("bigint",), dialect="postgresql")
    broken = ManyRows("SELECT 1 / column1 FROM ({rows}) AS w", ("bigint",), dialect="postgresql")
    with engine.connect() as connection:
        savepoint = connection.begin_nested()
        with pytest.raises(DataError) as failed:
            together(connection, [(fine, [(1,)]), (broken, [(0,)]), (fine, [(2,)])])
        assert isinstance(failed.value.orig, psycopg.errors.DivisionByZero)
        savepoint.rollback()
        assert [tuple(row) for row in fine.fetch(connection, [(3,)])] == [(3,)]
    engine.dispose()


async def test_connection_lost_among_several_is_known_to_be_lost(postgresql_url: str) -> None:
    """When the server ends the session within a journey, the connection is given up and the error says so."""
    engine = writer_engine(parse_url(postgresql_url))
    fine = ManyRows("SELECT column1 FROM ({rows}) AS w", ("bigint",), dialect="postgresql")
    suicide = ManyRows(
        "SELECT pg_terminate_backend(pg_backend_pid()) FROM ({rows}) AS w", ("bigint",), dialect="postgresql"
    )
    with engine.connect() as connection:
        with pytest.raises(OperationalError) as failed:
            together(connection, [(fine, [(1,)]), (suicide, [(1,)]), (fine, [(2,)])])
        assert failed.value.connection_invalidated
        assert connection.invalidated
    engine.dispose()
