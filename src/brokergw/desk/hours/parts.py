"""What the desk is given to know the hours, and what it makes of it."""

import asyncio
from dataclasses import dataclass

from brokergw.desk.hours.broker_clocks import BrokerClocks
from brokergw.desk.hours.markets import Markets
from brokergw.desk.hours.skew import DatabaseClock
from brokergw.desk.sessions import Sessions
from brokergw.ports.calendar import CalendarFile, TimeSource
from brokergw.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursSources:
    """Where hours and times come from: an operator's file, the database's clock where it is not this machine's own.

    `clock_every_s` is how often a broker's market clock is asked.
    """

    overrides: CalendarFile | None = None
    database: TimeSource | None = None
    clock_every_s: float = 30.0


class HoursParts:
    """The hours of the markets and the clocks to compare, kept fresh for as long as the desk runs."""

    def __init__(self, sessions: Sessions, clock: Clock, sources: HoursSources) -> None:
        self.markets = Markets(sessions, clock, sources.overrides, clock_every_s=sources.clock_every_s)
        self.database = DatabaseClock(sources.database, clock)
        self._brokers = BrokerClocks(sessions.all, clock)

    async def start(self) -> tuple[asyncio.Task[None], ...]:
        """Look once at what is at hand, then keep it fresh; gives the tasks that do."""
        self.markets.read_overrides()
        await self.database.look()
        return (
            asyncio.create_task(self.markets.run(), name="market hours"),
            asyncio.create_task(self.database.run(), name="database clock"),
            asyncio.create_task(self._brokers.run(), name="brokers' clocks"),
        )
