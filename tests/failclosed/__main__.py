"""`python -m tests.failclosed`: take the record away from a gateway in every way, and look at what it does then."""

import argparse
import asyncio
import sys

from tests.failclosed.rounds import ANSWERED_WITHIN_S, Report, play
from tests.failclosed.world import DATABASES, open_world

_KEPT_BACK = ("SubmitOrder", "ModifyOrder")


def main() -> int:
    """Run as told; the exit code is 1 when something was found."""
    chosen = _parser().parse_args()
    databases = DATABASES if chosen.database == "both" else (chosen.database,)
    failed = False
    for database in databases:
        failed |= asyncio.run(_run(database, chosen.rounds, chosen.trouble, chosen.seconds))
    return 1 if failed else 0


async def _run(database: str, rounds: int, trouble: str, away_s: float) -> bool:
    failed = False
    async with open_world(database) as world:
        names = [trouble] if trouble in world.troubles else [] if trouble else list(world.troubles)
        for number in range(rounds):
            for name in names:
                for crash in (False, True):
                    report = await play(world, database, name, away_s=away_s, crash=crash)
                    slow = [method for method in _KEPT_BACK if report.slowest[method] > ANSWERED_WITHIN_S]
                    report.need(not slow, f"slower than {ANSWERED_WITHIN_S:g} s: {slow}")
                    _tell(number, report)
                    failed |= bool(report.found)
    return failed


def _tell(number: int, report: Report) -> None:
    slowest = ", ".join(f"{method} {took_s * 1e3:.0f}" for method, took_s in sorted(report.slowest.items()))
    how = "crash" if report.crash else "alive"
    sys.stdout.write(
        f"{report.database} {report.trouble} {how} #{number + 1}: slowest ms: {slowest}; not ready after "
        f"{report.not_ready_s:.2f} s, ready again after {report.ready_s:.2f} s\n"
    )
    for answer, times in sorted(report.answers.items()):
        sys.stdout.write(f"    {times:5} {answer}\n")
    for words in report.found[:20]:
        sys.stdout.write(f"  FOUND: {words}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.failclosed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each trouble, without and with a crash")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    parser.add_argument("--trouble", default="", help="only this one: frozen, audit-locked, locked, full …")
    parser.add_argument("--seconds", type=float, default=2.5, help="how long the record is away")
    return parser


if __name__ == "__main__":
    sys.exit(main())
