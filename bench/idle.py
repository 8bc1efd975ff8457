"""Show what a gateway costs while nothing happens: `python -m bench.idle [--accounts 1] [--seconds 20]`.

It serves with embedded defaults (SQLite, mock broker), with nothing held and nothing open in any account.
"""

import argparse
import asyncio
import sys
import time
from typing import Final

from rich.console import Console

from bench.gateway import running_gateway

_SETTLES_S: Final = 8.0
"""After so long the first looks and comparisons of all accounts are over."""


async def idle(accounts: int, seconds: float) -> float:
    """Give the milliseconds of CPU that a gateway takes a second, in all threads, with so many accounts."""
    async with running_gateway("") as gateway:
        for _ in range(accounts):
            await gateway.connect_mock()
        await asyncio.sleep(_SETTLES_S)
        before_s, began = gateway.process.cpu_s(), time.monotonic()
        await asyncio.sleep(seconds)
        after_s, took_s = gateway.process.cpu_s(), time.monotonic() - began
    if before_s is None or after_s is None:
        raise OSError("this system does not tell what CPU time a process has used")
    return (after_s - before_s) / took_s * 1_000


def main() -> int:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m bench.idle")
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    cpu_ms = asyncio.run(idle(chosen.accounts, chosen.seconds))
    Console().print(f"{cpu_ms:.1f} ms of CPU a second with {chosen.accounts} idle accounts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
