"""Replay a seed: `python -m tests.simulation --broker schwab --seed 17`, or search: `--broker all --count 500`."""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from brokergw.store.database.engine import parse_url, writer_engine
from brokergw.store.migrations import upgrade
from tests.simulation.brokers import BROKERS
from tests.simulation.history import History
from tests.simulation.virtual import START_NS, NothingWillHappen
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
    names = list(BROKERS) if arguments.broker == "all" else [arguments.broker]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        template = folder / "empty.db"
        engine = writer_engine(parse_url(f"sqlite:///{template}"))
        upgrade(engine)
        engine.dispose()
        for seed in seeds:
            for name in names:
                broken += _play(name, seed, template, folder, tells=arguments.seed is not None)
    print(f"{len(seeds) * len(names)} worlds, {broken} broken")
    return min(broken, 1)


def _play(name: str, seed: int, template: Path, folder: Path, *, tells: bool) -> bool:
    """Play one world, and say what is broken in it; one that does not come to its end is broken, too."""
    try:
        history = simulate(seed, template, folder, BROKERS[name])
    except (AssertionError, NothingWillHappen) as error:
        if tells:
            raise
        print(f"{name} seed {seed}: {type(error).__name__}: {error}", flush=True)
        return True
    if tells:
        _tell(history)
    faults = list(history.faults())
    for fault in faults:
        print(f"{name} seed {seed}: {fault}", flush=True)
    return bool(faults)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed and tell what happened")
    parser.add_argument("--broker", choices=["all", *BROKERS], default="alpaca")
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
