"""Tells which brokers' clocks differ from ours: orders are refused for it, and only an operator can mend it."""

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import structlog

from brokergw.desk.hours.skew import BROKER_APART_MAX_S
from brokergw.desk.session import Session
from brokergw.model.account import Environment
from brokergw.ports.clock import Clock

_LOOK_S: Final = 10.0
Place: TypeAlias = tuple[str, Environment]

log = structlog.get_logger(__name__)


class BrokerClocks:
    """Looks at what the adapters have heard, every ten seconds, and logs each change once for a broker's environment.

    Each connection's health tells it too. The gate does not go by it: it asks the order's own adapter.
    """

    def __init__(self, sessions: Callable[[], Iterable[Session]], clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._apart: frozenset[Place] = frozenset()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(_LOOK_S)

    def look(self) -> None:
        """Look once."""
        for session in self._sessions():
            session.clock_compared(session.adapter.clock_apart_s(), BROKER_APART_MAX_S)
        known = apart_by_place(self._sessions())
        found = {place: seconds for place, seconds in known.items() if seconds > BROKER_APART_MAX_S}
        for place in sorted(found.keys() - self._apart):
            log.error("this process's clock and a broker's differ", broker=place[0], seconds=found[place])
        for place in sorted(self._apart - found.keys()):
            log.info("this process's clock and a broker's differ no more, as far as is known", broker=place[0])
        self._apart = frozenset(found)


def apart_by_place(sessions: Iterable[Session]) -> dict[Place, float]:
    """Give how far each broker's clock is from ours, in seconds, at least; nothing of a broker that told no time."""
    found: dict[Place, float] = {}
    for session in sessions:
        seconds = session.adapter.clock_apart_s()
        if seconds is not None:
            place = session.connection.broker, session.connection.environment
            found[place] = max(seconds, found.get(place, 0.0))
    return found
