"""Says aloud which brokers' clocks differ from ours: orders are refused for it, and only an operator can mend it."""

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from brokergw.desk.hours.skew import BROKER_APART_MAX_S
from brokergw.desk.session import Session
from brokergw.model.account import Environment
from brokergw.ports.clock import Clock

_LOOK_S: Final = 10.0

log = structlog.get_logger(__name__)


class BrokerClocks:
    """Looks at what the adapters have heard, every ten seconds, and logs each change once for a broker's environment.

    The gate does not go by it: it asks the order's own adapter.
    """

    def __init__(self, sessions: Callable[[], Iterable[Session]], clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._apart: frozenset[tuple[str, Environment]] = frozenset()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(_LOOK_S)

    def look(self) -> None:
        """Look once."""
        found: dict[tuple[str, Environment], float] = {}
        for session in self._sessions():
            seconds = session.adapter.clock_apart_s()
            if seconds is not None and seconds > BROKER_APART_MAX_S:
                place = session.connection.broker, session.connection.environment
                found[place] = max(seconds, found.get(place, 0.0))
        for place in sorted(found.keys() - self._apart):
            log.error("this process's clock and a broker's differ", broker=place[0], seconds=found[place])
        for place in sorted(self._apart - found.keys()):
            log.info("this process's clock and a broker's differ no more, as far as is known", broker=place[0])
        self._apart = frozenset(found)
