"""What retention takes from the audit log, and how what is left is still verified."""

from pathlib import Path
from typing import Any, Final

import pytest

from brokergw.ports.audit import AuditFault, AuditReport
from brokergw.ports.journal import Commit
from brokergw.store import Store
from brokergw.store.notary import retention as module
from brokergw.store.notary.file import files_in
from brokergw.store.notary.keeping import AuditKeeping
from brokergw.store.notary.retention import AuditRetention
from tests.fixtures.audit_log import SECRET, Forger, a_row, audit_rows, keeper_of, write_and_sign
from tests.fixtures.clock import FakeClock
from tests.fixtures.stores import open_for_test

DAYS: Final = 10
DAY_S: Final = 86_400.0


class Years:
    """A log that grows for years: stores of one process after another, on one clock."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.clock = url, folder, FakeClock()

    def open(self) -> Store:
        """Open a store that keeps its log for ten days; nothing is pruned but by hand."""
        return open_for_test(self.url, self.clock, audit=AuditKeeping(SECRET, self.folder, DAYS))

    async def write(self, store: Store, *days: int) -> None:
        """Write three rows on each of so many days, the first at once, and sign them."""
        for wait in days:
            self.clock.advance(wait * DAY_S)
            for number in range(3):
                row = a_row(f"step.{number}", time_ns=self.clock.now_ns())
                await store.journal.commit(Commit(audit=(row,)))
            await keeper_of(store).sign()

    async def report(self) -> AuditReport:
        """Verify with a store of its own."""
        async with self.open() as store:
            return await store.audit.verify()


def pruning(store: Store) -> AuditRetention:
    """Give the one who prunes."""
    assert store._audit_retention is not None
    return store._audit_retention


@pytest.fixture
def years(store_url: str, checkpoints_folder: Path) -> Years:
    """Give a log, once on each database."""
    return Years(store_url, checkpoints_folder)


async def steps_of(store: Store) -> int:
    """Count the rows that are left, but for those of the log about itself."""
    return sum(row.action.startswith("step.") for row in await audit_rows(store))


@pytest.mark.parametrize(("age_s", "left"), [(-1, 3), (0, 3), (1, 0)])
async def test_a_row_goes_when_it_is_older_than_the_days(years: Years, age_s: int, left: int) -> None:
    """Just below and at the limit a row stays, just above it goes."""
    async with years.open() as store:
        await years.write(store, 0)
        years.clock.advance(DAYS * DAY_S + age_s)
        await pruning(store).prune()
        assert await steps_of(store) == left
        assert (await store.audit.verify()).whole


async def test_what_is_left_is_verified_from_where_it_begins(years: Years) -> None:
    """A process that lives for long loses the beginning of its chain; what is left hangs on what was signed for it."""
    async with years.open() as store:
        await years.write(store, 0, 3, 3, 3, 3)
        assert await pruning(store).prune() == 4
        report = await store.audit.verify()
        assert report.whole
        assert report.pruned == 4
        assert await steps_of(store) == 12
        await years.write(store, 3)
        assert await pruning(store).prune() == 3
        assert (await store.audit.verify()).whole
        assert [row.detail for row in await audit_rows(store) if row.action == "audit.pruned"] != []


async def test_chains_of_ended_processes_go_and_are_forgotten(years: Years) -> None:
    """Chains and checkpoints of processes that ended long ago go whole, with their files, and nothing is missed."""
    for _ in range(3):
        async with years.open() as store:
            await years.write(store, 4)
    async with years.open() as store:
        await years.write(store, 5)
        await pruning(store).prune()
        assert await steps_of(store) == 9
        assert (await store.audit.verify()).whole
        await years.write(store, 30)
        await pruning(store).prune()
        await pruning(store).prune()
        assert await steps_of(store) == 3
        assert len(list(files_in(years.folder))) == 1
        await keeper_of(store).sign()
        report = await store.audit.verify()
        assert (report.problems, report.unsigned) == ((), 0)
    assert (await years.report()).whole


async def test_a_chain_signed_long_after_is_not_missed(years: Years) -> None:
    """What a killed process wrote, and a process much later signed, goes before the checkpoint that names it."""
    async with years.open() as store:
        row = a_row("step.0", time_ns=years.clock.now_ns())
        await store.journal.commit(Commit(audit=(row,)))
        years.clock.advance(8 * DAY_S)
        async with years.open() as later:
            await years.write(later, 0)
            years.clock.advance(4 * DAY_S)
            await pruning(later).prune()
            assert await steps_of(later) == 3
            assert (await later.audit.verify()).whole
            years.clock.advance(DAY_S)
            await pruning(later).prune()
            assert (await later.audit.verify()).whole


async def test_the_rest_goes_on_being_guarded(years: Years) -> None:
    """After retention a missing row, a cut and a bent tombstone show as before."""
    async with years.open() as store:
        await years.write(store, 0, 6, 6)
        await pruning(store).prune()
        forger = Forger(years.url)
        chain = forger.chains()[0]
        first = forger.rows(chain)[0]["sequence"]
        assert first > 1
        backup = forger.copy()
        forger.remove(chain, first, first)
        (problem,) = (await store.audit.verify()).problems
        assert (problem.fault, problem.position) == (AuditFault.ROW_MISSING, first)
        forger.restore(backup)
        forger.remove(chain, first, 1_000)
        (problem,) = (await store.audit.verify()).problems
        assert (problem.fault, problem.position) == (AuditFault.CHAIN_MISSING, first)
        forger.restore(backup)
        number = max(each["number"] for each in forger.checkpoints() if each["horizon_ns"])

        def further(told: dict[str, Any]) -> None:
            told["pruned"][0][1] += 2

        for _, path in files_in(years.folder):
            path.unlink()
        forger.forge_checkpoint(number, further)
        assert not (await store.audit.verify()).whole
        forger.close()


async def test_a_row_taken_before_its_time_is_not_covered_up(years: Years) -> None:
    """Where somebody has taken a row already, the chain is not pruned beyond it, and it stays seen."""
    async with years.open() as store:
        await years.write(store, 0, 12)
        forger = Forger(years.url)
        chain = forger.chains()[0]
        forger.remove(chain, 3, 3)
        forger.close()
        await pruning(store).prune()
        problems = {problem.subject: problem for problem in (await store.audit.verify()).problems}
        assert problems[chain].position == 3


async def test_a_round_takes_many_rows_in_pieces(years: Years, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows are too old, they go piece by piece, and round by round."""
    monkeypatch.setattr(module, "_PIECE", 2)
    monkeypatch.setattr(module, "_ROWS_MAX", 5)
    async with years.open() as store:
        await years.write(store, 0, 0, 0)
        years.clock.advance(11 * DAY_S)
        assert await pruning(store).prune() == 5
        assert (await store.audit.verify()).whole
        assert await pruning(store).prune() == 5
        assert (await store.audit.verify()).whole
        assert await pruning(store).prune() == 0


async def test_a_kill_between_the_word_and_the_deed_does_no_harm(years: Years) -> None:
    """Rows that a checkpoint has released and nobody removed yet are no fault, and go with the next round."""
    async with years.open() as store:
        await years.write(store, 0, 12)
        horizon_ns = years.clock.now_ns() - int(DAYS * DAY_S) * 1_000_000_000
        plan = await store._reader.query(
            module._OLD, lambda database: module._plan(database, horizon_ns, keeper_of(store))
        )
        await keeper_of(store).sign(horizon_ns=horizon_ns, pruned=plan.going, pruned_checkpoints=plan.checkpoints)
        assert (await store.audit.verify()).whole
        assert await pruning(store).prune() == 4
        assert (await store.audit.verify()).whole


async def test_a_log_is_kept_for_ever_unless_days_are_set(store_url: str, checkpoints_folder: Path) -> None:
    """Zero days is for ever."""
    async with open_for_test(store_url, audit=AuditKeeping(SECRET, checkpoints_folder)) as store:
        await write_and_sign(store, 1)
        assert store._audit_retention is None
