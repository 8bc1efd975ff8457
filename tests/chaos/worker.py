"""One process of a run: several chains side by side around one zygote, a line of JSON for each that has ended."""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.chaos.broker import ChaosBroker
from tests.chaos.brokers.catalog import BROKERS
from tests.chaos.chain import Chain, Result
from tests.chaos.gateways import Zygote
from tests.chaos.job import Job
from tests.chaos.postgresql import open_directory
from tests.chaos.prepared import Grounds, PostgresqlGrounds, SqliteGrounds

_SIDE_BY_SIDE: Final = 4
_OPEN_MAX: Final = 6
"""So many chains may be open at once: the others wait for what is in doubt to settle."""

_GROUNDS: Final[Mapping[str, Callable[[Path, type[ChaosBroker]], Grounds]]] = {
    "sqlite": SqliteGrounds,
    "postgresql": PostgresqlGrounds,
}


async def run(jobs: Sequence[Job]) -> None:
    """Run chains; while one waits for something to settle, another has the processor."""
    turns, room = asyncio.Semaphore(_SIDE_BY_SIDE), asyncio.Semaphore(_OPEN_MAX)
    with open_directory() as directory:

        @cache
        def grounds_of(store: str, broker: str) -> Grounds:
            return _GROUNDS[store](directory, BROKERS[broker])

        async with Zygote() as zygote:

            async def one(job: Job) -> None:
                async with room:
                    _say(await _chain(job, directory, zygote, grounds_of(job.store, job.broker), turns))

            await asyncio.gather(*(one(job) for job in jobs))


async def _chain(job: Job, directory: Path, zygote: Zygote, grounds: Grounds, turns: asyncio.Semaphore) -> Result:
    own = directory / f"{job.broker}-{job.store}-{job.seed}"
    own.mkdir()
    chain = Chain(job, own, zygote)
    try:
        await chain.run(grounds, turns)
    except Exception as error:  # noqa: BLE001 - a chain that breaks off is a finding, and its neighbours go on
        chain.result.found.append(f"broke off: {type(error).__name__}: {error}")
    if job.keep and chain.result.found:
        shutil.copytree(own, Path(job.keep) / own.name, dirs_exist_ok=True)
    return chain.result


def _say(result: Result) -> None:
    sys.stdout.write(json.dumps(asdict(result)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the jobs from the input, as JSON."""
    given: list[dict[str, Any]] = json.load(sys.stdin)
    asyncio.run(run([Job(**{**job, "points": tuple(job["points"]), "chosen": tuple(job["chosen"])}) for job in given]))


if __name__ == "__main__":
    main()
