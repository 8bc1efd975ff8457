"""What the rounds of one world come to, in words."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from tests.killing.rounds import Round, World

MEDIAN_WITHIN_S: Final = 0.05


def verdict(rounds: Sequence[Round]) -> list[str]:
    """List what was found, and what only all rounds together show."""
    found = [words for each in rounds for words in each.found]
    times = [each.took_s for each in rounds if each.world is World.CALM]
    if times and median(times) > MEDIAN_WITHIN_S:
        found.append(f"the median of the acknowledgements is {median(times) * 1e3:.1f} ms")
    return found


def in_a_line(each: Round) -> str:
    """Tell of one round."""
    return f"{each.took_s * 1e3:.1f} ms, {each.reach}, {each.sent_before} sent before {'; '.join(each.found)}".rstrip()


def in_words(world: World, rounds: Sequence[Round], endings: Mapping[str, int], seconds: float) -> list[str]:
    """Tell of all rounds of a world."""
    if not rounds:
        return [f"{world}: no round was ended"]
    times = sorted(each.took_s * 1e3 for each in rounds)
    spread = f"{times[0]:.1f} / {median(times):.1f} / {times[-1]:.1f} ms (least, median, most)"
    before = sum(each.sent_before for each in rounds)
    arrived = sum(each.arrived_late for each in rounds)
    written = sum(each.written_late for each in rounds)
    read = sum(each.read_late for each in rounds)
    left = sum(each.residuals for each in rounds)
    return [
        f"{world}: {len(rounds)} rounds in {seconds:.0f} s, {before} orders before, acknowledged in {spread}",
        f"  after it {arrived} orders arrived and {written} were let out; {read} were read late; {left} residuals",
        f"  the storm: {dict(sorted(endings.items()))}",
        *(f"  FOUND: {words}" for words in verdict(rounds)),
    ]
