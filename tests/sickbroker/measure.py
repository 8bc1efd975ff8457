"""What piles of measurements say: percentiles, and their ratio with its spread.

Orders of one moment are slow together, so they are no independent draws: what is drawn again and again are whole
blocks, each of which has windows of both kinds from the same minute.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Final, TypeAlias

_RESAMPLES: Final = 400

Pile: TypeAlias = Sequence[float]
Pair: TypeAlias = tuple[Pile, Pile]
"""What was measured beside something, and without it, in one block."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times one percentile is of another; nine of ten resamples lie between `low` and `high`."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f} .. {self.high:.2f}]"

    def within(self, most: float) -> bool:
        """Tell whether it is certainly neither more than so many times, nor less than its inverse."""
        return 1 / most <= self.low and self.high <= most


def percentile(values: Pile, share: float) -> float:
    """Give the smallest value that such a share of all does not exceed; without any nothing was fast."""
    if not values:
        return inf
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def ratio(blocks: Sequence[Pair], share: float, seed: int = 1) -> Ratio:
    """Compare a percentile beside something with the one without it, over all blocks, by drawing blocks again."""
    dice = random.Random(seed)
    found = sorted(_ratio(dice.choices(blocks, k=len(blocks)), share) for _ in range(_RESAMPLES))
    return Ratio(_ratio(blocks, share), percentile(found, 0.05), percentile(found, 0.95))


def slow_share(values: Pile, limit: float) -> float:
    """Tell which part of all exceeds a limit; nothing measured is nothing slow."""
    return sum(each > limit for each in values) / len(values) if values else 0.0


def _ratio(blocks: Sequence[Pair], share: float) -> float:
    beside, without = (list(chain.from_iterable(block[side] for block in blocks)) for side in (0, 1))
    return percentile(beside, share) / percentile(without, share) if without else inf
