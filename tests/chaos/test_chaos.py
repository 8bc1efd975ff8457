"""The short form of `make chaos`, which every run of the tests goes through."""

import time
from collections import Counter
from typing import Final

import pytest

from tests.chaos.brokers.catalog import BROKERS
from tests.chaos.job import TRIALS_MAX, Job, deck, jobs
from tests.chaos.points import POINTS
from tests.chaos.runner import Report, run

SQLITE_CHAINS: Final = 3
SQLITE_TRIALS: Final = 24
TRIALS_ELSEWHERE: Final = 8
HARDEST_ELSEWHERE: Final = {
    "schwab": ("C5", "C8", "C10", "C12", "TWIN"),
    "ctrader": ("C5", "C7", "C8", "C10", "C11"),
    "ibkr": ("C5", "C8", "C10", "C12", "C14"),
    "binance-futures": ("C5", "C7", "C8", "C10", "C11"),
    "binance": ("C5", "C8", "C9", "C10", "C12"),
}
"""What is hardest to find out before each of the other brokers: those first whose doubts last longest."""

HARDEST_ON_POSTGRESQL: Final = ("C5", "C10", "C13", "C15", "COMMIT", "DB")
WORKERS: Final = 2
ENOUGH: Final = 3
"""A load may end before it comes to its point; not this often in a row."""


def short_form(seed: int) -> list[Job]:
    """Every point on SQLite, several times; on PostgreSQL what SQLite does not have, and two points besides; and a
    short chain before each of the other brokers.
    """
    postgresql = jobs(seed, len(deck("postgresql", HARDEST_ON_POSTGRESQL)), ("postgresql",), HARDEST_ON_POSTGRESQL)
    sqlite = [jobs(seed + number, SQLITE_TRIALS, ("sqlite",))[0] for number in range(1, SQLITE_CHAINS + 1)]
    elsewhere = [
        jobs(seed, TRIALS_ELSEWHERE, ("sqlite",), points, broker)[0] for broker, points in HARDEST_ELSEWHERE.items()
    ]
    return [*elsewhere, *postgresql, *sqlite]


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
    assert report.trials == sum(len(job.points) for job in chains) >= 120
    assert {job.broker for job in chains} == set(BROKERS)
    assert never_met(report) == set()


def never_met(report: Report) -> set[tuple[str, str]]:
    """Give the points that no trial has met, and the brokers before which none was: what did not crash was not tested.

    A single point may well be missed in one broker's short chain.
    """
    dealt = Counter((job.store, point) for job in report.jobs for point in job.points)
    due = {point for point, times in dealt.items() if times >= ENOUGH}
    due |= {(job.broker, "") for job in report.jobs}
    met = [(result, trial) for result in report.results for trial in result["trials"] if trial["met"]]
    return due - {(r["store"], trial["point"]) for r, trial in met} - {(r["broker"], "") for r, _ in met}


def test_a_chain_can_be_run_again_alone() -> None:
    """The command of a chain that failed gives its very trials, also out of the middle of a run."""
    whole = jobs(7, 150, ("sqlite", "postgresql"))
    third = whole[2]
    assert (
        third.command == f"python -m tests.chaos --seed 9 --trials {len(third.points)} --broker alpaca --store sqlite"
    )
    assert jobs(9, len(third.points), ("sqlite",)) == [third]
    (limited,) = jobs(3, 2, ("postgresql",), ("DB",))
    assert limited.command == "python -m tests.chaos --seed 3 --trials 2 --broker alpaca --store postgresql --points DB"


@pytest.mark.parametrize("broker", list(BROKERS))
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_every_point_comes_up_before_every_broker(store: str, broker: str) -> None:
    """In the long run none of the places that exist there is left out."""
    dealt = {point for job in jobs(1, 400, (store,), broker=broker) for point in job.points}
    assert dealt == {point.name for point in POINTS.values() if point.exists(store, broker)}


@pytest.mark.parametrize("broker", list(BROKERS))
def test_chains_are_as_long_as_the_brokers_symbols_last(broker: str) -> None:
    """No trial is lost by cutting chains short, and each chain of another broker names it in its command."""
    made = jobs(1, 50, ("sqlite",), broker=broker)
    most = TRIALS_MAX[BROKERS[broker].capabilities.resolution]
    assert sum(len(job.points) for job in made) == 50
    assert all(len(job.points) <= most for job in made)
    assert all(f" --broker {broker} " in job.command for job in made)
