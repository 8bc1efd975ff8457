"""Processes that compute for nothing, so that nobody else gets a processor when it wants one: `… busy NUMBER`.

They end with the standard input.
"""

import multiprocessing
import signal
import sys


def _compute() -> None:
    while True:
        sum(range(100_000))


def main() -> None:
    """Compute until the other side closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for _ in range(int(sys.argv[1])):
        multiprocessing.Process(target=_compute, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
