"""Show where the gateway's time goes per order: `python -m bench.profile b|d [--seconds 5] [--in-flight 32]`.

The profiler slows every Python call by about as much, so the shares are right and the microseconds are too many. It
sees the event loop's thread; what all threads use (the journal's writer, gRPC) is told beside it.
"""

import argparse
import asyncio
import pstats
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.gateway import Gateway, running_gateway
from bench.peers import BROKER_KEYS, BROKER_SECRET, simulator, start_loads
from bench.processes import ROOT, measure_together

_TOP: Final = 45

Row = tuple[int, float, float, str]


async def profile(case: str, seconds: float, in_flight: int, out: Path) -> tuple[int, float]:
    """Load a profiled gateway; gives how many orders it took, and the CPU seconds of the whole process meanwhile."""
    async with AsyncExitStack() as stack:
        broker_url = await simulator(stack) if case == "d" else ""
        gateway = await stack.enter_async_context(running_gateway(broker_url, "-m", "bench.profiled", str(out)))
        account = await _account(gateway, case)
        generators = await start_loads(stack, "submit", gateway.target, account.account_id, account.api_key)
        before_s = gateway.process.cpu_s() or 0.0
        reply = await measure_together(generators, in_flight, seconds=seconds, warm_up=0.3)
        return reply.total, (gateway.process.cpu_s() or 0.0) - before_s


async def _account(gateway: Gateway, case: str) -> Any:
    return await (gateway.connect_alpaca(BROKER_KEYS["d"], BROKER_SECRET) if case == "d" else gateway.connect_mock())


def rows(stats: pstats.Stats, orders: int) -> list[Row]:
    """Give calls, own and cumulative microseconds per order, and place, of every function, the costliest first."""
    found = [
        (calls, own / orders * 1e6, total / orders * 1e6, _place(*where))
        for where, (_, calls, own, total, _) in stats.stats.items()  # type: ignore[attr-defined]
    ]
    return sorted(found, key=lambda row: row[1], reverse=True)


def _place(file: str, line: int, name: str) -> str:
    path = Path(file)
    if path.is_relative_to(ROOT / "src"):
        return f"{path.relative_to(ROOT / 'src' / 'brokergw')}:{line} {name}"
    return f"{'/'.join(path.parts[-2:])}:{line} {name}"


def show(found: list[Row], orders: int, console: Console, *, by: str) -> None:
    """Print the costliest functions."""
    table = Table(title=f"Costliest by {by} time", title_justify="left")
    for heading in ("calls per order", "own µs", "cumulative µs"):
        table.add_column(heading, justify="right")
    table.add_column("where")
    for calls, own, total, place in found[:_TOP]:
        table.add_row(f"{calls / orders:.2f}", f"{own:.1f}", f"{total:.1f}", place)
    console.print(table)


def main() -> int:
    """Profile one case and print two tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile")
    parser.add_argument("case", choices=["b", "d"])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--in-flight", type=int, default=32)
    chosen = parser.parse_args()
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "gateway.prof")
        orders, cpu_s = asyncio.run(profile(chosen.case, chosen.seconds, chosen.in_flight, out))
        found = rows(pstats.Stats(str(out)), orders)
    console.print(f"{orders} orders, {cpu_s / orders * 1e6:.0f} µs of CPU each, profiled, in all threads")
    show(found, orders, console, by="own")
    ours = [
        row for row in sorted(found, key=lambda row: row[2], reverse=True) if ".py:" in row[3] and row[0] > orders / 4
    ]
    show(ours, orders, console, by="cumulative")
    return 0


if __name__ == "__main__":
    sys.exit(main())
