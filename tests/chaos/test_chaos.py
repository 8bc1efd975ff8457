"""The short form of `make chaos`, which every run of the tests goes through."""

import time
from collections import Counter
from typing import Final

import pytest

from tests.chaos.job import Job, deck, jobs
from tests.chaos.points import POINTS
from tests.chaos.runner import Report, run

SQLITE_CHAINS: Final = 6
SQLITE_TRIALS: Final = 24
"""Short chains side by side: each must wait half a minute in the end, until what is in doubt counts as absent."""

HARDEST_ON_POSTGRESQL: Final = ("C5", "C10", "C13", "C15", "COMMIT", "DB")
WORKERS: Final = 2
ENOUGH: Final = 3
"""A load may end before it comes to its point; not this often in a row."""


def short_form(seed: int) -> list[Job]:
    """Every point on SQLite, several times; on PostgreSQL what SQLite does not have, and two points besides."""
    postgresql = jobs(seed, len(deck("postgresql", HARDEST_ON_POSTGRESQL)), ("postgresql",), HARDEST_ON_POSTGRESQL)
    sqlite = [jobs(seed + number, SQLITE_TRIALS, ("sqlite",))[0] for number in range(1, SQLITE_CHAINS + 1)]
    return [*postgresql, *sqlite]


@pytest.mark.timeout(900)
async def test_no_crash_loses_doubles_or_invents_an_order(capsys: pytest.CaptureFixture[str]) -> None:
    """D14: killed at every point of the protocol, under load and broker faults, the record, the broker and the clients
    agree; each run has other seeds, and a failing one says how to run it again.
    """
    chains = short_form(int(time.time()) % 1_000_000)
    report = await run(chains, WORKERS, lambda _: None)
    with capsys.disabled():
        print("\n" + report.table())  # noqa: T201 - the figures are a part of the result
    failures = [f"{job.command}\n  " + "\n  ".join(found) for job, found in report.failed]
    assert failures == [], "\n".join(failures)
    assert report.trials == sum(len(job.points) for job in chains) >= 150
    assert never_met(report) == set()


def never_met(report: Report) -> set[tuple[str, str]]:
    """Give the points that no trial has met: what was not crashed was not tested."""
    dealt = Counter((job.store, point) for job in report.jobs for point in job.points)
    due = {point for point, times in dealt.items() if times >= ENOUGH}
    return due - {(r["store"], trial["point"]) for r in report.results for trial in r["trials"] if trial["met"]}


def test_a_chain_can_be_run_again_alone() -> None:
    """The command of a chain that failed gives its very trials, also out of the middle of a run."""
    whole = jobs(7, 150, ("sqlite", "postgresql"))
    third = whole[2]
    assert third.command == f"python -m tests.chaos --seed 9 --trials {len(third.points)} --store sqlite"
    assert jobs(9, len(third.points), ("sqlite",)) == [third]
    (limited,) = jobs(3, 2, ("postgresql",), ("DB",))
    assert limited.command == "python -m tests.chaos --seed 3 --trials 2 --store postgresql --points DB"


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_every_point_is_in_every_whole_chain(store: str) -> None:
    """A chain of full length leaves no point out."""
    assert set(jobs(1, len(deck(store)), (store,))[0].points) == {
        point.name for point in POINTS.values() if store in point.stores
    }
