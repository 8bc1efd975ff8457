"""What is to be run: chains of trials, each from a seed of its own, so that each can be run again alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from brokergw.model.capability import ResolutionClass
from tests.chaos.brokers.catalog import BROKERS
from tests.chaos.points import POINTS

STORES: Final = ("sqlite", "postgresql")
HASTE: Final = 8.0
"""How much faster time runs once a chain has nothing left but to wait; PostgreSQL has a clock that nobody hurries."""

TRIALS_MAX: Final = {ResolutionClass.BY_CLIENT_ID: 60, ResolutionClass.BY_TAG: 20, ResolutionClass.BY_CONTENT: 12}
"""How long chains are at most: where an order in doubt keeps its symbol from being traded, symbols run out."""


@dataclass(frozen=True, slots=True)
class Job:
    """One chain: seed, database, the point of each trial, the points it was limited to (none: all), the broker,
    how much faster time runs when all that is left is to wait, and where database and log are kept if it fails.
    """

    seed: int
    store: str
    points: tuple[str, ...]
    chosen: tuple[str, ...] = ()
    broker: str = "alpaca"
    haste: float = HASTE
    keep: str = ""

    @property
    def command(self) -> str:
        """Write the command that runs this chain alone."""
        hurried = "" if self.haste == HASTE or self.store != "sqlite" else f" --haste {self.haste:g}"
        limited = f" --points {','.join(self.chosen)}" if self.chosen else ""
        where = f"--broker {self.broker} --store {self.store}"
        return f"python -m tests.chaos --seed {self.seed} --trials {len(self.points)} {where}{limited}{hurried}"


def jobs(
    seed: int,
    trials: int,
    stores: Sequence[str],
    chosen: tuple[str, ...] = (),
    broker: str = "alpaca",
    haste: float = HASTE,
) -> list[Job]:
    """Cut a number of trials into chains, which take turns on the databases; chain i has the seed `seed + i`."""
    made: list[Job] = []
    left = trials
    most = TRIALS_MAX[BROKERS[broker].capabilities.resolution]
    while left > 0:
        store = stores[len(made) % len(stores)]
        points = _deal(seed + len(made), store, chosen, broker)[: min(left, most)]
        made.append(Job(seed + len(made), store, points, chosen, broker, haste if store == "sqlite" else 1.0))
        left -= len(points)
    return made


def deck(store: str, chosen: tuple[str, ...] = (), broker: str = "alpaca") -> list[str]:
    """Give the points of a whole chain: each as often as its weight says; raises ValueError when there is none."""
    there = [point for point in POINTS.values() if point.exists(store, broker)]
    points = [point for point in there if not chosen or point.name in chosen]
    if not points:
        raise ValueError(f"none of these points exists on {store} before {broker}: {', '.join(chosen)}")
    return [point.name for point in points for _ in range(point.weight)]


def _deal(seed: int, store: str, chosen: tuple[str, ...], broker: str) -> tuple[str, ...]:
    """Shuffle the points of a whole chain by its seed."""
    points = deck(store, chosen, broker)
    Random(f"{seed}/points").shuffle(points)
    return tuple(points)
