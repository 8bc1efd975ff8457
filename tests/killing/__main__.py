"""`python -m tests.killing`: throw the kill switch in a storm of orders, again and again, and see what comes after."""

import argparse
import asyncio
import random
import sys
from statistics import median

from tests.killing.field import StormProcess, open_field
from tests.killing.rounds import Round, World, play, verdict


def main() -> int:
    """Run as told; the exit code is 1 when something was found."""
    chosen = _parser().parse_args()
    worlds = tuple(World) if chosen.world == "all" else (World(chosen.world),)
    return asyncio.run(_run(worlds, chosen.rounds, chosen.rate, chosen.seed))


async def _run(worlds: tuple[World, ...], rounds: int, rate: int, seed: int) -> int:
    failed = False
    async with open_field() as at:
        for world in worlds:
            dice = random.Random(f"{seed} {world}")
            storm = await StormProcess.start(at, rate, seed)
            played: list[Round] = []
            try:
                for number in range(rounds):
                    played.append(await play(at, world, dice))
                    _say(f"{world} {number}: {_words(played[-1])}")
            finally:
                endings = await storm.stop()
            found = verdict(played)
            failed |= bool(found)
            times = sorted(each.took_s * 1e3 for each in played)
            spread = f"{times[0]:.1f} / {median(times):.1f} / {times[-1]:.1f} ms (least, median, most)"
            before = sum(each.sent_before for each in played)
            _say(f"{world}: {len(played)} rounds, acknowledged in {spread}, {before} orders before, {endings}")
            for words in found:
                _say(f"  FOUND: {words}")
    return 1 if failed else 0


def _words(each: Round) -> str:
    return f"{each.took_s * 1e3:.1f} ms, {each.reach}, {each.sent_before} sent before {'; '.join(each.found)}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.killing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how many in each world")
    parser.add_argument("--world", choices=["all", *World], default="all")
    parser.add_argument("--rate", type=int, default=200, help="orders a second, over all replicas")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    sys.exit(main())
