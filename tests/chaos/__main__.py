"""`python -m tests.chaos`: crash gateways at every point of the order protocol, again and again, and compare what is
left with what the broker and the clients saw.
"""

import argparse
import asyncio
import os
import sys
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from tests.chaos.brokers.catalog import BROKERS
from tests.chaos.job import HASTE, STORES, jobs
from tests.chaos.points import POINTS
from tests.chaos.runner import Report, run


def main() -> int:
    """Run as told; the exit code is 1 when something was found."""
    chosen = _parser().parse_args()
    stores = STORES if chosen.store == "both" else (chosen.store,)
    points = tuple(chosen.points.split(",")) if chosen.points else ()
    if unknown := [point for point in points if point not in POINTS]:
        sys.exit(f"no such points: {unknown}; known are {', '.join(POINTS)}")
    brokers = tuple(BROKERS) if chosen.broker == "all" else (chosen.broker,)
    made = [jobs(chosen.seed, chosen.trials, stores, points, broker, chosen.haste) for broker in reversed(brokers)]
    # By turns, those first whose doubts last longest.
    dealt = [replace(job, keep=chosen.keep) for turn in zip_longest(*made) for job in turn if job is not None]
    report = asyncio.run(run(dealt, chosen.workers, _tell))
    _say(report.table())
    for job, found in report.failed:
        _say(f"\nFAILED: {job.command}")
        for words in found:
            _say(f"  {words}")
    _say(f"{len(report.failed)} of {len(report.jobs)} chains failed" if report.failed else "nothing was found wrong")
    return _exit_code(report)


def _exit_code(report: Report) -> int:
    return 1 if report.failed else 0


def _tell(result: dict[str, Any]) -> None:
    ending = f"{len(result['found'])} FOUND" if result["found"] else "well"
    which = f"{result['broker']} {result['store']} seed {result['seed']}"
    _say(f"{which}: {len(result['trials'])} trials, {result['orders']} orders, {ending}")
    for words in result["found"]:
        _say(f"  {words}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=300, help="how many before each broker, in chains")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first chain; the next ones count up")
    parser.add_argument("--broker", choices=[*BROKERS, "all"], default="alpaca")
    parser.add_argument("--store", choices=[*STORES, "both"], default="both")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--haste", type=float, default=HASTE, help="how much faster time runs in the end; 1 is real")
    parser.add_argument("--keep", default="", help="a folder for the databases and logs of chains that fail")
    parser.add_argument("--points", default="", help=f"only these, by commas: {', '.join(POINTS)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
