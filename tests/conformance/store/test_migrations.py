import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, select, text

from brokergw.model.account import Environment
from brokergw.store import StoreOutdated, StoreUrlInvalid
from brokergw.store.connections.directory import _connection_row
from brokergw.store.database.engine import parse_url, writer_engine
from brokergw.store.migrations import (
    _config,
    current_revision,
    is_current,
    newest_revision,
    read_epoch,
    renew_epoch,
    upgrade,
)
from brokergw.store.tables import API_KEYS, CONNECTIONS, METADATA, USER_MODES, USER_ROLES, USERS
from tests.conformance.store.making import connection_for
from tests.fixtures.stores import open_for_test
from tests.fixtures.two_roles import served

_OLD_KEY = text(
    "INSERT INTO api_keys (user_id, key_id, key_hash, name, scopes, create_time_ns, revoke_time_ns)"
    " VALUES (:user, :key, :key, '', :scopes, 1, :revoked)"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a database without tables, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("postgresql_empty")
    return url


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    """Give an engine on a database without tables."""
    engine = writer_engine(parse_url(empty_url))
    yield engine
    with engine.begin() as connection:
        METADATA.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    engine.dispose()


def test_migrated_tables_are_those_of_the_code(empty: Engine) -> None:
    """The migrations make exactly the tables, columns, keys and indexes that the code describes."""
    upgrade(empty)
    with empty.connect() as connection:
        if connection.dialect.name == "postgresql":
            # The comparison thinks between its questions, for longer than a writer may.
            connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        made = inspect(connection)
        for table in METADATA.sorted_tables:
            keys = {tuple(key["constrained_columns"]) for key in made.get_foreign_keys(table.name)}
            assert keys == {tuple(key.column_keys) for key in table.foreign_key_constraints}
            assert made.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
            assert [column["name"] for column in made.get_columns(table.name)] == [c.name for c in table.columns]


def test_upgrade_can_be_repeated(empty: Engine) -> None:
    """An empty database has no revision; upgrading brings it to the newest one, and again changes nothing."""
    assert current_revision(empty) is None
    assert not is_current(empty)
    upgrade(empty)
    assert current_revision(empty) == newest_revision()
    assert is_current(empty)
    epoch = read_epoch(empty)
    upgrade(empty)
    assert read_epoch(empty) == epoch


def test_processes_may_upgrade_at_once(empty: Engine) -> None:
    """Several upgrades of one database at the same time all succeed."""
    failures: list[Exception] = []

    def run() -> None:
        engine = writer_engine(empty.url)
        try:
            upgrade(engine)
        except Exception as error:  # noqa: BLE001 - reported by the test
            failures.append(error)
        engine.dispose()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert is_current(empty)


def test_who_was_at_a_broker_before_there_were_modes_is_on_paper(empty: Engine) -> None:
    """Paper trading goes on after the upgrade, live does not, and who had the mock broker only starts as anybody."""
    config = _config()
    with empty.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        for user, environments in {"ann": ("MOCK", "PAPER"), "bob": ("MOCK",), "eve": ("LIVE", "LIVE")}.items():
            connection.execute(USERS.insert().values(user_id=user, create_time_ns=1))
            for number, environment in enumerate(environments):
                old = connection_for(f"acc_{user}_{number}", user_id=user, environment=Environment(environment))
                connection.execute(CONNECTIONS.insert().values(_connection_row(old)))
    upgrade(empty)
    with empty.connect() as connection:
        found = connection.execute(select(USER_MODES).order_by(USER_MODES.c.user_id)).all()
    assert [(row.user_id, row.mode, row.grant_time_ns, row.change) for row in found] == [
        ("ann", "PAPER", None, 1),
        ("eve", "PAPER", None, 2),
    ]


def test_who_held_keys_that_reach_beyond_their_user_has_the_role_afterwards(empty: Engine) -> None:
    """Roles came after scopes: whoever could run the platform with a key still can, and nobody else."""
    config = _config()
    held = {
        "ann": ("orders.read orders.write", None),
        "root": ("admin.read admin.write risk.read", None),
        "olga": ("operations.read", None),
        "both": ("admin.write operations.write", None),
        "gone": ("admin.write", 5),
    }
    with empty.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0010")
        for number, (user, (scopes, revoked)) in enumerate(held.items()):
            connection.execute(USERS.insert().values(user_id=user, create_time_ns=1))
            values = {"user": user, "key": f"key_{number}", "scopes": scopes, "revoked": revoked}
            connection.execute(_OLD_KEY, values)
    upgrade(empty)
    with empty.connect() as connection:
        roles = connection.execute(select(USER_ROLES.c.user_id, USER_ROLES.c.role, USER_ROLES.c.granted_by)).all()
        keys = connection.execute(select(API_KEYS).order_by(API_KEYS.c.key_id)).all()
    assert sorted(tuple(row) for row in roles) == [
        ("both", "ADMIN", "upgrade"),
        ("both", "OPERATOR", "upgrade"),
        ("olga", "OPERATOR", "upgrade"),
        ("root", "ADMIN", "upgrade"),
    ]
    assert {(key.accounts, key.mode_max, key.addresses, key.old_hash) for key in keys} == {(None, "LIVE", "", None)}


async def test_outdated_store_is_not_opened(empty: Engine, empty_url: str) -> None:
    """A database that is not up to date is refused with what to do, unless the opener is to upgrade it."""
    serving = empty_url if empty_url.startswith("sqlite") else served(empty_url)
    with pytest.raises(StoreOutdated, match="db upgrade"):
        open_for_test(serving)
    async with open_for_test(serving, upgrade_tables=True, owner_url=empty_url) as store:
        await store.ping()
    assert is_current(empty)


def test_renewed_epoch_is_another(empty: Engine) -> None:
    """After a restore the log can begin another life."""
    upgrade(empty)
    before = read_epoch(empty)
    with empty.begin() as connection:
        renewed = renew_epoch(connection)
    assert before != renewed == read_epoch(empty)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("nonsense", "must look like"),
        ("mysql://host/name", "cannot use mysql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:////no/such/folder/store.db", "does not exist"),
    ],
)
def test_unusable_url_is_refused(url: str, word: str) -> None:
    """A URL that names no database the store can use is refused in words."""
    with pytest.raises(StoreUrlInvalid, match=word):
        open_for_test(url)
