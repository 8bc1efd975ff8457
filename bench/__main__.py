"""Run the bench: `python -m bench [--rounds 5] [--seconds 2] [--only abcdefg]`."""

import argparse
import asyncio
import json
import sys
from typing import Final

from rich.console import Console

from bench.figures import Measurement, measurement
from bench.peers import Bed, beds
from bench.plan import Step, steps
from bench.processes import ROOT, BenchFailed, Reply, measure_together
from bench.report import Results, document, show

WARM_UP_S: Final = 0.3
LIVE_IN_FLIGHT: Final = 16
"""How many orders are in flight while live fills are measured."""

_ALL: Final = "abcdefg"
WIDTH_MIN: Final = 120
RESULTS: Final = ROOT / "bench" / "results" / "latest.json"


async def run(rounds: int, seconds: float, only: frozenset[str], console: Console) -> Results:
    """Measure everything, round by round."""
    results = Results(rounds, seconds)
    with console.status("starting") as status:
        async with beds(only) as ready:
            for number in range(rounds):
                for step in steps(number, only):
                    status.update(f"round {number + 1} of {rounds}: {step.case.letter} at {step.load}")
                    results.note(step.case, step.load, await _measure(ready[step.case.letter], step, seconds, results))
    return results


async def _measure(bed: Bed, step: Step, seconds: float, results: Results) -> Measurement:
    before_s = bed.server.cpu_s()
    if bed.busy:
        reply = await _measure_live(bed, step, seconds, results)
    else:
        warm_up = 0.0 if bed.start == "record" else WARM_UP_S
        reply = await measure_together(bed.generators, step.load, seconds=seconds, warm_up=warm_up, start=bed.start)
    after_s = bed.server.cpu_s()
    if not reply.count:
        raise BenchFailed(f"case {step.case.letter} at {step.load}: nothing came back")
    cpu_us = None if before_s is None or after_s is None else (after_s - before_s) / reply.total * 1e6
    return measurement(reply.count, reply.elapsed_s, reply.latencies_us, cpu_us)


async def _measure_live(bed: Bed, step: Step, seconds: float, results: Results) -> Reply:
    """Follow fills while orders are filled, and note which share of them arrived within the window."""
    following = asyncio.create_task(
        measure_together(bed.generators, step.load, seconds=seconds, warm_up=2 * WARM_UP_S, start="now")
    )
    ordering = measure_together(bed.busy, LIVE_IN_FLIGHT, seconds=seconds, warm_up=2 * WARM_UP_S)
    orders, fills = await asyncio.gather(ordering, following)
    results.delivered.setdefault(step.load, []).append(fills.count / (orders.count * step.load))
    return fills


def main() -> int:
    """Run it, print tables and write the document."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the gateway beside bare peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each measurement takes")
    parser.add_argument("--only", default=_ALL, metavar="LETTERS", help="only these cases; writes no results file")
    chosen = parser.parse_args()
    only = frozenset(chosen.only)
    if not only <= set(_ALL) or chosen.rounds < 1 or chosen.seconds <= 0:
        parser.error("letters are a to g, rounds and seconds are above 0")
    console = Console(width=max(WIDTH_MIN, Console().width))
    try:
        results = asyncio.run(run(chosen.rounds, chosen.seconds, only, console))
    except BenchFailed as failure:
        console.print(f"[bold red]failed:[/] {failure}")
        return 1
    show(results, console)
    if only == set(_ALL):
        RESULTS.write_text(json.dumps(document(results), indent=2) + "\n", "utf-8")
        console.print(f"written to {RESULTS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
