"""Who may serve from a PostgreSQL, and who may not; the owner bound by its own rules."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from brokergw.store.check import upgrade_tables
from brokergw.store.database.engine import parse_url, reader_engine
from brokergw.store.separation.policies import unguarded
from brokergw.store.separation.roles import NotSeparated
from brokergw.store.separation.rows import user_tables
from tests.fixtures.stores import open_for_test
from tests.fixtures.two_roles import OWNER, SERVING, owned
from tests.separation.people import ALICE, BOB, fill

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
ROLES = tuple(f"separation_{name}_{WORKER}" for name in ("owner", "member", "exempt", "above", "new"))
"""Roles are the whole server's, which parallel workers share."""


def run(url: str, *statements: str) -> None:
    """Run statements as whom a URL names."""
    with psycopg.connect(url, autocommit=True) as database:
        for statement in statements:
            database.execute(statement.encode())


def as_role(url: str, role: str) -> str:
    """Give a URL as another role."""
    return make_url(url).set(username=role).render_as_string(hide_password=False)


@pytest.fixture
def owner_url(postgresql_empty: str) -> Iterator[str]:
    """Give the URL of a database without tables as its owner, who is no superuser but may make roles."""
    run(postgresql_empty, *(f"CREATE ROLE {role} LOGIN" for role in ROLES[:-1]))
    name = make_url(postgresql_empty).database
    run(postgresql_empty, f"ALTER ROLE {ROLES[0]} CREATEROLE", f"ALTER DATABASE {name} OWNER TO {ROLES[0]}")
    # Functions of other tests may be left in the schema.
    run(postgresql_empty, "DROP SCHEMA public CASCADE", f"CREATE SCHEMA public AUTHORIZATION {ROLES[0]}")
    run(postgresql_empty, "GRANT USAGE ON SCHEMA public TO PUBLIC")
    yield as_role(postgresql_empty, ROLES[0])
    run(
        postgresql_empty,
        f"ALTER DATABASE {name} OWNER TO {OWNER}",
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
    )
    run(postgresql_empty, "GRANT USAGE ON SCHEMA public TO PUBLIC")
    for role in ROLES:
        with psycopg.connect(postgresql_empty, autocommit=True) as database:
            known = database.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        if known is not None:
            run(postgresql_empty, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def owner_reads(url: str, *told: str) -> set[str]:
    """Give the users of the orders that a role finds, after it was told something."""
    with psycopg.connect(url) as database:
        for statement in told:
            database.execute(statement.encode())
        return {row[0] for row in database.execute("SELECT user_id FROM broker_orders").fetchall()}


async def test_the_owner_is_bound_as_everybody_else(owner_url: str) -> None:
    """FORCE: the tables' owner finds nothing without being told for whom, and upgrades again with everybody's rows."""
    serving = as_role(owner_url, SERVING)
    upgrade_tables(serving, owner_url)
    fill(owned(owner_url), ALICE, BOB)
    assert owner_reads(owner_url) == set()
    assert owner_reads(owner_url, "SELECT set_config('brokergw.users', '{usr_bob}', true)") == {BOB}
    upgrade_tables(serving, owner_url)
    async with open_for_test(serving) as store:
        await store.ping()


async def test_the_serving_role_is_made_where_it_is_missing(owner_url: str) -> None:
    """An upgrade makes the role that the serving URL names, with its password and without any power."""
    serving = as_role(owner_url, ROLES[-1])
    upgrade_tables(make_url(serving).set(password="told once").render_as_string(hide_password=False), owner_url)
    with psycopg.connect(owned(owner_url)) as database:
        wanted = "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolpassword FROM pg_authid"
        row = database.execute(f"{wanted} WHERE rolname = %s".encode(), (ROLES[-1],)).fetchone()
    assert row is not None
    assert row[:-1] == (True, False, False, False, False)
    assert row[-1].startswith("SCRAM-SHA-256$")
    async with open_for_test(serving) as store:
        await store.ping()


Change = Callable[[str], str]
REFUSED: dict[str, tuple[tuple[str, ...], Change, str]] = {
    "a superuser": ((), owned, "superuser"),
    "the owner": ((), lambda url: as_role(url, ROLES[0]), "owner"),
    "a member of the owner": (
        (f"GRANT {ROLES[0]} TO {ROLES[1]}", f"GRANT {SERVING} TO {ROLES[1]}"),
        lambda url: as_role(url, ROLES[1]),
        "owner",
    ),
    "a role exempt from row security": (
        (f"ALTER ROLE {ROLES[2]} BYPASSRLS", f"GRANT {SERVING} TO {ROLES[2]}"),
        lambda url: as_role(url, ROLES[2]),
        "exempt",
    ),
    "a member of a superuser": (
        (f"ALTER ROLE {ROLES[3]} SUPERUSER", f"GRANT {ROLES[3]}, {SERVING} TO {ROLES[1]}"),
        lambda url: as_role(url, ROLES[1]),
        "superuser",
    ),
}


@pytest.mark.parametrize("who", REFUSED)
async def test_a_role_above_the_border_does_not_serve(owner_url: str, who: str) -> None:
    """E3: superusers, owners, exempt roles, and whoever may become one of them are refused, with what to do."""
    upgrade_tables(as_role(owner_url, SERVING), owner_url)
    statements, role_of, why = REFUSED[who]
    run(owned(owner_url), *statements)
    with pytest.raises(NotSeparated, match=why) as refused:
        open_for_test(role_of(owner_url))
    assert "BROKERGW_DATABASE_OWNER_URL" in str(refused.value)
    async with open_for_test(as_role(owner_url, SERVING)) as store:
        await store.ping()


BROKEN = {
    "row security is off": "ALTER TABLE broker_fills DISABLE ROW LEVEL SECURITY",
    "the owner is free": "ALTER TABLE broker_fills NO FORCE ROW LEVEL SECURITY",
    "the policy is gone": "DROP POLICY brokergw_own_rows ON broker_fills",
    "the policy is an older one": "COMMENT ON POLICY brokergw_own_rows ON broker_fills IS 'earlier'",
    "another policy lets more through": "CREATE POLICY more ON broker_fills USING (true)",
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_table_without_its_policy_is_not_served_from(postgresql_url: str, broken: str) -> None:
    """A start sees every table that is not separated and refuses; an upgrade mends it."""
    run(owned(postgresql_url), BROKEN[broken])
    try:
        engine = reader_engine(parse_url(postgresql_url))
        with engine.connect() as connection:
            assert [table.name for table in unguarded(connection)] == ["broker_fills"]
        engine.dispose()
        with pytest.raises(NotSeparated, match=r"broker_fills.*db upgrade"):
            open_for_test(postgresql_url)
        if broken == "another policy lets more through":
            run(owned(postgresql_url), "DROP POLICY more ON broker_fills")
    finally:
        upgrade_tables(postgresql_url, owned(postgresql_url))
    async with open_for_test(postgresql_url) as store:
        await store.ping()


def test_every_table_of_users_is_guarded_after_an_upgrade(postgresql_url: str) -> None:
    """An upgrade leaves no table of users' rows without its policy, whichever revision made it."""
    with psycopg.connect(owned(postgresql_url)) as database:
        wanted = sql.SQL("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
        guarded: set[Any] = {row[0] for row in database.execute(wanted).fetchall()}
    assert guarded == {table.name for table in user_tables()}
