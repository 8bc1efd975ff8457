"""One process of a run: several chains side by side around one zygote, a line of JSON for each that has ended."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tests.chaos.chain import Chain, Result
from tests.chaos.gateways import Zygote
from tests.chaos.job import Job
from tests.chaos.postgresql import open_directory
from tests.chaos.prepared import Grounds, PostgresqlGrounds, SqliteGrounds

_SIDE_BY_SIDE: Final = 4


async def run(jobs: Sequence[Job]) -> None:
    """Run chains; while one waits for something to settle, another has the processor."""
    turns = asyncio.Semaphore(_SIDE_BY_SIDE)
    with open_directory() as directory:
        grounds: dict[str, Grounds] = {
            "sqlite": SqliteGrounds(directory),
            "postgresql": PostgresqlGrounds(directory),
        }
        async with Zygote() as zygote:

            async def one(job: Job) -> None:
                async with turns:
                    _say(await _chain(job, directory, zygote, grounds[job.store]))

            await asyncio.gather(*(one(job) for job in jobs))


async def _chain(job: Job, directory: Path, zygote: Zygote, grounds: Grounds) -> Result:
    own = directory / f"{job.store}-{job.seed}"
    own.mkdir()
    chain = Chain(job.seed, job.store, own, zygote)
    try:
        return await chain.run(job.points, grounds)
    except Exception as error:  # noqa: BLE001 - a chain that breaks off is a finding, and its neighbours go on
        chain.result.found.append(f"broke off: {type(error).__name__}: {error}")
        return chain.result


def _say(result: Result) -> None:
    sys.stdout.write(json.dumps(asdict(result)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the jobs from the input, as JSON."""
    given: list[dict[str, Any]] = json.load(sys.stdin)
    asyncio.run(run([Job(job["seed"], job["store"], tuple(job["points"]), tuple(job["chosen"])) for job in given]))


if __name__ == "__main__":
    main()
