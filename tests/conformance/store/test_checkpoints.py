import asyncio
import logging
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from brokergw.store import Store
from tests.conformance.store.making import add_accounts, admit, an_order, committed
from tests.fixtures.stores import open_for_test


async def write(store: Store, units: int) -> None:
    """Commit so many units, many at a time."""
    for _ in range(units // 20):
        await asyncio.gather(*(committed(store, admit(an_order())) for _ in range(20)))


async def test_log_is_carried_over_beside_the_commits(sqlite_url: str, tmp_path: Path) -> None:
    """Long before SQLite would do it inside a commit, what was committed is in the database file."""
    file = tmp_path / "store.db"
    before = file.stat().st_size
    async with open_for_test(sqlite_url) as store:
        await add_accounts(store)
        await write(store, 240)
        assert file.stat().st_size == before
        await write(store, 20)
        async with asyncio.timeout(5):
            while file.stat().st_size == before:
                await asyncio.sleep(0.01)
        assert (tmp_path / "store.db-wal").stat().st_size < 4_000 * 4_096


async def test_failed_checkpoint_harms_nothing(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint that fails is logged by its kind; commits go on, and so does the next checkpoint."""
    caplog.set_level(logging.WARNING)
    async with open_for_test(sqlite_url) as store:
        await add_accounts(store)

        def fail() -> None:
            raise OperationalError("PRAGMA", None, Exception("secret"))

        monkeypatch.setattr(store._writing, "raw_connection", fail)
        for times in (1, 2):
            await write(store, 280)
            async with asyncio.timeout(5):
                while caplog.text.count("was not carried over: OperationalError") < times:
                    await asyncio.sleep(0.01)
    assert "secret" not in caplog.text
