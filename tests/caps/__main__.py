"""`python -m tests.caps`: many orders at once against one cap, over four gateways of which one is killed each round."""

import argparse
import asyncio
import logging
import sys

from tests.caps.rounds import CAP, Report, run


def main() -> int:
    """Run as told; the exit code is 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.caps", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-cap", action="store_true", help="let the gateways have none: the judge must object")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    report = asyncio.run(run(chosen.rounds, chosen.seed, _say, limited=not chosen.without_cap))
    _conclude(report)
    return 1 if report.faults else 0


def _conclude(report: Report) -> None:
    for outcome, count in sorted(report.outcomes.items()):
        _say(f"{count:7} {outcome}")
    _say(f"{report.rounds} rounds, {report.admitted} orders admitted, highest exposure {report.highest} of {CAP}")
    for fault in report.faults:
        _say(f"FOUND {fault}")
    _say(f"{len(report.faults)} faults" if report.faults else "never above the cap, and nothing held that is not open")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
