"""`python -m tests.sickbroker`: make a broker sick in every way, and measure what the others feel of it."""

import argparse
import asyncio
import sys
from itertools import chain

from tests.sickbroker.brokers import BROKERS
from tests.sickbroker.measure import percentile, ratio
from tests.sickbroker.moods import MOODS
from tests.sickbroker.rounds import SLOWER_MAX, Report, afterwards, play, warm_up
from tests.sickbroker.ward import open_ward


def main() -> int:
    """Run as told; the exit code is 1 when something was found."""
    chosen = _parser().parse_args()
    names = list(BROKERS) if chosen.broker == "all" else [chosen.broker]
    found = [name for name in names if asyncio.run(_run(name, chosen))]
    return 1 if found else 0


async def _run(broker: str, chosen: argparse.Namespace) -> bool:
    reports: list[Report] = []
    async with open_ward(broker) as ward:
        _say(f"sick: {broker}, well: {ward.well.broker.name}")
        rate = min(chosen.rate, ward.well.broker.rate_max)
        await warm_up(ward, chosen.window * 2, rate, chosen.sick_rate)
        for mood in chosen.mood or MOODS:
            reports.append(await play(ward, mood, chosen.window, chosen.pairs, rate, chosen.sick_rate))
            _tell(reports[-1])
        found = await afterwards(ward)
    without = list(chain.from_iterable(each.without.took_s for each in reports))
    beside = list(chain.from_iterable(each.beside.took_s for each in reports))
    whole = ratio(beside, without, 0.99)
    if whole.value > SLOWER_MAX:
        found.append(f"over all moods the well broker's p99 is {whole} times as long")
    _say(f"all moods: p50 x {ratio(beside, without, 0.5)}, p99 x {whole}, {len(without)} and {len(beside)} orders")
    for words in found:
        _say(f"  FOUND: {words}")
    return bool(found) or any(each.found for each in reports)


def _tell(report: Report) -> None:
    both = (report.without, report.beside)
    p50, p99 = (" -> ".join(f"{percentile(each.took_s, share) * 1e3:.1f}" for each in both) for share in (0.5, 0.99))
    busy = " -> ".join(f"{each.busy_s / each.passed_s:.0%}" for each in both)
    most, late = report.grown_mib()
    _say(f"{report.mood}: ms p50 {p50}, p99 {p99}, x {report.p99()}; the gateway's processor {busy}")
    _say(f"    memory {report.memory_mib[0]:.0f} MiB, +{most:.0f}, later half +{late:.0f}; health {report.health}")
    for ending, number in sorted(report.endings.items()):
        _say(f"    {number:5} {ending}")
    for words in report.found:
        _say(f"  FOUND: {words}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sickbroker", description=__doc__)
    parser.add_argument("--broker", choices=[*BROKERS, "all"], default="alpaca", help="who is sick")
    parser.add_argument("--mood", action="append", choices=list(MOODS), help="only this one; may be repeated")
    parser.add_argument("--window", type=float, default=2.0, help="seconds of one window")
    parser.add_argument("--pairs", type=int, default=2, help="windows without and beside, of each mood")
    parser.add_argument(
        "--rate", type=float, default=40.0, help="orders a second at the well broker, if it bears as many"
    )
    parser.add_argument("--sick-rate", type=float, default=8.0, help="calls a second at the sick one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
