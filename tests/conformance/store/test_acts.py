"""A person's acts beside processes that serve: nothing is written where nothing is to be, and each act is done once."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from brokergw.app.keys import create_key, direct_access, request_of
from brokergw.app.settings import Settings
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.whose import NOBODYS, Whose
from brokergw.store.database.work import Work
from brokergw.store.open import Store
from brokergw.store.writing.acts import Acts
from tests.fixtures.clock import FakeClock
from tests.fixtures.stores import open_for_test

_HAMMER = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
print("writing", flush=True)
number = 0
while True:
    database.execute("BEGIN IMMEDIATE")
    for _ in range(20_000):
        number += 1
        database.execute("INSERT INTO users (user_id, create_time_ns) VALUES (?, 1)", (f"usr_{number}",))
    database.execute("ROLLBACK")
    time.sleep(0.002)
"""
"""A writer that has the lock for tens of milliseconds, and leaves it for two."""


@contextmanager
def hammered(path: Path) -> Iterator[None]:
    """Run a process that writes into a SQLite file without a pause."""
    process = subprocess.Popen([sys.executable, "-c", _HAMMER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "writing"
        yield
    finally:
        process.kill()
        process.communicate()


def settings_of(url: str, folder: Path) -> Settings:
    """Give the settings of the command line over a store."""
    return Settings(database_url=url, data_dir=folder / "data", _env_file=None)


async def test_keys_are_made_beside_a_writer_that_never_rests(sqlite_url: str, tmp_path: Path) -> None:
    """However busy the file is, each command comes to its turn, and each key is there once."""
    settings = settings_of(sqlite_url, tmp_path)
    with hammered(Path(sqlite_url.removeprefix("sqlite:///"))):
        made = [await create_key(settings, f"user-{number}", request_of("load")) for number in range(3)]
    async with direct_access(settings) as access:
        assert {key.key_id for key in await access.keys.list(None)} == {key.key_id for key, _ in made}


async def test_who_only_looks_waits_for_no_writer(sqlite_url: str, tmp_path: Path) -> None:
    """While somebody else has the write lock, a verb finds the tables current and reads."""
    settings = settings_of(sqlite_url, tmp_path)
    await create_key(settings, "alice", request_of("mine"))
    holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        async with direct_access(settings) as access:
            (key,) = await access.keys.list("alice")
    finally:
        holder.close()
    assert key.name == "mine"


async def test_a_missing_file_is_made_with_its_tables(tmp_path: Path) -> None:
    """The first verb of all makes the database, readable by its owner alone."""
    settings = settings_of(f"sqlite:///{tmp_path / 'new.db'}", tmp_path)
    await create_key(settings, "alice", request_of("first"))
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600


class Failing:
    """Writes that fail so many times, each before or after it is durable."""

    def __init__(self, store: Store, *failures: tuple[str, Reason]) -> None:
        self._store = store
        self._failures = list(failures)
        self.tries = 0

    async def __call__(self, whose: Whose, work: Work) -> Any:
        """Fail as told."""
        self.tries += 1
        when, reason = self._failures.pop(0) if self._failures else ("", Reason.INTERNAL_ERROR)
        if when != "before":
            result = await self._store._writer.run(whose, work)
        if when:
            raise GatewayError(reason, "as told")
        return result


def _added(database: Any) -> int:
    database.execute(text("INSERT INTO store_meta (name, value) VALUES ('count', '0') ON CONFLICT DO NOTHING"))
    raised = (
        "UPDATE store_meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'count' RETURNING value"
    )
    return int(database.execute(text(raised)).scalar_one())


async def _forget(store: Store) -> None:
    gone = text("DELETE FROM store_meta WHERE name = 'count' OR name LIKE 'act%'")
    await store._writer.run(NOBODYS, lambda database: database.execute(gone) and None)


@pytest.mark.parametrize(
    "failures",
    [
        (),
        (("before", Reason.JOURNAL_UNAVAILABLE),),
        (("before", Reason.JOURNAL_OUTCOME_UNKNOWN),),
        (("after", Reason.JOURNAL_OUTCOME_UNKNOWN),),
        (("after", Reason.JOURNAL_OUTCOME_UNKNOWN),) * 5,
    ],
    ids=["at once", "not written", "unknown and not written", "unknown and written", "unknown five times"],
)
async def test_an_act_is_done_once(store_url: str, failures: tuple[tuple[str, Reason], ...]) -> None:
    """Whatever is not known of a try, the act is durable once, and what it came to is told."""
    async with open_for_test(store_url) as store:
        await _forget(store)
        run = Failing(store, *failures)
        assert await Acts(run, FakeClock())(NOBODYS, _added) == 1
        assert run.tries == len(failures) + 1
        assert await store._writer.run(NOBODYS, _added) == 2
        await _forget(store)


@pytest.mark.parametrize(("failing", "good"), [(5, True), (6, False), (7, False)])
async def test_a_person_is_told_in_the_end(sqlite_url: str, failing: int, *, good: bool) -> None:
    """Five tries in vain are followed by a sixth; after the sixth the refusal is told."""
    async with open_for_test(sqlite_url) as store:
        run = Failing(store, *[("before", Reason.JOURNAL_UNAVAILABLE)] * failing)
        if good:
            assert await Acts(run, FakeClock())(NOBODYS, _added) == 1
        else:
            with pytest.raises(GatewayError):
                await Acts(run, FakeClock())(NOBODYS, _added)
            assert run.tries == 6


async def test_what_is_refused_is_not_tried_again(sqlite_url: str) -> None:
    """Any other refusal stands."""
    async with open_for_test(sqlite_url) as store:
        run = Failing(store, ("before", Reason.LAST_ADMIN))
        with pytest.raises(GatewayError):
            await Acts(run, FakeClock())(NOBODYS, _added)
        assert run.tries == 1


async def test_names_of_acts_are_forgotten(sqlite_url: str) -> None:
    """A name is kept for a day, and then goes with the next act."""
    clock = FakeClock()
    async with open_for_test(sqlite_url, clock) as store:
        acts = Acts(store._writer.run, clock)
        counted = text("SELECT count(*) FROM store_meta WHERE name LIKE 'act%'")
        for passed_s, names in ((0, 1), (86_400, 2), (1, 2)):
            clock.advance(passed_s)
            await acts(NOBODYS, _added)
            assert await store._reader.query(NOBODYS, lambda database: database.scalar(counted)) == names
