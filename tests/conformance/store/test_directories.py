from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import ApiKey, Scope
from brokergw.ports.broker import Credentials
from brokergw.ports.identity import Use
from brokergw.ports.vault import Purpose
from brokergw.store import Sealed, Store, open_store
from brokergw.store.tables import CREDENTIALS
from tests.conformance.store.making import ALL, MINE, START_NS, USER, connection_for
from tests.fixtures.clock import FakeClock
from tests.fixtures.stores import open_for_test
from tests.fixtures.two_roles import owned

SECRET = Credentials(key="PKTESTKEY0123456789", secret="sVerySecretTäxt0123456789abcdef")


def a_key(key_id: str = "key_1", **changes: object) -> ApiKey:
    """Make an API key."""
    key = ApiKey(
        key_id=key_id,
        user_id=USER,
        name="laptop",
        scopes=frozenset({Scope.ORDERS_READ, Scope.ORDERS_WRITE}),
        create_time_ns=START_NS,
        expire_time_ns=None,
        revoke_time_ns=None,
    )
    return replace(key, **changes)  # type: ignore[arg-type]


def contents(directory: Path) -> dict[str, bytes]:
    """Read every file of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def modes_of(directory: Path) -> dict[str, int]:
    """Give the permissions of every file of a directory."""
    return {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}


async def test_key_is_found_by_its_hash(store: Store) -> None:
    """A stored key comes back whole by its hash, and by nothing else."""
    key = a_key(expire_time_ns=START_NS + 9)
    bare = a_key("key_2", scopes=frozenset())
    await store.keys.add(key, "hash-1")
    await store.keys.add(bare, "hash-2")
    assert await store.keys.by_hash("hash-1") == key
    assert await store.keys.by_hash("hash-2") == bare
    assert await store.keys.by_hash("hash-3") is None


async def test_keys_are_listed_newest_first(store: Store) -> None:
    """Keys are listed newest first, of one user or of all."""
    old, new = a_key("key_1"), a_key("key_2", create_time_ns=START_NS + 1)
    foreign = a_key("key_3", user_id="usr_2", create_time_ns=START_NS + 2)
    for key in (new, old, foreign):
        await store.keys.add(key, f"hash of {key.key_id}")
    assert await store.keys.list() == [foreign, new, old]
    assert await store.keys.list(USER) == [new, old]


async def test_revoked_key_stays_revoked(store: Store) -> None:
    """Revoking keeps the key and its first revocation time; an unknown key cannot be revoked."""
    await store.keys.add(a_key(), "hash")
    assert await store.keys.revoke("key_1", START_NS + 5)
    assert await store.keys.revoke("key_1", START_NS + 6)
    assert not await store.keys.revoke("key_unknown", START_NS + 7)
    assert await store.keys.by_hash("hash") == a_key(revoke_time_ns=START_NS + 5)


async def test_key_remembers_its_last_use(store: Store) -> None:
    """A touched key tells when it was used last, and from where; one that does not exist is nobody's fault."""
    await store.keys.add(a_key(), "hash")
    await store.keys.touch({"key_1": Use(START_NS + 5, "10.0.0.1"), "key_unknown": Use(START_NS, "")})
    assert await store.keys.by_hash("hash") == a_key(last_used_time_ns=START_NS + 5, last_used_address="10.0.0.1")


async def test_known_key_or_connection_is_refused(store: Store) -> None:
    """A second key with the same id or hash, or a second connection or account, is refused and changes nothing."""
    await store.keys.add(a_key(), "hash")
    await store.connections.add(connection_for("acc_1"), None)
    for attempt in (
        store.keys.add(a_key(name="other"), "hash-2"),
        store.keys.add(a_key("key_2"), "hash"),
        store.connections.add(connection_for("acc_2", connection_id="con_acc_1"), None),
        store.connections.add(connection_for("acc_1", connection_id="con_2"), SECRET),
    ):
        with pytest.raises(GatewayError, match="exists already"):
            await attempt
    assert await store.keys.list() == [a_key()]
    assert await store.connections.list() == [connection_for("acc_1")]


async def test_connection_brings_its_account(store: Store) -> None:
    """A connection is found by its id and by its account, and its account's log begins at 0."""
    connection = connection_for("acc_1", has_key=True, key_last_four="6789", account_label="Töst")
    await store.connections.add(connection, SECRET)
    connection = replace(connection, credentials_version=1)
    assert await store.connections.get(MINE, "con_acc_1") == connection
    assert await store.connections.by_account(MINE, "acc_1") == connection
    assert await store.connections.get(MINE, "con_2") is None
    assert await store.connections.by_account(MINE, "acc_2") is None
    assert await store.journal.sequences(MINE, ["acc_1"]) == {"acc_1": 0}


