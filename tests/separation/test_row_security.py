"""What the database itself lets the serving role find and change, whatever statement it is sent."""

# ruff: noqa: S608 - statements over the names of our own tables

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import Table

from brokergw.store.separation.rows import APPENDED_BY_ALL, user_tables
from brokergw.store.tables import ONLY_ADDED
from tests.separation.people import ALICE, BOB, insert, row_of

Session = psycopg.Connection[Any]

TABLES = [pytest.param(table, id=table.name) for table in user_tables()]
CHANGED = [pytest.param(table, id=table.name) for table in user_tables() if table not in ONLY_ADDED]
FINDING = {
    "select": "SELECT user_id FROM {table}",
    "filtered for the other": "SELECT user_id FROM {table} WHERE user_id = 'usr_bob'",
    "aggregate": "SELECT max(user_id) FROM {table} HAVING count(*) > 0",
    "self join": "SELECT a.user_id FROM {table} a JOIN {table} b ON true",
    "outer join": "SELECT t.user_id FROM store_meta m LEFT JOIN {table} t ON true WHERE t.user_id IS NOT NULL",
    "subquery": "SELECT (SELECT min(user_id) FROM {table} WHERE user_id <> 'usr_alice') WHERE false"
    " UNION ALL SELECT user_id FROM {table}",
    "cte": "WITH found AS MATERIALIZED (SELECT * FROM {table}) SELECT user_id FROM found",
    "set operation": "SELECT user_id FROM {table} EXCEPT SELECT 'usr_alice'",
    "window": "SELECT last_value(user_id) OVER (ORDER BY user_id) FROM {table}",
    "row as text": "SELECT substring(t::text FROM 'usr_[a-z]+') FROM {table} t",
    "prepared": "EXECUTE {table}_found",
}


def work_for(session: Session, *users: str) -> None:
    """Tell a transaction whose rows it may touch."""
    session.execute("SELECT set_config('brokergw.users', %s::text[]::text, true)", (list(users),))


def found(session: Session, statement: str) -> set[str]:
    """Give the users of the rows that a statement finds."""
    return {row[0] for row in session.execute(statement.encode()).fetchall()}


@pytest.mark.parametrize("table", TABLES)
def test_no_statement_finds_another_users_rows(session: Session, table: Table) -> None:
    """However a table is read, a transaction for one user finds no row of the other, and misses none of its own."""
    session.execute(f"PREPARE {table.name}_found AS SELECT user_id FROM {table.name}".encode())
    work_for(session, ALICE)
    for kind, statement in FINDING.items():
        users = found(session, statement.format(table=table.name))
        assert BOB not in users, kind
        assert users == (set() if kind in {"filtered for the other", "set operation"} else {ALICE}), kind


@pytest.mark.parametrize("table", TABLES)
def test_copying_a_table_out_copies_own_rows(session: Session, table: Table) -> None:
    """COPY gives what SELECT gives."""
    work_for(session, ALICE)
    with session.cursor().copy(f"COPY {table.name} (user_id) TO STDOUT".encode()) as copy:
        assert list(copy.rows()) == [(ALICE,)]


@pytest.mark.parametrize("table", TABLES)
def test_nothing_can_be_copied_in(session: Session, table: Table) -> None:
    """COPY into a guarded table is refused, whatever it brings."""
    work_for(session, ALICE)
    with pytest.raises(errors.FeatureNotSupported), session.cursor().copy(f"COPY {table.name} FROM STDIN".encode()):
        pass


@pytest.mark.parametrize("told", [(), ("",), ("{}",), ('{""}',), ("{NULL}",), ("{USR_ALICE}",)])
@pytest.mark.parametrize("table", TABLES)
def test_without_users_there_are_no_rows(session: Session, table: Table, told: tuple[str, ...]) -> None:
    """A transaction that was told nothing, an empty text, nobody, or somebody else's name finds nothing."""
    for users in told:
        session.execute("SELECT set_config('brokergw.users', %s, true)", (users,))
    assert found(session, f"SELECT user_id FROM {table.name}") == set()


@pytest.mark.parametrize("told", ["usr_alice", "usr_alice,usr_bob", "{usr_alice", "*", "on"])
def test_what_is_no_array_fails(session: Session, told: str) -> None:
    """A setting that is not a list of users makes a statement fail instead of finding anything."""
    session.execute("SELECT set_config('brokergw.users', %s, true)", (told,))
    with pytest.raises(errors.DataError):
        session.execute("SELECT user_id FROM broker_orders")


