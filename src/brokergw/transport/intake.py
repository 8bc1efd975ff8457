"""How much one broker may make this process read and keep, so that a sick one takes nothing from the others.

All brokers share one event loop and one memory. What a healthy broker says fits in easily; one that floods is read
more slowly, which TCP tells it, and what it has said and nobody has dealt with yet is bounded over all its links.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

MIB: Final = 1024 * 1024
_FLOOD_SHARE: Final = 0.1
_OVERHEAD: Final = 256
"""What a kept piece costs beside its bytes, roughly: objects around an empty frame are not free."""


@dataclass(slots=True, kw_only=True)
class Intake:
    """What is read from one broker, and what of it is kept.

    Rates are per second of the clock that `pause_s` is given; `burst_s` is how many seconds' worth may come at once.
    """

    pieces_per_s: float = 2_000.0
    bytes_per_s: float = 2.0 * MIB
    burst_s: float = 2.0
    held_bytes_max: int = 20 * MIB
    held_bytes: int = 0
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a large document is read."""
    _debt_s: float = 0.0
    _at: float = 0.0

    def pause_s(self, now: float, size: int, pieces: int = 1) -> float:
        """Count what was read just now, and tell for how long to read no more."""
        self._debt_s = max(0.0, self._debt_s - max(0.0, now - self._at))
        self._at = now
        self._debt_s += self.cost_s(size, pieces)
        return max(0.0, self._debt_s - self.burst_s)

    def cost_s(self, size: int, pieces: int = 1) -> float:
        """Tell how much of the time in which this broker may be read so much takes."""
        return max(pieces / self.pieces_per_s, size / self.bytes_per_s)

    def hold(self, size: int) -> bool:
        """Keep a piece until it is released, if there is room for it."""
        if self.held_bytes + size + _OVERHEAD > self.held_bytes_max:
            return False
        self.held_bytes += size + _OVERHEAD
        return True

    def release(self, size: int, pieces: int = 1) -> None:
        """Give the room of pieces back that were held, of so many bytes together."""
        self.held_bytes -= size + pieces * _OVERHEAD


def frames_intake() -> Intake:
    """Give what a broker's links may take: while frames wait, the document of one is there as objects, too."""
    return Intake(held_bytes_max=12 * MIB)


@dataclass(slots=True)
class Flood:
    """How long one of a broker's links has brought more than may be read of that broker."""

    _since: float | None = None
    _cost_s: float = 0.0

    def lasts_s(self, now: float, pause_s: float, cost_s: float) -> float:
        """Count what was read just now, at what cost and pause, and tell for how long there was no rest.

        A link that brings less than a tenth of it is held up by another one, and has brought none.
        """
        if pause_s <= 0:
            self._since = None
            return 0.0
        if self._since is None:
            self._since, self._cost_s = now, 0.0
        self._cost_s += cost_s
        passed_s = now - self._since
        return passed_s if self._cost_s >= passed_s * _FLOOD_SHARE else 0.0
