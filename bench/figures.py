"""The arithmetic of a run: what one measurement says, and what several rounds of it say together."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measurement:
    """One case in one round. Times are milliseconds, CPU is microseconds per call; None where it was not measured."""

    rate: float
    p50_ms: float | None
    p99_ms: float | None
    cpu_us: float | None


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over all rounds."""

    median: float
    low: float
    high: float


def quantile(ordered: Sequence[float], share: float) -> float:
    """Give the value below which a share of sorted values lies (nearest rank)."""
    if not ordered:
        raise ValueError("no values")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measurement(count: int, elapsed_s: float, latencies_us: Sequence[float], cpu_us: float | None) -> Measurement:
    """Sum up one case in one round."""
    ordered = sorted(latencies_us)
    return Measurement(
        rate=count / elapsed_s,
        p50_ms=quantile(ordered, 0.50) / 1000 if ordered else None,
        p99_ms=quantile(ordered, 0.99) / 1000 if ordered else None,
        cpu_us=cpu_us,
    )


def spread(values: Sequence[float | None]) -> Spread | None:
    """Sum up one figure over rounds; None when it was not measured in every one of them."""
    known = [value for value in values if value is not None]
    if not known or len(known) != len(values):
        return None
    return Spread(statistics.median(known), min(known), max(known))


def ratio(
    above: Sequence[Measurement], below: Sequence[Measurement], figure: Literal["rate", "p50_ms", "cpu_us"] = "rate"
) -> Spread | None:
    """Compare two cases round by round, so that what slows the whole machine for a while cancels out."""
    pairs = [(getattr(one, figure), getattr(other, figure)) for one, other in zip(above, below, strict=True)]
    return spread([None if one is None or other is None else one / other for one, other in pairs])
