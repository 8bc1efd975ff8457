"""What a run comes to: whether the others have felt anything, and whether it could have been told."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.sickbroker.measure import Ratio, percentile, ratio, slow_share
from tests.sickbroker.rounds import Report

SLOWER_MAX: Final = 1.2
"""The promise: how many times as long the slowest of a hundred orders may take beside a sick broker."""
_SHARE: Final = 0.99


class Ending(StrEnum):
    """How a run ends; `UNDECIDED` where chance is too wide, `RESTLESS` where the machine's own noise is."""

    HELD = "HELD"
    BROKEN = "BROKEN"
    UNDECIDED = "UNDECIDED"
    RESTLESS = "RESTLESS"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The well broker's p99 beside the sick one over that without it; `control` is that without it before and after."""

    whole: Ratio
    control: Ratio
    found: tuple[str, ...]

    @property
    def ending(self) -> Ending:
        """Judge; what was found is no matter of noise, nor is a p99 that is worse for certain while it rests."""
        restless = not self.control.within(SLOWER_MAX)
        if self.found or (slower(self.whole) and not restless):
            return Ending.BROKEN
        if self.whole.high <= SLOWER_MAX:
            return Ending.HELD
        return Ending.RESTLESS if restless else Ending.UNDECIDED


def verdict(reports: Sequence[Report], found: Sequence[str]) -> Verdict:
    """Judge all moods together, and what was found beside."""
    blocks = [block for report in reports for block in report.blocks]
    whole = ratio([block.pair() for block in blocks], _SHARE)
    return Verdict(whole, ratio([block.control() for block in blocks], _SHARE), tuple(found))


def suspects(reports: Sequence[Report], most: int) -> list[str]:
    """Name the moods beside which more orders were slow than the promise lets be: worst first, so many at most.

    Slow is what takes longer than the p99 of all orders without a sick broker, times what is promised. Of one mood's
    few orders that may be chance; so these moods are played again, and judged by that alone.
    """
    limit = SLOWER_MAX * percentile([each for report in reports for each in report.without()], _SHARE)
    shares = {report.mood: slow_share(report.beside(), limit) for report in reports}
    slow = [mood for mood, share in shares.items() if share > 1 - _SHARE]
    return sorted(slow, key=lambda mood: -shares[mood])[:most]


def slower(found: Ratio) -> bool:
    """Tell whether that is more than what was promised, and more than chance."""
    return found.low > SLOWER_MAX
