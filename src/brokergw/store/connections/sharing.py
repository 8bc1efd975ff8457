"""Which connections a process takes and gives away, so that the processes that live share them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from brokergw.ports.clock import Clock

_SETTLED_S: Final = 10.0
_GIVEN_AWAY: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What to give away and what to take; `beyond` of the latter are more than the share."""

    give: tuple[str, ...]
    take: tuple[str, ...]
    beyond: frozenset[str]


class Sharing:
    """Takes what is free up to an equal share, and beyond it what it finds free twice, so that nothing stays free.

    Once the same processes have lived for ten seconds, it gives an eighth of what is above the share away each time, at
    least one; but never what nobody else wanted before.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._living: frozenset[str] = frozenset()
        self._living_since = 0.0
        self._seen_free: frozenset[str] = frozenset()
        self._unwanted: frozenset[str] = frozenset()

    def plan(self, mine: Collection[str], free: Sequence[str], *, wanted: int, living: frozenset[str]) -> Plan:
        """Plan for a moment at which these are held and free, of so many connections; changes nothing."""
        share = -(-wanted // len(living))
        room = max(0, share - len(mine))
        beyond = [each for each in free[room:] if each in self._seen_free]
        return Plan(self._excess(mine, share, living), (*free[:room], *beyond), frozenset(beyond))

    def learn(self, *, living: frozenset[str], free: frozenset[str], beyond: frozenset[str]) -> None:
        """Remember who lived, what stayed free, and what was taken beyond the share."""
        if living != self._living:
            self._living = living
            self._living_since = self._clock.monotonic()
            self._unwanted = frozenset()
        self._seen_free = free
        self._unwanted |= beyond

    def _excess(self, mine: Collection[str], share: int, living: frozenset[str]) -> tuple[str, ...]:
        settled = living == self._living and self._clock.monotonic() - self._living_since >= _SETTLED_S
        movable = sorted(set(mine) - self._unwanted)
        excess = min(len(mine) - share, len(movable))
        if not settled or excess <= 0:
            return ()
        return tuple(movable[: max(1, excess // _GIVEN_AWAY)])
