"""What two piles of measurements say: percentiles, and their ratio with its spread."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_RESAMPLES: Final = 300


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times one percentile is of another; nine of ten resamples lie between `low` and `high`."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f} .. {self.high:.2f}]"


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that such a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def ratio(beside: Sequence[float], without: Sequence[float], share: float, seed: int = 1) -> Ratio:
    """Compare a percentile beside something with the one without it, by resampling both."""
    dice = random.Random(seed)
    found = sorted(
        percentile(dice.choices(beside, k=len(beside)), share)
        / percentile(dice.choices(without, k=len(without)), share)
        for _ in range(_RESAMPLES)
    )
    value = percentile(beside, share) / percentile(without, share)
    return Ratio(value, percentile(found, 0.05), percentile(found, 0.95))
