"""Signing when things go wrong: a full disk, a commit of unknown outcome, rows from before there were chains."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from alembic import command
from sqlalchemy import text
from sqlalchemy.engine import make_url

from brokergw.ports.journal import Commit
from brokergw.store.audit.chain import chain_of
from brokergw.store.database.engine import parse_url, writer_engine
from brokergw.store.database.transaction import CommitOutcomeUnknown
from brokergw.store.migrations import _config, upgrade
from brokergw.store.notary.checkpoint import SignedCheckpoint
from brokergw.store.notary.file import CheckpointFile, files_in
from brokergw.store.notary.pages import LogPages
from brokergw.store.notary.restored import behind
from brokergw.store.tables import METADATA
from tests.conformance.store.making import audit, committed
from tests.fixtures.audit_log import Forger, audit_rows, keeper_of, signed_store, write_and_sign
from tests.fixtures.two_roles import owned, served

_OLD_ROW = """
INSERT INTO broker_audit_log
 (user_id, time_ns, request_id, key_id, action, outcome, reason, account_id, order_id, detail, duration_ns)
VALUES ('ann', :n, 'r', 'k', 'a', 'OK', '', '', '', '', NULL)
"""


def failing(times: int, real: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """Let a function fail so many times first."""
    left = [error] * times

    def call(*given: Any, **more: Any) -> Any:
        if left:
            raise left.pop()
        return real(*given, **more)

    return call


async def test_a_full_disk_leaves_no_hole_among_checkpoints(
    store_url: str, checkpoints_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the table has and the file could not take is put into the file before anything else is signed."""
    async with signed_store(store_url, checkpoints_folder) as store:
        await write_and_sign(store, 1)
        monkeypatch.setattr(CheckpointFile, "append", failing(2, CheckpointFile.append, OSError(28, "no space")))
        await committed(store, Commit(audit=(audit("one"),)))
        for _ in range(2):
            with pytest.raises(OSError, match="no space"):
                await keeper_of(store).sign()
            await committed(store, Commit(audit=(audit("more"),)))
        await keeper_of(store).sign()
        report = await store.audit.verify()
        assert (report.problems, report.unsigned, report.checkpoints) == ((), 0, 3)
        ((_, path),) = files_in(checkpoints_folder)
        assert len(path.read_text().splitlines()) == 3


async def test_a_part_of_a_line_is_taken_back(checkpoints_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that the disk cut short leaves no half line behind."""
    kept = CheckpointFile(checkpoints_folder, "ins_1")
    line = SignedCheckpoint("body", "key", "signature")
    kept.append(line)
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:5]))
    with pytest.raises(OSError, match="part of a checkpoint"):
        kept.append(line)
    monkeypatch.setattr(os, "write", real)
    kept.append(line)
    kept.close()
    ((_, path),) = files_in(checkpoints_folder)
    assert path.read_text() == line.line() * 2


async def test_after_a_commit_that_nobody_confirmed_another_chain_begins(
    store_url: str, checkpoints_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its rows are there or not, what follows hangs on nothing uncertain, and the log is whole."""
    async with signed_store(store_url, checkpoints_folder) as store:
        await write_and_sign(store, 1)
        chain = chain_of(store._connection._engine)
        first = chain.durable.chain
        monkeypatch.setattr(type(chain), "confirm", failing(1, type(chain).confirm, CommitOutcomeUnknown()))
        with pytest.raises(Exception, match="journal"):
            await committed(store, Commit(audit=(audit("uncertain"),)))
        await committed(store, Commit(audit=(audit("certain"),)))
        await keeper_of(store).sign()
        rows = await audit_rows(store)
        assert [row.action for row in rows if row.chain == first][-1] == "uncertain"
        assert [row.action for row in rows if row.chain != first] == ["audit.opened", "certain"]
        report = await store.audit.verify()
        assert (report.problems, report.unsigned, report.chains) == ((), 0, 2)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_rows_from_before_there_were_chains_are_chained_as_they_stand(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, checkpoints_folder: Path
) -> None:
    """An upgrade puts what there is into one chain, which the first checkpoint of all signs."""
    url = f"sqlite:///{tmp_path / 'old.db'}" if kind == "sqlite" else owned(request.getfixturevalue("postgresql_empty"))
    engine = writer_engine(parse_url(url))
    config = _config()
    with engine.begin() as connection:
        if kind == "postgresql":
            # The revisions are loaded meanwhile, which may take its time.
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0014")
        for number in range(3):
            connection.execute(text(_OLD_ROW), {"n": number})
    upgrade(engine, None if kind == "sqlite" else make_url(served(url)))
    async with signed_store(url if kind == "sqlite" else served(url), checkpoints_folder) as store:
        await write_and_sign(store, 1)
        rows = [row for row in await audit_rows(store) if row.chain == "earlier"]
        assert [(row.sequence, row.user_id, row.time_ns) for row in rows] == [(n + 1, "ann", n) for n in range(3)]
        report = await store.audit.verify()
        assert (report.problems, report.unsigned, report.chains) == ((), 0, 2)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    engine.dispose()


async def test_a_restored_database_is_told_at_the_start(store_url: str, checkpoints_folder: Path) -> None:
    """A process that begins on a database from before its last checkpoints says so; on an honest one it is silent."""
    forger = Forger(store_url)
    async with signed_store(store_url, checkpoints_folder) as store:
        await write_and_sign(store, 1)
    backup = forger.copy()
    async with signed_store(store_url, checkpoints_folder) as store:
        await write_and_sign(store, 1)
    async with signed_store(store_url, checkpoints_folder) as store:
        pages = LogPages(store._reader, store._writing.dialect.name)
        assert await behind(pages, checkpoints_folder) == []
        forger.restore(backup)
        assert len(await behind(pages, checkpoints_folder)) == 1
        with structlog.testing.capture_logs() as logs:
            await store.claim()
            for _ in range(500):
                await asyncio.sleep(0.01)
                if logs:
                    break
    assert any("older than its checkpoints" in line["event"] for line in logs)
    forger.close()
