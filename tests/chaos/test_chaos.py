"""The short form of `make chaos`, which every run of the tests goes through."""

import time

import pytest

from tests.chaos.job import CHAIN_LENGTH, jobs
from tests.chaos.points import POINTS
from tests.chaos.runner import Report, run

TRIALS = 5 * CHAIN_LENGTH
WORKERS = 2


@pytest.mark.timeout(300)
async def test_no_crash_loses_doubles_or_invents_an_order(capsys: pytest.CaptureFixture[str]) -> None:
    """D14: killed at every point of the protocol, under load and broker faults, the record, the broker and the clients
    agree; each run has other seeds, and a failing one says how to run it again.
    """
    report = await run(jobs(int(time.time()) % 1_000_000, TRIALS, ("sqlite",)), WORKERS, lambda _: None)
    with capsys.disabled():
        print("\n" + report.table())  # noqa: T201 - the figures are a part of the result
    failures = [f"{job.command(())}\n  " + "\n  ".join(found) for job, found in report.failed]
    assert failures == [], "\n".join(failures)
    assert report.trials == TRIALS
    assert never_met(report) == set()


def never_met(report: Report) -> set[str]:
    """Give the points that no trial has met: what was not crashed was not tested."""
    met = {trial["point"] for result in report.results for trial in result["trials"] if trial["met"]}
    return set(POINTS) - met


def test_a_chain_can_be_run_again_alone() -> None:
    """The command of a chain that failed gives its very trials, also out of the middle of a run."""
    whole = jobs(7, 4 * CHAIN_LENGTH, ("sqlite",))
    third = whole[2]
    assert third.command(()) == f"python -m tests.chaos --seed 9 --trials {CHAIN_LENGTH} --store sqlite"
    assert jobs(9, CHAIN_LENGTH, ("sqlite",)) == [third]


def test_every_point_is_in_every_whole_chain() -> None:
    """A chain of full length leaves no point out."""
    for job in jobs(1, 2 * CHAIN_LENGTH, ("sqlite",)):
        assert set(job.points) == set(POINTS)
