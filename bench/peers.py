"""Everything a run needs, started once: simulator, bare peers, gateway, and a load for each case."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from bench.full import full_gateway
from bench.gateway import Account, Gateway, running_gateway
from bench.processes import Generator, Process, measure_together

GENERATORS: Final = 2
"""Load processes for a gRPC server: one alone would be slower than a bare server."""

BROKER_KEYS: Final = {"c": "PKBARE", "d": "PKGATEWAY", "e": "PKSDK"}
"""An account at the simulated broker for each case, so that none spends another's money."""

BROKER_SECRET: Final = "bench-secret"
BATCH: Final = "128"
"""How many fills a message may hold where they are taken in batches."""

_RECORD_S: Final = 4


@dataclass(frozen=True, slots=True)
class Bed:
    """One case, ready to be measured: who is loaded, and by whom. `busy` keeps orders filling meanwhile."""

    server: Process
    generators: tuple[Generator, ...]
    start: str = "now"
    busy: tuple[Generator, ...] = ()


@asynccontextmanager
async def beds(only: frozenset[str]) -> AsyncIterator[dict[str, Bed]]:
    """Start what the wanted cases need, and end it all afterwards."""
    async with AsyncExitStack() as stack:
        made: dict[str, Bed] = {}
        broker_url = await simulator(stack) if only & {"c", "d", "e"} else ""
        if "a" in only:
            echo = await stack.enter_async_context(_server("bare echo", "echo"))
            made["a"] = Bed(echo, await start_loads(stack, "submit", echo.greeting, "acc_bench", "none"))
        if "c" in only:
            peer = _server("bare forwarder", "forward", broker_url, BROKER_KEYS["c"], BROKER_SECRET)
            forward = await stack.enter_async_context(peer)
            made["c"] = Bed(forward, await start_loads(stack, "submit", forward.greeting, "acc_bench", "none"))
        if "e" in only:
            bots = await start_loads(stack, "sdk", broker_url, BROKER_KEYS["e"], BROKER_SECRET, processes=1)
            made["e"] = Bed(bots[0], bots)
        if "g" in only:
            full, account = await stack.enter_async_context(full_gateway())
            loads = await start_loads(stack, "submit", full.target, account.account_id, account.api_key)
            made["g"] = Bed(full.process, loads)
        if only & {"b", "d", "f"}:
            gateway = await stack.enter_async_context(running_gateway(broker_url))
            made |= await _gateway_beds(stack, gateway, only)
        yield made


async def _gateway_beds(stack: AsyncExitStack, gateway: Gateway, only: frozenset[str]) -> dict[str, Bed]:
    made: dict[str, Bed] = {}
    mock = await gateway.connect_mock()
    orders = await start_loads(stack, "submit", gateway.target, mock.account_id, mock.api_key)
    made["b"] = Bed(gateway.process, orders)
    if "d" in only:
        account = await gateway.connect_alpaca(BROKER_KEYS["d"], BROKER_SECRET)
        loads = await start_loads(stack, "submit", gateway.target, account.account_id, account.api_key)
        made["d"] = Bed(gateway.process, loads)
    if "f" in only:
        made |= await _stream_beds(stack, gateway, mock, orders)
    return made


async def _stream_beds(
    stack: AsyncExitStack, gateway: Gateway, mock: Account, orders: tuple[Generator, ...]
) -> dict[str, Bed]:
    # The record needs fills to tell; without cases before this one there would be none.
    await measure_together(orders, 32, seconds=_RECORD_S, warm_up=0)
    bare = await stack.enter_async_context(_server("bare stream", "stream"))
    takers = await start_loads(stack, "subscribe", bare.greeting, "", "none")
    whose = (gateway.target, mock.account_id, mock.api_key)
    singly = await start_loads(stack, "subscribe", *whose)
    together = await start_loads(stack, "subscribe", *whose, BATCH)
    return {
        "f0": Bed(bare, takers),
        "f1": Bed(gateway.process, singly, start="record"),
        "f2": Bed(gateway.process, singly, busy=orders),
        "f3": Bed(gateway.process, together, start="record"),
        "f4": Bed(gateway.process, together, busy=orders),
    }


async def simulator(stack: AsyncExitStack) -> str:
    """Start simulated Alpaca and give its address."""
    keys = [part for key in BROKER_KEYS.values() for part in ("--key", f"{key}:{BROKER_SECRET}")]
    arguments = ["-m", "brokergw.sim", "alpaca", "--port", "0", "--print-url", *keys]
    process = await stack.enter_async_context(Process("simulated Alpaca", arguments))
    return str(json.loads(process.greeting)["url"])


def _server(name: str, *arguments: str) -> Process:
    return Process(name, ["-m", "bench.servers", *arguments])


async def start_loads(
    stack: AsyncExitStack, kind: str, *arguments: str, processes: int = GENERATORS
) -> tuple[Generator, ...]:
    """Start load processes of one kind."""
    made = [Generator(f"load {kind}", ["-m", "bench.load", kind, *arguments]) for _ in range(processes)]
    return tuple(await asyncio.gather(*(stack.enter_async_context(one) for one in made)))