@pytest.mark.parametrize("told", ["", "off", "true", "1", "ON", "on "])
def test_only_one_word_lifts_the_border(session: Session, told: str) -> None:
    """Work for everybody asks by one word; anything like it does not."""
    session.execute("SELECT set_config('brokergw.everyone', %s, true)", (told,))
    assert found(session, "SELECT user_id FROM broker_orders") == set()
    session.execute("SELECT set_config('brokergw.everyone', 'on', true)")
    assert found(session, "SELECT user_id FROM broker_orders") == {ALICE, BOB}


@pytest.mark.parametrize("table", CHANGED)
def test_nobody_changes_or_removes_another_users_rows(session: Session, table: Table) -> None:
    """Changing and removing touch own rows alone, and no row can be made somebody else's."""
    work_for(session, ALICE)
    session.execute("SET CONSTRAINTS ALL DEFERRED")
    for statement in (
        "UPDATE {} SET user_id = user_id WHERE user_id = 'usr_bob'",
        "UPDATE {} SET user_id = 'usr_alice' WHERE user_id <> 'usr_alice'",
        "DELETE FROM {} WHERE user_id = 'usr_bob'",
    ):
        assert session.execute(statement.format(table.name).encode()).rowcount == 0
    assert session.execute(f"UPDATE {table.name} SET user_id = user_id".encode()).rowcount == 1
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        session.execute(f"UPDATE {table.name} SET user_id = 'usr_bob'".encode())


@pytest.mark.parametrize("table", TABLES)
def test_nobody_adds_rows_for_another_user(session: Session, table: Table) -> None:
    """A row of somebody else's is refused, and so is one of nobody's, but where all may append such."""
    for owner in (BOB, "usr_carol", ""):
        work_for(session, ALICE)
        row = row_of(table, owner, 77)
        if not owner and table in APPENDED_BY_ALL:
            insert(session, table, row)
            assert found(session, f"SELECT user_id FROM {table.name}") == {ALICE}
        else:
            with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
                insert(session, table, row)
        session.rollback()


def test_an_order_cannot_be_put_over_another_users(session: Session) -> None:
    """Inserting over a known order id neither changes nor shows the other user's order."""
    work_for(session, ALICE)
    row = row_of(next(table for table in user_tables() if table.name == "broker_orders"), ALICE, 9)
    row |= {"order_id": "order_id of usr_bob"}
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    over = "ON CONFLICT (order_id) DO UPDATE SET symbol = 'taken' RETURNING symbol"
    with pytest.raises(errors.InsufficientPrivilege):
        session.execute(f"INSERT INTO broker_orders ({names}) VALUES ({marks}) {over}".encode(), list(row.values()))


ESCAPES: dict[str, Callable[[Table], str]] = {
    "switching it off": lambda table: f"ALTER TABLE {table.name} DISABLE ROW LEVEL SECURITY",
    "forcing it no more": lambda table: f"ALTER TABLE {table.name} NO FORCE ROW LEVEL SECURITY",
    "another policy": lambda table: f"CREATE POLICY mine ON {table.name} USING (true)",
    "no policy": lambda table: f"DROP POLICY brokergw_own_rows ON {table.name}",
    "a rule": lambda table: f"CREATE RULE r AS ON SELECT TO {table.name} DO INSTEAD SELECT 1",
    "a trigger": lambda table: f"CREATE TRIGGER t BEFORE INSERT ON {table.name} EXECUTE FUNCTION broker_orders_guard()",
    "emptying it": lambda table: f"TRUNCATE {table.name}",
    "another role": lambda _: "SET ROLE postgres",
    "another session's role": lambda _: "SET SESSION AUTHORIZATION postgres",
    "the files": lambda _: "SELECT pg_read_file('postgresql.conf')",
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_the_serving_role_cannot_take_the_border_away(session: Session, escape: str) -> None:
    """Who serves owns nothing, and can neither change the rules nor become somebody whom they do not bind."""
    for table in user_tables():
        work_for(session, ALICE)
        with pytest.raises((errors.InsufficientPrivilege, errors.InvalidParameterValue)):
            session.execute(ESCAPES[escape](table).encode())
        session.rollback()


def test_row_security_cannot_be_switched_off_for_a_session(session: Session) -> None:
    """With `row_security = off` a statement that rows are hidden from fails; it finds no more."""
    work_for(session, ALICE)
    session.execute("SET LOCAL row_security = off")
    with pytest.raises(errors.InsufficientPrivilege):
        session.execute("SELECT * FROM broker_orders")


def test_there_is_no_view_that_would_look_for_its_owner(session: Session) -> None:
    """A view sees with its owner's eyes, so there is none."""
    kinds = session.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
    )
    assert kinds.fetchall() == []