async def test_connections_are_listed_oldest_first(store: Store) -> None:
    """Connections are listed oldest first, of one user or of all."""
    old, new = connection_for("acc_1"), connection_for("acc_0", create_time_ns=START_NS + 1)
    foreign = connection_for("acc_3", user_id="usr_2", create_time_ns=START_NS + 2)
    for connection in (foreign, new, old):
        await store.connections.add(connection, None)
    assert await store.connections.list() == [old, new, foreign]
    assert await store.connections.list(USER) == [old, new]


async def test_credentials_come_back(store: Store, store_url: str) -> None:
    """Sealed credentials open again, also for another process with the same key."""
    await store.connections.add(connection_for("acc_1", has_key=True), SECRET)
    await store.connections.add(connection_for("acc_2"), None)
    assert await store.connections.credentials(USER, "con_acc_1", Purpose.SESSION) == SECRET
    assert await store.connections.credentials(USER, "con_acc_2", Purpose.SESSION) is None
    assert await store.connections.credentials(USER, "con_unknown", Purpose.SESSION) is None
    async with open_for_test(store_url) as reopened:
        assert await reopened.connections.credentials(USER, "con_acc_1", Purpose.SESSION) == SECRET


async def test_revoked_connection_loses_its_credentials(store: Store) -> None:
    """Revoking destroys the credentials and keeps the connection, its account and its first revocation time."""
    connection = connection_for("acc_1", has_key=True, key_last_four="6789")
    await store.connections.add(connection, SECRET)
    assert await store.connections.revoke(USER, "con_acc_1", START_NS + 5)
    assert await store.connections.revoke(USER, "con_acc_1", START_NS + 6)
    assert not await store.connections.revoke(USER, "con_unknown", START_NS)
    assert await store.connections.credentials(USER, "con_acc_1", Purpose.SESSION) is None
    revoked = replace(connection, has_key=False, key_last_four="", revoke_time_ns=START_NS + 5, credentials_version=1)
    assert await store.connections.by_account(MINE, "acc_1") == revoked
    assert revoked.revoked


async def test_another_key_opens_nothing(store: Store, store_url: str) -> None:
    """A store opened with another credentials key refuses to open them, and its error shows nothing of them."""
    await store.connections.add(connection_for("acc_1", has_key=True), SECRET)
    async with open_store(store_url, clock=FakeClock(), credentials_key=b"x" * 32) as other:
        with pytest.raises(Sealed) as refused:
            await other.connections.credentials(USER, "con_acc_1", Purpose.SESSION)
    assert refused.value.reason is Reason.CONNECTION_NOT_USABLE
    assert "not among the keys" in str(refused.value)
    assert SECRET.secret not in repr(refused.value.__dict__)


async def test_swapped_credentials_open_nothing(store: Store) -> None:
    """Credentials copied into another connection's row, or between key and secret, do not open there."""
    await store.connections.add(connection_for("acc_1", has_key=True), SECRET)
    await store.connections.add(connection_for("acc_2", has_key=True), Credentials(key="other", secret="other"))

    def swap(database: object) -> None:
        sealed = database.scalar(  # type: ignore[attr-defined]
            select(CREDENTIALS.c.sealed).where(CREDENTIALS.c.connection_id == "con_acc_1", CREDENTIALS.c.field == "key")
        )
        database.execute(CREDENTIALS.update().values(sealed=sealed))  # type: ignore[attr-defined]

    await store.connections._run_grouped(ALL, swap)
    for connection_id in ("con_acc_1", "con_acc_2"):
        with pytest.raises(Sealed, match="moved or changed"):
            await store.connections.credentials(USER, connection_id, Purpose.SESSION)


async def test_secret_is_nowhere_on_disk(sqlite_url: str, tmp_path: Path) -> None:
    """No file of a SQLite store holds the bytes of a key or secret, its log included."""
    async with open_for_test(sqlite_url) as store:
        await store.connections.add(connection_for("acc_1", has_key=True), SECRET)
        while_open = contents(tmp_path)
    assert "store.db-wal" in while_open
    for content in (*while_open.values(), *contents(tmp_path).values()):
        assert SECRET.key.encode() not in content
        assert SECRET.secret.encode() not in content


async def test_secret_is_nowhere_in_postgresql(postgresql_url: str) -> None:
    """No column of the credentials table holds a key or secret."""
    async with open_for_test(postgresql_url) as store:
        await store.connections.add(connection_for("acc_1", has_key=True), SECRET)
    with psycopg.connect(owned(postgresql_url)) as connection:
        rows = connection.execute("SELECT * FROM user_broker_credentials").fetchall()
    assert len(rows) == 2
    assert SECRET.key not in repr(rows)
    assert SECRET.secret not in repr(rows)


async def test_database_file_is_private(sqlite_url: str, tmp_path: Path) -> None:
    """A new SQLite store and its log can be read by nobody else."""
    path = tmp_path / "fresh.db"
    async with open_for_test(f"sqlite:///{path}", upgrade_tables=True):
        modes = modes_of(tmp_path)
    assert modes.keys() >= {"fresh.db", "fresh.db-wal"}
    assert {mode for name, mode in modes.items() if name.startswith("fresh")} == {0o600}
