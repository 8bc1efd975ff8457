"""Show what gates, ledger, halts and losses cost: `python -m bench.gates [--rounds 12] [--seconds 0.7]`.

The gateway as it is, beside one that has none of them (`bench.ungated`), both started anew for each load and measured
in turns. Its rate must not fall below nine tenths of that one's.
"""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.figures import Measurement, Spread, measurement, ratio
from bench.gateway import Gateway, running_gateway
from bench.peers import start_loads
from bench.processes import Generator, measure_together

_LOADS: Final = (1, 16, 32)
_WARM_UP_S: Final = 1.5


@dataclass(frozen=True, slots=True)
class Bed:
    """A gateway under load, and what it came to round by round."""

    gateway: Gateway
    generators: tuple[Generator, ...]
    found: list[Measurement]

    async def measure(self, in_flight: int, seconds: float) -> None:
        """Measure once."""
        before_s = self.gateway.process.cpu_s()
        reply = await measure_together(self.generators, in_flight, seconds=seconds, warm_up=0.0)
        after_s = self.gateway.process.cpu_s()
        cpu_us = None if before_s is None or after_s is None else (after_s - before_s) / reply.total * 1e6
        self.found.append(measurement(reply.count, reply.elapsed_s, reply.latencies_us, cpu_us))


async def compare(in_flight: int, rounds: int, seconds: float) -> tuple[list[Measurement], list[Measurement]]:
    """Give what the gateway came to in each round, and what it came to without its gates."""
    async with AsyncExitStack() as stack:
        gated, ungated = [await _bed(stack, *program) for program in ((), ("-m", "bench.ungated"))]
        for each in (gated, ungated):
            await measure_together(each.generators, in_flight, seconds=_WARM_UP_S, warm_up=0.0)
        for number in range(rounds):
            for each in (gated, ungated) if number % 2 else (ungated, gated):
                await each.measure(in_flight, seconds)
    return gated.found, ungated.found


async def _bed(stack: AsyncExitStack, *program: str) -> Bed:
    gateway = await stack.enter_async_context(running_gateway("", *program))
    account = await gateway.connect_mock()
    loads = await start_loads(stack, "submit", gateway.target, account.account_id, account.api_key)
    return Bed(gateway, loads, [])


def main() -> int:
    """Measure at every load."""
    parser = argparse.ArgumentParser(prog="python -m bench.gates")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--in-flight", type=int, action="append", help="only this load; may be repeated")
    chosen = parser.parse_args()
    table = Table(title="The gateway with all gates, as a part of itself without any", title_justify="left")
    for heading in ("in flight", "rate", "p50", "CPU an order"):
        table.add_column(heading, justify="right")
    for in_flight in chosen.in_flight or _LOADS:
        gated, ungated = asyncio.run(compare(in_flight, chosen.rounds, chosen.seconds))
        figures = [ratio(gated, ungated, figure) for figure in ("rate", "p50_ms", "cpu_us")]
        table.add_row(str(in_flight), *(_words(each) for each in figures))
    Console(width=120).print(table)
    return 0


def _words(spread: Spread | None) -> str:
    return "not told" if spread is None else f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


if __name__ == "__main__":
    sys.exit(main())
