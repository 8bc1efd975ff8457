"""`python -m tests.killing`: throw the kill switch in a storm of orders, again and again, and see what comes after."""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.killing.field import Field, open_field
from tests.killing.flatten import play_flatten
from tests.killing.rounds import Round, World, play
from tests.killing.summary import in_a_line, in_words, verdict

_FOUND, _INTERRUPTED = 1, 130


def main() -> int:
    """Run as told; the exit code is 1 when something was found, 130 when the run was interrupted."""
    chosen = _parser().parse_args()
    try:
        return asyncio.run(_run(chosen))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED


async def _run(chosen: argparse.Namespace) -> int:
    me = asyncio.current_task()
    assert me is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    worlds = tuple(World) if chosen.world == "all" else (World(chosen.world),)
    found = False
    async with open_field(hasty=chosen.without_waiting) as at, _busy(chosen.busy):
        try:
            for world in worlds:
                found |= await _play_all(at, world, chosen)
        finally:
            _keep_logs(at, chosen.logs)
    return _FOUND if found else 0


@asynccontextmanager
async def _busy(number: int) -> AsyncIterator[None]:
    """Take the processors away from everybody, so many times."""
    command = (sys.executable, "-m", "tests.killing.busy", str(number))
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def _keep_logs(at: Field, folder: Path | None) -> None:
    """Copy what the replicas have logged, for whoever wants to know why."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, replica in enumerate(at.replicas):
            shutil.copy(replica.log_path, folder / f"replica-{number}.log")


async def _play_all(at: Field, world: World, chosen: argparse.Namespace) -> bool:
    """Play the rounds of one world, and say what they came to, also where they are interrupted."""
    dice = random.Random(f"{chosen.seed} {world}")
    storm = await at.storm(chosen.rate, chosen.seed)
    played: list[Round] = []
    began = time.monotonic()
    try:
        for number in range(chosen.rounds):
            played.append(await (play_flatten(at, dice) if world is World.FLATTEN else play(at, world, dice)))
            _say(f"{world} {number}: {in_a_line(played[-1])}")
    finally:
        seconds = time.monotonic() - began
        at.thaw_all()
        endings = await storm.stop()
        for words in in_words(world, played, endings, seconds):
            _say(words)
    return bool(verdict(played))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.killing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how many in each world")
    parser.add_argument("--world", choices=["all", *World], default="all")
    parser.add_argument("--rate", type=int, default=200, help="orders a second, over all replicas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logs", type=Path, help="a folder to keep the replicas' logs in")
    parser.add_argument("--busy", type=int, default=0, help="so many processes that compute for nothing beside it")
    parser.add_argument(
        "--without-waiting", action="store_true", help="acknowledge before anybody else knows: the judge must object"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
