"""Many subscribers, real connections: `python -m bench.subscribers [--readers 900] [--silent 100] [--seconds 20]`.

Readers leave by chance and resume from their cursors while orders fill; silent ones open a stream and never read it. At
the end every reader must have seen exactly the fills of the record, in order, none lost or doubled; and so must every
silent one, given up as too slow, once it resumes from the cursor it was left. Tells what that cost in memory.

`python -m bench.subscribers worker …` is one of its processes.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import grpc

from bench.followers import Follower, Readers, Silent, Stub
from bench.gateway import Account, Gateway, running_gateway
from bench.peers import start_loads
from bench.processes import BenchFailed, Process, measure_together, shares

_PROCESSES: Final = 10
_IN_FLIGHT: Final = 8
_LEAVE_CHANCE: Final = 0.002
_STALL_S: Final = 5.0
_CATCH_UP_S: Final = 300.0
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Report:
    """What one process saw: `digests` of all sequences seen (one, if all is well), and what was wrong."""

    readers: int
    silent: int
    digests: list[str]
    events: int
    resumptions: int
    given_up: int
    faults: list[str]


async def work(target: str, account: Account, readers: int, silent: int, seed: int) -> None:
    """Follow until told the last sequence, then catch up with it and report."""
    metadata = (("authorization", f"Bearer {account.api_key}"),)

    def follower(number: int) -> Follower:
        # Every other one takes events one by one.
        return Follower(account.account_id, metadata, max_batch=64 if number % 2 else 1)

    reading = Readers(target, [follower(number) for number in range(readers)], seed, _LEAVE_CHANCE)
    sleepers = [Silent(target, follower(number)) for number in range(silent)]
    reading.start()
    await asyncio.gather(*(sleeper.start() for sleeper in sleepers))
    print("ready", flush=True)
    last = int(await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline))
    async with asyncio.timeout(_CATCH_UP_S):
        await reading.covered(last)
        await asyncio.gather(*(sleeper.wake(last) for sleeper in sleepers))
        await asyncio.gather(*(sleeper.catch_up(last) for sleeper in sleepers))
    print(json.dumps(asdict(_report(reading, sleepers))), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await reading.end()
    for sleeper in sleepers:
        await sleeper.end()


def _report(reading: Readers, sleepers: Sequence[Silent]) -> Report:
    everybody = [*reading.followers, *(sleeper.follower for sleeper in sleepers)]
    return Report(
        readers=len(reading.followers),
        silent=len(sleepers),
        digests=sorted({one.digest for one in everybody}),
        events=sum(len(one.sequences) for one in everybody),
        resumptions=sum(one.resumptions for one in reading.followers),
        given_up=sum(sleeper.follower.status is grpc.StatusCode.ABORTED for sleeper in sleepers),
        faults=[fault for one in everybody for fault in one.faults][:5],
    )


async def run(readers: int, silent: int, seconds: float) -> list[str]:
    """Run it all; gives what to print, and raises BenchFailed when anybody missed anything."""
    settings = {
        "BROKERGW_STREAMS_MAX": "100000",
        "BROKERGW_USER_CLIENT_CONNECTIONS_MAX": "4000",
        "BROKERGW_STREAM_STALL_MAX_S": str(_STALL_S),
    }
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(running_gateway("", more=settings))
        account = await gateway.connect_mock()
        loads = await start_loads(stack, "submit", gateway.target, account.account_id, account.api_key)
        # Enough on the record that whoever does not read it is found out.
        await measure_together(loads, _IN_FLIGHT, seconds=seconds / 4, warm_up=0)
        before = rss_kib(gateway.process)
        workers = await _start_workers(stack, gateway, account, readers, silent)
        opened = rss_kib(gateway.process)
        orders = await measure_together(loads, _IN_FLIGHT, seconds=seconds, warm_up=0)
        loaded = rss_kib(gateway.process)
        reference = await _whole_record(gateway, account)
        began = time.perf_counter()
        reports = await asyncio.gather(*(_ask(worker, reference.sequences[-1]) for worker in workers))
        caught_up_s = time.perf_counter() - began
        after = rss_kib(gateway.process)
        for worker in workers:
            await _tell(worker, "end")
        await asyncio.gather(*(worker.running.wait() for worker in workers))
        await asyncio.sleep(1)
        left = rss_kib(gateway.process)
    told, resumed, given_up = (
        sum(getattr(report, name) for report in reports) for name in ("events", "resumptions", "given_up")
    )
    memory = " → ".join(f"{kib / 1024:.0f}" for kib in (before, opened, loaded, after, left))
    each_kib = (max(opened, loaded, after) - before) / (readers + silent)
    said = [
        f"{readers} readers and {silent} silent in {len(workers)} processes",
        f"{orders.total} orders meanwhile, {len(reference.sequences)} fills on the record",
        f"{told:,} events told, {resumed:,} resumptions, {given_up} of {silent} given up as too slow",
        f"all had caught up after {caught_up_s:.1f} s",
        f"gateway's MiB: {memory} (before, all open, after the load, all caught up, all left)",
        f"per stream at most {each_kib:.0f} KiB",
    ]
    faults = [fault for report in reports for fault in report.faults]
    if faults or any(report.digests != [reference.digest] for report in reports):
        raise BenchFailed("; ".join([*said, "somebody missed something", *faults[:5]]))
    if any(report.given_up != report.silent for report in reports):
        raise BenchFailed("; ".join([*said, "not every silent one was given up"]))
    return [*said, "every one saw exactly the record, in order"]


async def _start_workers(
    stack: AsyncExitStack, gateway: Gateway, account: Account, readers: int, silent: int
) -> list[Process]:
    parts = zip(shares(readers, _PROCESSES), shares(silent, _PROCESSES), strict=True)
    whose = (gateway.target, account.account_id, account.api_key)
    workers = [
        Process(
            f"worker {number}",
            ["-m", "bench.subscribers", "worker", *whose, str(reading), str(sleeping), str(number)],
        )
        for number, (reading, sleeping) in enumerate(parts)
    ]
    await asyncio.gather(*(stack.enter_async_context(worker) for worker in workers))
    return workers


async def _whole_record(gateway: Gateway, account: Account) -> Follower:
    """Read the record in one go: what everybody must have seen in the end."""
    whole = Follower(account.account_id, (("authorization", f"Bearer {account.api_key}"),), max_batch=128)
    async with grpc.aio.insecure_channel(gateway.target) as channel:
        await whole.read_all(Stub(channel))
    return whole


async def _ask(worker: Process, last: int) -> Report:
    await _tell(worker, str(last))
    return Report(**json.loads(await worker.read_line()))


async def _tell(worker: Process, line: str) -> None:
    stdin = worker.running.stdin
    if stdin is None:
        raise BenchFailed(f"{worker.name} takes no orders")
    stdin.write(f"{line}\n".encode())
    await stdin.drain()


def rss_kib(process: Process) -> int:
    """Give the resident memory of a process in KiB (proc(5), statm field 2); 0 where /proc does not tell."""
    try:
        return int(Path(f"/proc/{process.running.pid}/statm").read_text().split()[1]) * _PAGE_BYTES // 1024
    except OSError:
        return 0


def main() -> int:
    """Run it, or one of its workers."""
    if sys.argv[1:2] == ["worker"]:
        target, account_id, api_key, readers, silent, seed = sys.argv[2:]
        asyncio.run(work(target, Account(account_id, api_key), int(readers), int(silent), int(seed)))
        return 0
    parser = argparse.ArgumentParser(prog="python -m bench.subscribers", description=__doc__)
    parser.add_argument("--readers", type=int, default=900)
    parser.add_argument("--silent", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long orders fill meanwhile")
    chosen = parser.parse_args()
    try:
        for line in asyncio.run(run(chosen.readers, chosen.silent, chosen.seconds)):
            print(line)
    except BenchFailed as failure:
        print(f"failed: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
