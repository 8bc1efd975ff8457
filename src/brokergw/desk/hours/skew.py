"""How far clocks are apart: this process's own, the database's and the broker's, measured beside the orders.

A clock is asked between two moments of ours, so what it says must lie between them; only what lies outside is certain
to be a difference, whatever the way took.
"""

from typing import Final

import structlog

from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.broker import BrokerAdapter
from brokergw.ports.calendar import TimeSource
from brokergw.ports.clock import Clock

DATABASE_APART_MAX_S: Final = 0.5
BROKER_APART_MAX_S: Final = 2.0

_SECOND_NS: Final = 1_000_000_000
_LOOK_S: Final = 10.0
_AGAIN_S: Final = 1.0
_BELIEVED_S: Final = 60.0

log = structlog.get_logger(__name__)


class DatabaseClock:
    """How far this process's clock and the database's are apart; without a source they are the same clock."""

    def __init__(self, source: TimeSource | None, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._apart_s: float | None = None
        self._measured_at = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while self._source is not None:
            await self._clock.sleep(_LOOK_S if await self.look() else _AGAIN_S)

    async def look(self) -> bool:
        """Measure once; tells whether the database answered. What was measured before is believed for a minute."""
        if self._source is None:
            return True
        asked_ns = self._clock.now_ns()
        try:
            told_ns = await self._source.now_ns()
        except GatewayError as error:
            log.warning("the database does not tell its time", reason=error.reason.value)
            return False
        self._apart_s = apart_s(told_ns, asked_ns, self._clock.now_ns(), exact=True)
        self._measured_at = self._clock.monotonic()
        if self._apart_s > DATABASE_APART_MAX_S:
            log.error("this process's clock and the database's differ", seconds=self._apart_s)
        return True

    def require_together(self) -> None:
        """Raise CLOCK_SKEW where the clocks are too far apart, or nobody knows."""
        if self._source is None:
            return
        if self._apart_s is None or self._clock.monotonic() - self._measured_at > _BELIEVED_S:
            raise _skewed("the gateway's clock could not be compared with the database's", "database")
        require_together(self._apart_s, DATABASE_APART_MAX_S, "database")


def require_broker_together(adapter: BrokerAdapter) -> None:
    """Raise CLOCK_SKEW where a broker's answers say that its clock is too far from ours; nothing heard is no word."""
    seconds = adapter.clock_apart_s()
    if seconds is not None:
        require_together(seconds, BROKER_APART_MAX_S, "broker")


def require_together(seconds: float, seconds_max: float, whose: str) -> None:
    """Raise CLOCK_SKEW where a clock is farther away than it may be."""
    if seconds > seconds_max:
        raise _skewed(
            f"the gateway's clock and the {whose}'s are {seconds:.3f} s apart, above {seconds_max:g} s",
            whose,
            apart_s=f"{seconds:.3f}",
            apart_max_s=f"{seconds_max:g}",
        )


def apart_s(told_ns: int, asked_ns: int, answered_ns: int, *, exact: bool = False) -> float:
    """Give the least difference in seconds that a clock must have to say what it said between two moments of ours.

    A time of whole seconds may be cut off unless it is `exact`.
    """
    cut_ns = 0 if exact or told_ns % _SECOND_NS else _SECOND_NS
    return max(0, asked_ns - told_ns - cut_ns, told_ns - answered_ns) / _SECOND_NS


def _skewed(message: str, whose: str, **facts: str) -> GatewayError:
    return GatewayError(Reason.CLOCK_SKEW, message, metadata={"clock": whose, **facts}, retry_after_s=_AGAIN_S)
