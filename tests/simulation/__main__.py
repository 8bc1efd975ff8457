"""Replay seeds: `python -m tests.simulation --seed 17`, or search: `--first 1000 --count 500`; `--broker schwab`."""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from brokergw.store.database.engine import parse_url, writer_engine
from brokergw.store.migrations import upgrade
from tests.simulation.history import History
from tests.simulation.schwab import simulate_schwab, strangers
from tests.simulation.virtual import START_NS
from tests.simulation.world import simulate


def main() -> int:
    """Run the seeds asked for; gives how many of them broke a promise, at most 1."""
    arguments = _arguments()
    if arguments.seed is None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        logging.disable(logging.CRITICAL)
        seeds = range(arguments.first, arguments.first + arguments.count)
    else:
        seeds = range(arguments.seed, arguments.seed + 1)
    broken = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = folder / "empty.db"
        engine = writer_engine(parse_url(f"sqlite:///{template}"))
        upgrade(engine)
        engine.dispose()
        for seed in seeds:
            if arguments.broker == "schwab":
                history = simulate_schwab(seed, template, folder)
                faults = [*history.faults(), *strangers(history)]
            else:
                history = simulate(seed, template, folder)
                faults = list(history.faults())
            broken += bool(faults)
            if arguments.seed is not None:
                _tell(history)
            for fault in faults:
                print(f"seed {seed}: {fault}")
    print(f"{len(seeds)} worlds, {broken} broken")
    return min(broken, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed and tell what happened")
    parser.add_argument("--broker", choices=["alpaca", "schwab"], default="alpaca")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    return parser.parse_args()


def _tell(history: History) -> None:
    lines = [(answer.time_ns, f"client {answer}") for answer in history.answers]
    lines += [
        (entry.time_ns, f"wire   {entry.method} {entry.path} {entry.status} {entry.body.decode()}")
        for entry in history.wire
    ]
    for events in history.events.values():
        lines += [(event.publish_time_ns, f"record {event.sequence} {event.kind} {event.payload}") for event in events]
    for time_ns, line in sorted(lines):
        print(f"{(time_ns - START_NS) / 1e9:10.4f} {line[:400]}")


if __name__ == "__main__":
    sys.exit(main())
