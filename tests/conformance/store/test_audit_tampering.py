"""Whatever is done to the log behind the gateway's back is found, and the first place where it shows is named."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from brokergw.ports.audit import AuditFault, AuditProblem, AuditReport
from brokergw.store import Store
from brokergw.store.notary.file import files_in
from tests.fixtures.audit_log import Forger, signed_store, write_and_sign

ROUNDS = (4, 4, 4)
LENGTH = 1 + sum(ROUNDS)


@dataclass
class Scene:
    """A store with a signed log, and somebody who bends it."""

    store: Store
    forger: Forger
    chain: str
    folder: Path

    async def report(self) -> AuditReport:
        """Verify."""
        return await self.store.audit.verify()

    async def problem(self) -> AuditProblem:
        """Verify, and give the only thing wrong."""
        (problem,) = (await self.report()).problems
        return problem

    async def problems(self) -> dict[str, AuditProblem]:
        """Verify, and give what is wrong by subject."""
        return {problem.subject: problem for problem in (await self.report()).problems}

    @property
    def instance_id(self) -> str:
        """The process that signed."""
        return str(self.forger.checkpoints()[0]["instance_id"])


@pytest.fixture
async def scene(store_url: str, checkpoints_folder: Path) -> AsyncIterator[Scene]:
    """Write three rounds of rows, each signed: the head is at rows 5, 9 and 13 of the chain."""
    async with signed_store(store_url, checkpoints_folder) as store:
        await write_and_sign(store, *ROUNDS)
        forger = Forger(store_url)
        yield Scene(store, forger, forger.chains()[0], checkpoints_folder)
        forger.close()


async def test_an_honest_log_is_whole(scene: Scene) -> None:
    """What nobody has bent is whole, every row of it signed."""
    report = await scene.report()
    assert report.whole
    assert (report.rows, report.chains, report.checkpoints, report.unsigned) == (LENGTH, 1, len(ROUNDS), 0)


async def test_an_edited_row_is_named(scene: Scene) -> None:
    """Any column of any row: the row itself is named."""
    for sequence in (1, 2, 5, 6, LENGTH):
        before = scene.forger.rows(scene.chain)[sequence - 1]
        for column in ("hash", "previous_hash", "outcome", "user_id", "detail", "time_ns", "duration_ns", "payload"):
            scene.forger.edit(scene.chain, sequence, **{column: 7 if column.endswith("_ns") else "x"})
            problem = await scene.problem()
            assert (problem.fault, problem.subject) == (AuditFault.ROW_CHANGED, scene.chain)
            assert problem.position == problem.position_last == sequence
            scene.forger.edit(scene.chain, sequence, **{column: before[column]})
    assert (await scene.report()).whole


async def test_removed_rows_are_named(scene: Scene) -> None:
    """A row or several, anywhere before the end: the first one that is missing is named."""
    for first, last in ((1, 1), (2, 2), (3, 6), (5, 5), (LENGTH - 1, LENGTH - 1)):
        backup = scene.forger.copy()
        scene.forger.remove(scene.chain, first, last)
        problem = await scene.problem()
        assert (problem.fault, problem.position) == (AuditFault.ROW_MISSING, first)
        scene.forger.restore(backup)


async def test_a_cut_tail_is_found(scene: Scene) -> None:
    """Rows cut off at the end leave a chain that agrees with itself; the checkpoints tell."""
    for kept in (LENGTH - 1, 9, 8, 5, 4, 1):
        scene.forger.remove(scene.chain, kept + 1, LENGTH)
        problem = await scene.problem()
        assert problem.fault is AuditFault.ROW_MISSING
        assert problem.position <= kept + 1 == problem.position_last


async def test_swapped_rows_are_named(scene: Scene) -> None:
    """Two rows that change places: the first of the two is named."""
    rows = scene.forger.rows(scene.chain)
    for place, other in ((6, 8), (8, 6)):
        content = {name: value for name, value in rows[other - 1].items() if name not in {"chain", "sequence"}}
        scene.forger.edit(scene.chain, place, **content)
    problem = await scene.problem()
    assert (problem.fault, problem.position) == (AuditFault.ROW_CHANGED, 6)


def _edited(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*rows[:6], rows[6] | {"outcome": "NEVER"}, *rows[7:]]


def _without(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*rows[:6], *rows[7:]]


def _with_another(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*rows[:6], rows[6], *rows[6:]]


async def test_recomputed_hashes_do_not_help(scene: Scene) -> None:
    """A chain written again, hashes and numbers and all, differs from what was signed from the change on."""
    backup = scene.forger.copy()
    for change in (_edited, _without, _with_another):
        scene.forger.rewrite(scene.chain, change)
        problem = await scene.problem()
        assert problem.fault is AuditFault.ROW_REWRITTEN
        assert (problem.position, problem.position_last) == (6, 9)
        scene.forger.restore(backup)


async def test_a_removed_chain_is_missed(scene: Scene) -> None:
    """A chain of which no row is left is missed, since checkpoints name it."""
    scene.forger.remove(scene.chain, 1, LENGTH)
    problem = await scene.problem()
    assert (problem.fault, problem.subject, problem.position) == (AuditFault.CHAIN_MISSING, scene.chain, 1)


async def test_an_old_backup_is_recognised(scene: Scene, store_url: str) -> None:
    """A database restored from a backup agrees with itself; the file outside knows of more."""
    backup = scene.forger.copy()
    await write_and_sign(scene.store, 3)
    scene.forger.restore(backup)
    problems = await scene.problems()
    assert problems[scene.instance_id].fault is AuditFault.CHECKPOINT_MISSING
    assert problems[scene.instance_id].position == len(ROUNDS) + 1
    assert problems[scene.chain].fault is AuditFault.ROW_MISSING
    assert problems[scene.chain].position == LENGTH + 1


async def test_a_removed_checkpoint_is_missed(scene: Scene) -> None:
    """A checkpoint removed anywhere, the last one included: it is named."""
    backup = scene.forger.copy()
    for number in (1, 2, len(ROUNDS)):
        scene.forger.remove_checkpoints(number)
        problem = await scene.problem()
        assert (problem.fault, problem.position) == (AuditFault.CHECKPOINT_MISSING, number)
        scene.forger.restore(backup)


async def test_removed_checkpoints_do_not_hide_a_cut(scene: Scene) -> None:
    """Rows and the checkpoints that name them, all gone from the database: the file outside tells of both."""
    instance_id = scene.instance_id
    scene.forger.remove(scene.chain, 8, LENGTH)
    scene.forger.remove_checkpoints(2, 3)
    problems = await scene.problems()
    assert problems[instance_id].position == 2
    assert problems[scene.chain].position <= 8 <= problems[scene.chain].position_last


async def test_without_its_file_a_hole_among_checkpoints_shows(scene: Scene) -> None:
    """Where the file is gone too, numbers that are missing between others still show."""
    for _, path in files_in(scene.folder):
        path.unlink()
    scene.forger.remove_checkpoints(2)
    problem = await scene.problem()
    assert (problem.fault, problem.position) == (AuditFault.CHECKPOINT_MISSING, 2)


@pytest.mark.parametrize("key", [None, bytes(32)], ids=["old signature", "another key"])
async def test_a_forged_checkpoint_is_named(scene: Scene, key: bytes | None) -> None:
    """A checkpoint that says something else than what was signed, or that another key signed, counts for nothing."""

    def earlier(told: dict[str, Any]) -> None:
        told["heads"][0][1] = 3

    for _, path in files_in(scene.folder):
        path.unlink()
    scene.forger.forge_checkpoint(2, earlier, key)
    problem = (await scene.report()).problems[0]
    assert problem.fault is (AuditFault.CHECKPOINT_FORGED if key is None else AuditFault.KEY_UNKNOWN)
    assert problem.position == 2


async def test_a_forged_chain_is_named(scene: Scene) -> None:
    """Rows in a chain of their own, correctly linked, that nobody with the key began or signed."""
    rows = scene.forger.rows(scene.chain)
    scene.forger.rewrite("chn_forged", lambda _: [row | {"outcome": "NEVER"} for row in rows])
    problem = await scene.problem()
    assert (problem.fault, problem.subject) == (AuditFault.CHAIN_FORGED, "chn_forged")


async def test_rows_behind_the_end_are_named(store_url: str, checkpoints_folder: Path) -> None:
    """A chain whose process has ended and said so does not grow any more."""
    async with signed_store(store_url, checkpoints_folder) as store:
        await write_and_sign(store, 3)
    forger = Forger(store_url)
    (chain,) = forger.chains()
    forger.rewrite(chain, lambda rows: [*rows, rows[-1]])
    async with signed_store(store_url, checkpoints_folder) as store:
        (problem,) = (await store.audit.verify()).problems
    forger.close()
    assert (problem.fault, problem.position) == (AuditFault.ROW_FORGED, 5)


@pytest.mark.parametrize(
    "spoil",
    [lambda text: text.replace("heads", "heeds", 1), lambda text: "no line\n" + text, lambda _: "{}\n"],
    ids=["changed", "shifted", "emptied"],
)
async def test_a_spoilt_file_is_named(scene: Scene, spoil: Callable[[str], str]) -> None:
    """What was changed in a file of checkpoints is told, and the database is still believed."""
    ((_, path),) = files_in(scene.folder)
    path.write_text(spoil(path.read_text()))
    problem = await scene.problem()
    assert (problem.fault, problem.position) == (AuditFault.CHECKPOINT_FORGED, 1)


async def test_a_line_cut_by_a_kill_is_no_fault(scene: Scene) -> None:
    """A process killed while it wrote leaves a part of a line, and maybe a checkpoint that its file lacks."""
    ((_, path),) = files_in(scene.folder)
    path.write_text(path.read_text()[:-20])
    assert (await scene.report()).whole


async def test_several_processes_and_none_of_their_own_keys(postgresql_url: str, checkpoints_folder: Path) -> None:
    """Replicas that write at once, each with its chains, leave one log that is whole."""
    async with signed_store(postgresql_url, checkpoints_folder) as first:
        async with signed_store(postgresql_url, checkpoints_folder) as second:
            for _ in range(3):
                await write_and_sign(first, 2)
                await write_and_sign(second, 3)
            report = await first.audit.verify()
            assert report.whole
            assert report.chains == 2
        assert (await first.audit.verify()).whole
