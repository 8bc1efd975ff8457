"""What is to be run: chains of trials, each from a seed of its own, so that each can be run again alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.chaos.points import POINTS

STORES: Final = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Job:
    """One chain: its seed, its database, the point of each trial, and the points it was limited to (none: all)."""

    seed: int
    store: str
    points: tuple[str, ...]
    chosen: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """Write the command that runs this chain alone."""
        limited = f" --points {','.join(self.chosen)}" if self.chosen else ""
        return f"python -m tests.chaos --seed {self.seed} --trials {len(self.points)} --store {self.store}{limited}"


def jobs(seed: int, trials: int, stores: Sequence[str], chosen: tuple[str, ...] = ()) -> list[Job]:
    """Cut a number of trials into chains, which take turns on the databases; chain i has the seed `seed + i`."""
    made: list[Job] = []
    left = trials
    while left > 0:
        store = stores[len(made) % len(stores)]
        points = _deal(seed + len(made), store, chosen)[:left]
        made.append(Job(seed + len(made), store, points, chosen))
        left -= len(points)
    return made


def deck(store: str, chosen: tuple[str, ...] = ()) -> list[str]:
    """Give the points of a whole chain: each as often as its weight says; raises ValueError when there is none."""
    points = [point for point in POINTS.values() if store in point.stores and (not chosen or point.name in chosen)]
    if not points:
        raise ValueError(f"none of these points exists on {store}: {', '.join(chosen)}")
    return [point.name for point in points for _ in range(point.weight)]


def _deal(seed: int, store: str, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Shuffle the points of a whole chain by its seed."""
    points = deck(store, chosen)
    Random(f"{seed}/points").shuffle(points)
    return tuple(points)
