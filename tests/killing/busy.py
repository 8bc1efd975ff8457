"""Processes that compute for nothing, so that nobody else gets a processor when it wants one: `… busy NUMBER`.

They end with the standard input, however the runner has ended.
"""

import os
import signal
import sys


def main() -> None:
    """Compute until the other side closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    computing = [_begin() for _ in range(int(sys.argv[1]))]
    sys.stdin.read()
    for pid in computing:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _begin() -> int:
    pid = os.fork()
    if pid:
        return pid
    parent = os.getppid()
    # Nobody is left behind where the parent is ended at once.
    while os.getppid() == parent:
        sum(range(100_000))
    os._exit(0)


if __name__ == "__main__":
    main()
