"""The rows that no checkpoint has signed yet: whoever has only the database cannot cut or change them unseen."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from brokergw.ports.audit import AuditFault, AuditProblem
from brokergw.ports.journal import Commit
from brokergw.store import Store
from brokergw.store.audit.chain import Head
from brokergw.store.notary.pages import LogPages
from brokergw.store.notary.restored import cut
from brokergw.store.notary.tails import TailFile, tails_in
from tests.conformance.store.making import audit, committed
from tests.fixtures.audit_log import KEYS, Forger, keeper_of, signed_store, write_and_sign

SIGNED = 4
LENGTH = SIGNED + 3


@pytest.fixture
async def signing_late(signing: Store) -> Store:
    """Give a store with four signed rows and three that are not signed yet."""
    await write_and_sign(signing, SIGNED - 1)
    for _ in range(LENGTH - SIGNED):
        await committed(signing, Commit(audit=(audit(),)))
    return signing


@pytest.fixture
def forger(signing_late: Store, store_url: str) -> Forger:
    """Give somebody who bends the database."""
    return Forger(store_url)


async def the_problem(store: Store) -> AuditProblem:
    """Verify, and give the only thing wrong."""
    (problem,) = (await store.audit.verify()).problems
    return problem


async def test_unsigned_rows_that_are_there_are_no_fault(signing_late: Store) -> None:
    """The newest head is noted and stands where it was noted."""
    report = await signing_late.audit.verify()
    assert (report.problems, report.unsigned) == ((), LENGTH - SIGNED)


@pytest.mark.parametrize("kept", [LENGTH - 1, SIGNED + 1, SIGNED])
async def test_an_unsigned_tail_that_was_cut_is_named(signing_late: Store, forger: Forger, kept: int) -> None:
    """One row or all that were not signed: the first that is missing is named, with the last that was there."""
    chain, *_ = forger.chains()
    forger.remove(chain, kept + 1, LENGTH)
    problem = await the_problem(signing_late)
    assert (problem.fault, problem.subject) == (AuditFault.ROW_MISSING, chain)
    assert (problem.position, problem.position_last) == (kept + 1, LENGTH)
    forger.close()


async def test_an_unsigned_row_that_was_written_again_is_named(signing_late: Store, forger: Forger) -> None:
    """Hashes that agree with one another do not help, with or without more rows behind them."""
    chain, *_ = forger.chains()
    backup = forger.copy()
    for more in (0, 1):
        forger.rewrite(chain, lambda rows: [*rows[:-1], *[rows[-1] | {"outcome": "NEVER"}] * (1 + more)])  # noqa: B023 - called at once
        problem = await the_problem(signing_late)
        assert (problem.fault, problem.position, problem.position_last) == (
            AuditFault.ROW_REWRITTEN,
            SIGNED + 1,
            LENGTH,
        )
        forger.restore(backup)
    forger.close()


async def test_a_chain_that_was_never_signed_is_missed(
    signing: Store, store_url: str, checkpoints_folder: Path
) -> None:
    """A process that was killed in its first second is missed all the same when its rows are gone."""
    await committed(signing, Commit(audit=(audit(),)))
    forger = Forger(store_url)
    (chain,) = forger.chains()
    forger.remove(chain, 1, 9)
    problem = await the_problem(signing)
    assert (problem.fault, problem.subject, problem.position) == (AuditFault.CHAIN_MISSING, chain, 1)
    assert await cut(LogPages(signing._reader, signing._writing.dialect.name), checkpoints_folder, KEYS) == [chain]
    forger.close()


async def test_a_cut_that_the_next_process_signs_is_named_still(
    signing_late: Store, forger: Forger, store_url: str, checkpoints_folder: Path
) -> None:
    """A process that starts after the cut says so, and what it signs of the chain does not cover it up."""
    chain, *_ = forger.chains()
    forger.remove(chain, LENGTH, LENGTH)
    with capture_logs() as logged:
        async with signed_store(store_url, checkpoints_folder) as later:
            keeper = keeper_of(later)
            keeper.start()
            await keeper.sign()
            problem = await the_problem(later)
    assert (problem.fault, problem.position, problem.position_last) == (AuditFault.ROW_MISSING, LENGTH, LENGTH)
    assert [each["chain"] for each in logged if "lacks rows" in each["event"]] == [chain]
    forger.close()


async def test_who_ends_in_order_leaves_no_file(store_url: str, checkpoints_folder: Path) -> None:
    """Once everything is signed the heads are of no use; until then there is one line for each chain."""
    async with signed_store(store_url, checkpoints_folder) as store:
        for _ in range(3):
            await committed(store, Commit(audit=(audit(),)))
        ((_, (noted,)),) = tails_in(checkpoints_folder)
        assert noted.head.sequence == 4
    assert list(tails_in(checkpoints_folder)) == []


def test_a_line_is_written_over_and_a_torn_one_is_left_out(tmp_path: Path) -> None:
    """Each chain has its line; one that is not what was written there tells nothing, and the others still do."""
    file = TailFile(tmp_path, "ins_1", lambda: 7)
    first, second = Head("chn_1", 1, "a" * 64), Head("chn_2", 5, "b" * 64)
    for head in (first, second, Head("chn_1", 2, "c" * 64)):
        file.note(head)
    ((path, noted),) = tails_in(tmp_path)
    assert [each.head for each in noted] == [Head("chn_1", 2, "c" * 64), second]
    text = path.read_text()
    for torn in (text.replace("chn_1 2", "chn_1 3"), text[:20] + "\n" + text[text.index("\n") + 1 :]):
        path.write_text(torn)
        ((_, left),) = tails_in(tmp_path)
        assert [each.head for each in left] == [second]
    file.close(signed=False)
    assert path.exists()


def test_a_folder_that_takes_nothing_is_told_once_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be noted is no reason to refuse a record."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    file = TailFile(blocked, "ins_1", lambda: 7)
    for sequence in (1, 2):
        file.note(Head("chn_1", sequence, "a" * 64))
    assert [record.message for record in caplog.records if "not noted" in record.message] == [
        "the end of the audit log is not noted: FileExistsError"
    ]
