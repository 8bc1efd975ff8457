"""Telling the database for whom a transaction works: users of any name, and nothing left for the next borrower."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select, text

from brokergw.model.whose import NOBODYS, Whose, everyone, only, these
from brokergw.store.database.engine import each_moment, one_moment, parse_url, reader_engine, writer_engine
from brokergw.store.database.transaction import WriterConnection
from brokergw.store.separation import setting
from brokergw.store.sql.many import ManyRows
from brokergw.store.tables import ORDERS
from tests.fixtures.two_roles import owned
from tests.separation.people import ALICE, BOB, insert, row_of

ODD = (
    "a,b",
    "{a}",
    '"',
    "\\",
    '\\"',
    "NULL",
    "null",
    "'",
    "';--",
    "{",
    "}",
    " ",
    "*",
    "on",
    "ünïcödé",
    "a\nb",
    "$1",
    "%s",
    "",
)
ALL = everyone("a test")
USERS = select(ORDERS.c.user_id).order_by(ORDERS.c.user_id)


@pytest.fixture(scope="module")
def odd_url(peopled: str) -> Iterator[str]:
    """Give the serving URL of the peopled database, where users with odd names have orders too."""
    with psycopg.connect(owned(peopled)) as database:
        database.execute("SET session_replication_role = replica")
        for number, name in enumerate(ODD, 100):
            insert(database, ORDERS, row_of(ORDERS, name, number))
    yield peopled
    with psycopg.connect(owned(peopled)) as database:
        database.execute("SET session_replication_role = replica")
        database.execute("DELETE FROM broker_orders WHERE user_id = ANY (%s)", (list(ODD),))


@pytest.fixture(scope="module")
def reading(odd_url: str) -> Iterator[Engine]:
    """Give the engine that reads."""
    engine = reader_engine(parse_url(odd_url))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def writing(odd_url: str) -> Iterator[Engine]:
    """Give the engine that writes."""
    engine = writer_engine(parse_url(odd_url))
    yield engine
    engine.dispose()


def users_of(connection: Connection) -> list[str]:
    """Give the users of the orders that a connection finds."""
    return list(connection.scalars(USERS))


def seen(reading: Engine, writing: Engine, whose: Whose) -> list[list[str]]:
    """Give whose orders are found by each way of telling the database."""
    find = ManyRows("SELECT user_id FROM ({rows}) AS wanted CROSS JOIN broker_orders", ("text",), dialect="postgresql")
    found = []
    with each_moment(reading, whose) as connection:
        found.append(users_of(connection))
    with one_moment(reading, whose) as connection:
        found.append(users_of(connection))
    with reading.connect() as connection:
        with setting.together(connection, whose):
            cursors = find.send(connection, [("",)])
        found.append([row[0] for cursor in cursors for row in cursor.fetchall()])
    with writing.begin() as connection:
        setting.begin(connection, whose)
        found.append(users_of(connection))
    return [sorted(each) for each in found]


@pytest.mark.parametrize("name", ODD)
def test_a_user_of_any_name_finds_its_own_rows(reading: Engine, writing: Engine, name: str) -> None:
    """By every way of telling, a user whose name means something to SQL, or to arrays, is only itself."""
    assert seen(reading, writing, only(name)) == [[name]] * 4


@given(st.lists(st.sampled_from((*ODD, ALICE, BOB)), max_size=5, unique=True))
@example([])
@example(list(ODD))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_some_users_find_their_rows_and_no_others(reading: Engine, writing: Engine, names: list[str]) -> None:
    """Any set of users finds exactly the rows of its members, by every way of telling."""
    assert seen(reading, writing, these(names)) == [sorted(names)] * 4


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_reaches_beyond_itself(reading: Engine, writing: Engine, name: str) -> None:
    """Whatever a user is called, it finds nobody's rows but its own."""
    assert all(set(users) <= {name} for users in seen(reading, writing, only(name)))


def test_everybody_is_everybody(reading: Engine, writing: Engine) -> None:
    """Work that asked for everybody finds every row, by every way of telling."""
    assert seen(reading, writing, ALL) == [sorted((*ODD, ALICE, BOB))] * 4


@pytest.mark.parametrize("name", [f"{ALICE}\0", "\0", f"\0{ALICE}", "\ud800"])
def test_a_name_that_no_row_can_have_finds_nothing(reading: Engine, writing: Engine, name: str) -> None:
    """A name that the database cannot hold is not cut to one that it can, and fails nobody who works beside it."""
    assert seen(reading, writing, only(name)) == [[]] * 4
    assert seen(reading, writing, these((name, BOB))) == [[BOB]] * 4


def left(connection: Connection) -> tuple[str, str]:
    """Give what a connection has been told, outside of any work."""
    told = [func.coalesce(func.current_setting(f"brokergw.{name}", True), "") for name in ("users", "everyone")]
    row = connection.execute(select(*told)).one()
    return str(row[0]), str(row[1])


@pytest.mark.parametrize("whose", [only(ALICE), these((ALICE, BOB)), ALL, NOBODYS])
def test_the_pools_next_borrower_finds_nothing(odd_url: str, whose: Whose) -> None:
    """I3: after each kind of transaction, done, failed or rolled back, the same connection knows of no user."""
    engine = reader_engine(parse_url(odd_url)).execution_options()
    with each_moment(engine, whose) as connection:
        backend = connection.scalar(text("SELECT pg_backend_pid()"))
        users_of(connection)
    with pytest.raises(Exception, match="division"), each_moment(engine, whose) as connection:
        connection.execute(text("SELECT 1 / 0"))
    with one_moment(engine, whose) as connection:
        users_of(connection)
    with pytest.raises(Exception, match="division"), one_moment(engine, whose) as connection:
        connection.execute(text("SELECT 1 / 0"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) == backend
        assert left(connection) == ("", "")
        assert users_of(connection) == []
    engine.dispose()


def test_the_writers_connection_forgets_whom_it_worked_for(odd_url: str) -> None:
    """The writer keeps one connection over all transactions, and each begins with its own users alone."""
    from brokergw.store.audit.chain import Chain, chained
    from tests.fixtures.clock import FakeClock

    engine = writer_engine(parse_url(odd_url))
    writer = WriterConnection(chained(engine, Chain("test", "ins_test", FakeClock(), None, "postgresql")))
    for whose in (only(ALICE), ALL, only(BOB), NOBODYS, only(ALICE)):
        with writer.transaction(lambda whose=whose: whose) as connection:  # type: ignore[misc]
            expected = sorted((*ODD, ALICE, BOB)) if whose.everybody else sorted(whose.users)
            assert sorted(users_of(connection)) == expected
        with pytest.raises(ZeroDivisionError), writer.transaction(lambda: ALL):
            raise ZeroDivisionError
    writer.close()
    engine.dispose()


def test_a_savepoint_rolled_back_keeps_the_transactions_users(writing: Engine) -> None:
    """A unit that is undone inside a batch leaves the batch with the users that it was told."""
    with writing.begin() as connection:
        setting.begin(connection, only(ALICE))
        savepoint = connection.begin_nested()
        connection.execute(text("SELECT set_config('brokergw.users', '{usr_bob}', true)"))
        savepoint.rollback()
        assert users_of(connection) == [ALICE]
