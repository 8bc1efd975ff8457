"""What is to be run: chains of trials, each from a seed of its own, so that each can be run again alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Final

from tests.chaos.points import POINTS

CHAIN_LENGTH: Final = sum(point.weight for point in POINTS.values())
STORES: Final = ("sqlite",)


@dataclass(frozen=True, slots=True)
class Job:
    """One chain: its seed, its database, and the point of each of its trials."""

    seed: int
    store: str
    points: tuple[str, ...]

    def command(self, chosen: Sequence[str]) -> str:
        """Write the command that runs this chain alone; `chosen` are the points that the run was limited to."""
        limited = f" --points {','.join(chosen)}" if chosen else ""
        return f"python -m tests.chaos --seed {self.seed} --trials {len(self.points)} --store {self.store}{limited}"


def jobs(seed: int, trials: int, stores: Sequence[str], chosen: Sequence[str] = ()) -> list[Job]:
    """Cut a number of trials into chains, which take turns on the databases; chain i has the seed `seed + i`."""
    made: list[Job] = []
    left = trials
    while left > 0:
        length = min(left, CHAIN_LENGTH)
        store = stores[len(made) % len(stores)]
        made.append(Job(seed + len(made), store, _points(seed + len(made), store, length, chosen)))
        left -= length
    return made


def _points(seed: int, store: str, length: int, chosen: Sequence[str]) -> tuple[str, ...]:
    """Deal the points of a chain: each as often as its weight says, in an order that its seed shuffles."""
    deck = [
        point.name
        for point in POINTS.values()
        if store in point.stores and (not chosen or point.name in chosen)
        for _ in range(point.weight)
    ]
    Random(f"{seed}/points").shuffle(deck)
    return tuple(islice(cycle(deck), length))
