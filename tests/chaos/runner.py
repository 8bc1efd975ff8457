"""A run: chains dealt out to worker processes, their results gathered, and the figures per point."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.chaos.gateways import ROOT
from tests.chaos.job import Job
from tests.chaos.points import POINTS

_LINE_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass
class Report:
    """What a run came to."""

    jobs: list[Job]
    results: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def trials(self) -> int:
        """How many trials were gone through."""
        return sum(len(result["trials"]) for result in self.results)

    @property
    def failed(self) -> list[tuple[Job, list[str]]]:
        """Each chain that found something, or never came back, with what there is to say."""
        by_job = {(result["seed"], result["store"], result["broker"]): result["found"] for result in self.results}
        found = [(job, by_job.get((job.seed, job.store, job.broker), ["its worker died"])) for job in self.jobs]
        return [(job, words) for job, words in found if words]

    def table(self) -> str:
        """Write the figures: trials per point, broker and database, how many met their point, how doubts ended."""
        columns = sorted({(job.broker, job.store) for job in self.jobs}, key=lambda each: (each[1], each[0]))
        lines = ["point  " + "".join(f"{_short(*column):>28}" for column in columns) + "  what happens"]
        gone_to = {trial["point"] for result in self.results for trial in result["trials"]}
        for point in POINTS.values():
            if point.name not in gone_to:
                continue
            cells = "".join(f"{self._cell(point.name, *column):>28}" for column in columns)
            lines.append(f"{point.name:<7}{cells}  {point.what}")
        for broker in dict.fromkeys(job.broker for job in self.jobs):
            lines += self._of([result for result in self.results if result["broker"] == broker], broker)
        lines.append(f"{self.trials} trials in {self.seconds:.0f} s")
        return "\n".join(lines)

    def _of(self, results: list[dict[str, Any]], broker: str) -> Iterator[str]:
        trials = sum(len(result["trials"]) for result in results)
        calls, orders, posts = (sum(result[name] for result in results) for name in ("calls", "orders", "posts"))
        yield f"{broker}: {trials} trials, {calls} calls, {orders} orders on record, {posts} that the broker acted on"
        doubts = sum((Counter(result["doubts"]) for result in results), Counter[str]())
        ends = ", ".join(f"{state} {times}" for state, times in sorted(doubts.items())) or "none"
        yield f"  orders that were in doubt, by what they are now: {ends}"

    def _cell(self, point: str, broker: str, store: str) -> str:
        own = [result for result in self.results if (result["broker"], result["store"]) == (broker, store)]
        trials = [trial for result in own for trial in result["trials"] if trial["point"] == point]
        return f"{len(trials)} trials, {sum(trial['met'] for trial in trials)} met" if trials else ""


def _short(broker: str, store: str) -> str:
    return f"{broker} {store}"


async def run(jobs: Sequence[Job], workers: int, on_result: Callable[[dict[str, Any]], None]) -> Report:
    """Run chains in some worker processes."""
    report = Report(list(jobs))
    begin = time.monotonic()

    def take(result: dict[str, Any]) -> None:
        report.results.append(result)
        on_result(result)

    hands = [jobs[number::workers] for number in range(workers)]
    await asyncio.gather(*(_worker(hand, take) for hand in hands if hand))
    report.seconds = time.monotonic() - begin
    return report


async def _worker(jobs: Sequence[Job], take: Callable[[dict[str, Any]], None]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.worker",
        cwd=ROOT,
        # Servers are started beside running clients; gRPC's own fork handlers have nothing to do in them.
        env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES_MAX,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([asdict(job) for job in jobs]).encode())
    process.stdin.close()
    while line := await process.stdout.readline():
        take(json.loads(line))
    await process.wait()
