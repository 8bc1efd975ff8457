import asyncio
import base64
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import update

from brokergw.ports.broker import Credentials
from brokergw.store import Store, open_store
from brokergw.store.tables import INSTANCES
from brokergw.store.vault.ring import KeyRing, key_id_of
from tests.conformance.store.making import ALL, connection_for
from tests.fixtures.clock import FakeClock
from tests.fixtures.command_line import Typed, type_command

OLD, NEW, LOST = (bytes([number]) * 32 for number in (1, 2, 3))
SECRET: Final = "a secret that nobody sees"


async def typed_with(url: str, keys: tuple[bytes, ...], *words: str) -> Typed:
    """Type a verb of the vault with these keys, the first of which seals."""
    where = {
        "BROKERGW_DATABASE_URL": url,
        "BROKERGW_DATA_DIR": str(Path(url.removeprefix("sqlite:///")).parent),
        "CREDENTIALS_ENCRYPTION_KEY": ",".join(base64.b64encode(key).decode() for key in keys),
    }
    typed = await asyncio.to_thread(type_command, "vault", *words, **where)
    for secret in (SECRET, *where["CREDENTIALS_ENCRYPTION_KEY"].split(",")):
        assert secret not in typed.out + typed.err
    return typed


def open_with(url: str, *keys: bytes) -> Store:
    """Open the store itself."""
    return open_store(url, clock=FakeClock(), credentials_key=KeyRing(keys))


async def living_for_ever(store: Store) -> None:
    """Let a process count as living: the fake clock's time is not the machine's, by which a verb judges that."""
    change = update(INSTANCES).values(renew_time_ns=2**62)
    await store.leases._run(ALL, lambda database: database.execute(change) and None)


@pytest.fixture
async def url(sqlite_url: str) -> str:
    """Give a store with two values under the old key."""
    async with open_with(sqlite_url, OLD) as store:
        await store.connections.add(connection_for("acc_1", has_key=True), Credentials(key="PK12345678", secret=SECRET))
    return sqlite_url


async def test_a_rotation_tells_when_the_old_key_may_go(url: str) -> None:
    """`vault rotate` puts everything under the first key, and says of the other one that it may be removed."""
    before = (await typed_with(url, (NEW, OLD), "status", "--json")).lines
    assert [(each["key_id"], each["values"], each["removable"]) for each in before] == [
        (key_id_of(NEW), 0, False),
        (key_id_of(OLD), 2, False),
    ]
    done = await typed_with(url, (NEW, OLD), "rotate")
    assert done.status == 0
    assert "2 of 2 put under the first key" in done.err
    assert "may be removed" in done.out
    assert (await typed_with(url, (NEW,), "status")).status == 0


async def test_a_rotation_tells_its_progress_as_json(url: str) -> None:
    """With --json the last line tells how it ended."""
    assert (await typed_with(url, (NEW, OLD), "rotate", "--json")).lines[-1] == {
        "rewrapped": 2,
        "of": 2,
        "not_opened": 0,
    }


async def test_what_lies_under_a_key_that_is_not_there_is_told(url: str) -> None:
    """Without the old key the status is 3 and names it; a rotation leaves the values as they are, and says which."""
    told = await typed_with(url, (NEW,), "status")
    assert told.status == 3
    assert key_id_of(OLD) in told.err
    done = await typed_with(url, (NEW,), "rotate")
    assert done.status == 3
    assert "left as it is: con_acc_1 secret" in done.err
    assert (await typed_with(url, (NEW, OLD), "rotate")).status == 0


async def test_a_rotation_that_a_process_could_not_follow_is_refused(url: str) -> None:
    """A living process that lacks the new key is named, with what to do."""
    async with open_with(url, OLD) as serving:
        await serving.leases.renew([])
        await serving.vault.tell_keys()
        await living_for_ever(serving)
        refused = await typed_with(url, (NEW, OLD), "rotate")
        assert refused.status == 3
        assert serving.leases.instance_id in refused.err
        assert "as a second key first" in refused.err
        told = await typed_with(url, (NEW, OLD), "status")
        assert "make the new key the first one" in told.out


async def test_a_key_is_changed_in_its_file_step_by_step(tmp_path: Path) -> None:
    """A new key opens, then seals, then holds everything; then the old one goes. What comes too early is refused."""
    where = {"BROKERGW_DATA_DIR": str(tmp_path), "BROKERGW_DATABASE_URL": ""}

    async def typed(*words: str) -> Typed:
        return await asyncio.to_thread(type_command, "vault", *words, **where)

    assert (await typed("status")).status == 0
    (old,) = keys_in(tmp_path)
    url = f"sqlite:///{tmp_path / 'brokergw.db'}"
    async with open_with(url, old) as store:
        await store.connections.add(connection_for("acc_1", has_key=True), Credentials(key="PK12345678", secret=SECRET))
    added = await typed("add-key")
    assert added.status == 0
    old, new = keys_in(tmp_path)
    assert key_id_of(new) in added.err
    assert (await typed("drop-key", key_id_of(old))).status == 3
    assert (await typed("use-key", "0" * 16)).status == 3
    assert (await typed("use-key", key_id_of(new))).status == 0
    assert keys_in(tmp_path) == (new, old)
    refused = await typed("drop-key", key_id_of(old))
    assert (refused.status, "needed still" in refused.err) == (3, True)
    assert (await typed("drop-key", key_id_of(new))).status == 3
    assert (await typed("rotate")).status == 0
    assert (await typed("drop-key", key_id_of(old))).status == 0
    assert keys_in(tmp_path) == (new,)
    assert (tmp_path / "credentials.key").stat().st_mode & 0o077 == 0
    assert (await typed("status")).status == 0


def keys_in(directory: Path) -> tuple[bytes, ...]:
    """Read the file of keys."""
    return tuple(base64.b64decode(line) for line in (directory / "credentials.key").read_text().splitlines())


async def test_keys_of_the_environment_are_changed_there(url: str) -> None:
    """Where the environment holds the keys there is no file to change."""
    refused = await typed_with(url, (OLD,), "add-key")
    assert refused.status == 3
    assert "CREDENTIALS_ENCRYPTION_KEY holds the keys" in refused.err


async def test_a_key_that_a_process_lacks_does_not_seal(url: str, tmp_path: Path) -> None:
    """Before every living process has the new key, it is not put first."""
    path = tmp_path / "keys"
    path.write_text("".join(base64.b64encode(key).decode() + "\n" for key in (OLD, NEW)))
    where = {
        "BROKERGW_DATABASE_URL": url,
        "BROKERGW_DATA_DIR": str(tmp_path),
        "BROKERGW_CREDENTIALS_KEY_FILE": str(path),
    }
    async with open_with(url, OLD) as serving:
        await serving.leases.renew([])
        await serving.vault.tell_keys()
        await living_for_ever(serving)
        refused = await asyncio.to_thread(type_command, "vault", "use-key", key_id_of(NEW), **where)
    assert (refused.status, serving.leases.instance_id in refused.err) == (3, True)
    assert path.read_text().startswith(base64.b64encode(OLD).decode())
