"""Worlds that begin at a moment of somebody's choice."""

from datetime import datetime

from tests.fixtures.clock import FakeClock
from tests.fixtures.loss_world import LossWorld


def at(moment: str) -> int:
    """Give a moment with its offset as Unix nanoseconds."""
    return round(datetime.fromisoformat(moment).timestamp()) * 1_000_000_000


def world_at(moment: str) -> LossWorld:
    """Make a world whose clock stands at a moment."""
    return LossWorld(FakeClock(at(moment), auto=False))
