"""`python -m tests.sickbroker`: make a broker sick in every way, and measure what the others feel of it.

Each mood is played once; those beside which orders were slow are played again, and what they come to then counts. The
last line for a broker is the verdict: HELD (exit code 0), BROKEN (1), UNDECIDED or RESTLESS, where the measure is too
wide or the machine too busy to tell (2).
"""

import argparse
import asyncio
import sys

from tests.sickbroker.brokers import BROKERS
from tests.sickbroker.measure import percentile, ratio
from tests.sickbroker.moods import MOODS, moods_for
from tests.sickbroker.rounds import Pace, Report, afterwards, play, warm_up
from tests.sickbroker.verdict import Ending, Verdict, slower, suspects, verdict
from tests.sickbroker.ward import open_ward

_AGAIN_MAX = 3
_AGAIN_BLOCKS = 4


def main() -> int:
    """Run as told."""
    chosen = _parser().parse_args()
    names = list(BROKERS) if chosen.broker == "all" else [chosen.broker]
    endings = [asyncio.run(_run(name, chosen)) for name in names]
    if Ending.BROKEN in endings:
        return 1
    return 0 if set(endings) == {Ending.HELD} else 2


async def _run(broker: str, chosen: argparse.Namespace) -> Ending:
    moods = chosen.mood or moods_for(frames=bool(BROKERS[broker].frames))
    reports: list[Report] = []
    async with open_ward(broker) as ward:
        well = ward.well.broker
        pace = Pace(window_s=chosen.window, rate=min(chosen.rate, well.rate_max), sick_rate=chosen.sick_rate)
        await warm_up(ward, pace)
        for mood in moods:
            reports.append(await play(ward, mood, pace, chosen.blocks))
            _tell(reports[-1], whole=chosen.endings)
        again = [await play(ward, mood, pace, _AGAIN_BLOCKS) for mood in suspects(reports, _AGAIN_MAX)]
        last = Report("afterwards", found=await afterwards(ward))
    for report in again:
        p99 = ratio([block.pair() for block in report.blocks], 0.99)
        _say(f"{report.mood}, again: p99 x {p99} of {len(report.beside())} orders")
        if slower(p99):
            report.found.append(f"{report.mood}: the well broker's p99 is {p99} times as long")
    for words in (words for report in (*again, last) for words in report.found):
        _say(f"  FOUND: {words}")
    reached = verdict(reports, [words for report in (*reports, *again, last) for words in report.found])
    _say(_words(broker, well.name, reports, reached))
    return reached.ending


def _words(broker: str, well: str, reports: list[Report], reached: Verdict) -> str:
    without, beside = ([each for one in reports for each in side(one)] for side in (Report.without, Report.beside))
    p99 = " -> ".join(f"{percentile(each, 0.99) * 1e3:.1f}" for each in (without, beside))
    memory = max(most for each in reports for most in each.memory_mib)
    return (
        f"{reached.ending}: {broker} sick in {len(reports)} ways; p99 at {well} {p99} ms, x {reached.whole} "
        f"(control x {reached.control}) of {len(without)} and {len(beside)} orders; memory {memory:.0f} MiB at most"
    )


def _tell(report: Report, *, whole: bool) -> None:
    both = (report.without(), report.beside())
    p50, p99 = (" -> ".join(f"{percentile(each, share) * 1e3:.1f}" for each in both) for share in (0.5, 0.99))
    most, late = report.grown_mib()
    busy = " -> ".join(f"{report.busy(sick=sick):.0%}" for sick in (False, True))
    _say(
        f"{report.mood}: ms p50 {p50}, p99 {p99}; processor {busy}; "
        f"memory {report.memory_mib[0]:.0f} MiB, +{most:.0f}, later half +{late:.0f}; met {report.met}; {report.health}"
    )
    for words in report.found:
        _say(f"  FOUND: {words}")
    if whole:
        for ending, number in sorted(report.endings.items()):
            _say(f"    {number:5} {ending}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sickbroker", description=__doc__)
    parser.add_argument("--broker", choices=[*BROKERS, "all"], default="alpaca", help="who is sick")
    parser.add_argument("--mood", action="append", choices=list(MOODS), help="only this one; may be repeated")
    parser.add_argument("--window", type=float, default=1.6, help="seconds of one window, of which a block has four")
    parser.add_argument("--blocks", type=int, default=1, help="blocks of each mood")
    parser.add_argument(
        "--rate", type=float, default=40.0, help="orders a second at the well broker, if it bears as many"
    )
    parser.add_argument("--sick-rate", type=float, default=8.0, help="calls a second at the sick one")
    parser.add_argument("--endings", action="store_true", help="tell how each call at the sick broker ended")
    return parser


if __name__ == "__main__":
    sys.exit(main())
