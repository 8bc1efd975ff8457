"""How one of a broker's links is read: at the pace of the broker's intake, and when it has brought too much.

A link is given up when it has brought nothing but more than may be read for long, or many frames that cannot be told in
a short time. Frames that can be told are no reason, however many of them a healthy broker sends within its intake.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from brokergw.ports.clock import Clock
from brokergw.transport.intake import Flood, Intake

PING_PIECES: Final = 10
"""A ping is answered, which costs as much as reading several frames that say nothing."""
_TURN_PIECES: Final = 64
"""After so much in one go everybody else has a turn."""


@dataclass(slots=True)
class LinkPace:
    """What one link has brought. `flood_s`: for so long it may bring more than the intake takes."""

    intake: Intake
    flood_s: float
    _flood: Flood = field(default_factory=Flood)
    _in_one_go: int = 0

    async def rest(self, clock: Clock, now: float, size: int, pieces: int = 1) -> bool:
        """Count what was read just now, and rest before more is read; False is a flood, and the link is to be given up.

        Also who reads within the intake lets others have their turn now and then.
        """
        pause_s = self.intake.pause_s(now, size, pieces)
        if self._flood.lasts_s(now, pause_s, self.intake.cost_s(size, pieces)) >= self.flood_s:
            return False
        self._in_one_go += pieces
        if pause_s > 0:
            await clock.sleep(pause_s)
        elif self._in_one_go >= _TURN_PIECES:
            await asyncio.sleep(0)
        else:
            return True
        self._in_one_go = 0
        return True


@dataclass(slots=True)
class Unclear:
    """Frames that cannot be told: no more than `most` within so many seconds are borne, and the first `logged` told.

    Each is a hole in what the link tells. To log one takes as long as a hundred frames that say nothing: twenty at once
    would keep everybody else waiting longer than their whole order takes.
    """

    most: int = 20
    logged: int = 5
    within_s: float = 10.0
    _heard_at: deque[float] = field(default_factory=deque)

    def too_many(self, now: float) -> bool:
        """Count one more, and tell whether that is more than is borne."""
        while self._heard_at and now - self._heard_at[0] >= self.within_s:
            self._heard_at.popleft()
        self._heard_at.append(now)
        return len(self._heard_at) > self.most

    @property
    def is_told(self) -> bool:
        """Whether the last one is to be logged."""
        return len(self._heard_at) <= self.logged
