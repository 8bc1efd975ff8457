"""What is known of the hours of each market at each broker, kept in memory and refreshed beside the orders.

A broker's own days and clock come first where it tells them, the house's calendars elsewhere; an operator's overrides
win over both. One connection asks for all of its broker's environment. An order waits only while nothing is known, or
while what is known has run out.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeAlias

import structlog

from brokergw.desk.hours.calendars import ALWAYS, Calendar, house_calendars
from brokergw.desk.hours.overrides import Overrides, OverridesInvalid
from brokergw.desk.hours.skew import apart_s
from brokergw.desk.sessions import Session, Sessions
from brokergw.model.account import ConnectionHealth, Environment
from brokergw.model.capability import MarketRules
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.sessions import MarketClock, MarketDay, Timetable, local_time
from brokergw.ports.broker import TellsHours
from brokergw.ports.calendar import CalendarFile
from brokergw.ports.clock import Clock

DAYS_AHEAD_MIN: Final = 5
"""How many regular days must be known ahead; with fewer nobody tends the calendar any more."""

_SECOND_NS: Final = 1_000_000_000
_LOOK_S: Final = 1.0
_DAYS_EVERY_S: Final = 6 * 3600.0
_RETRY_S: Final = 1.0
_BEHIND: Final = timedelta(days=3)
_AHEAD: Final = timedelta(days=21)
_BUILT_FOR_NS: Final = 3600 * _SECOND_NS

_Place: TypeAlias = tuple[str, Environment, str]
_Market: TypeAlias = tuple[str, Environment, AssetClass]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Told:
    """What one broker's environment told of one calendar; times of our own monotonic clock in seconds.

    `failed` has the connections that were not told since, and when they last asked: one that is not told, since its
    token has ended, say, must not keep the others from asking. `asker` is the connection that asks now.
    """

    days: tuple[MarketDay, ...] = ()
    days_at: float = 0.0
    until_ns: int = 0
    clock: MarketClock | None = None
    clock_at: float = 0.0
    clock_ns: int = 0
    failed: dict[str, float] = field(default_factory=dict)
    asking: asyncio.Task[None] | None = None
    asker: str = ""


@dataclass(frozen=True, slots=True)
class Hours:
    """A market's sessions, the broker's maintenance among them, and until when that may be used."""

    timetable: Timetable
    pauses: tuple[tuple[int, int], ...]
    good_until_ns: int

    def paused(self, time_ns: int) -> bool:
        """Tell whether the broker is in maintenance."""
        return any(start <= time_ns < end for start, end in self.pauses)


@dataclass(slots=True)
class _Memory:
    """Everything known, and what was made of it."""

    told: dict[_Place, _Told] = field(default_factory=dict)
    hours: dict[_Market, Hours] = field(default_factory=dict)
    skews: dict[tuple[str, Environment], float] = field(default_factory=dict)


class Markets:
    """The hours of every market that this process trades in."""

    def __init__(
        self, sessions: Sessions, clock: Clock, overrides: CalendarFile | None = None, *, clock_every_s: float = 30.0
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._file = overrides
        self._clock_every_s = clock_every_s
        self._memory = _Memory()
        self._overrides = Overrides()
        self._broken = ""

    def at_hand(self, session: Session, asset_class: AssetClass) -> Hours | None:
        """Give a market's hours where they are known and may be used."""
        connection = session.connection
        known = self._memory.hours.get((connection.broker, connection.environment, asset_class))
        if known is None or self._broken or self._clock.now_ns() >= known.good_until_ns:
            return None
        return known

    async def hours(self, session: Session, asset_class: AssetClass) -> Hours:
        """Give a market's hours; raises CALENDAR_UNAVAILABLE when nobody can tell them."""
        known = self.at_hand(session, asset_class)
        if known is not None:
            return known
        rules = session.capabilities.markets.get(asset_class)
        if rules is None:
            raise _unavailable(f"{session.capabilities.name} does not say in which market {asset_class} trades")
        if self._broken:
            raise _unavailable(f"the operator's calendar cannot be used: {self._broken}")
        if rules.told and self._stale(session, rules, self._clock.now_ns()):
            await self._ask(session, rules)
        return self._build(session, asset_class, rules)

    def skew_s(self, session: Session) -> float | None:
        """Tell how far this process's clock and the broker's are apart at least; None where the broker tells none."""
        return self._memory.skews.get((session.connection.broker, session.connection.environment))

    async def run(self) -> None:
        """Keep everything fresh, until cancelled."""
        while True:
            try:
                self.read_overrides()
                await self.refresh()
            except Exception:
                log.exception("hours could not be refreshed")
            await self._clock.sleep(_LOOK_S)

    def read_overrides(self) -> None:
        """Take the operator's file up if it has changed; while it cannot be used, no hours are told."""
        if self._file is None:
            return
        try:
            text = self._file.changed()
            if text is None:
                return
            self._overrides, broken = Overrides.read(text), ""
        except (OSError, OverridesInvalid) as error:
            broken = str(error)
        if broken != self._broken:
            log.log(40 if broken else 20, "calendar overrides read", broken=broken)
        self._broken = broken
        self._memory.hours.clear()

    async def refresh(self) -> None:
        """Ask each broker that tells its hours, where it is due; a failure leaves what is known."""
        for session, rules in self._telling():
            if self._due(session, rules):
                try:
                    await self._ask(session, rules)
                except GatewayError as error:
                    broker = session.connection.broker
                    log.warning("a broker does not tell its hours", broker=broker, reason=error.reason.value)

    def _telling(self) -> Iterable[tuple[Session, MarketRules]]:
        """Give one session for each calendar of each broker's environment: a healthy one that was not just refused."""
        found: dict[_Place, tuple[Session, MarketRules]] = {}
        for session in sorted(self._sessions.all(), key=lambda each: each.health is not ConnectionHealth.HEALTHY):
            if session.connection.revoked or session.health in _USELESS:
                continue
            for rules in session.capabilities.markets.values():
                if rules.told and not self._failed_lately(session, rules):
                    found.setdefault(_place(session, rules), (session, rules))
        return found.values()

    def _failed_lately(self, session: Session, rules: MarketRules) -> bool:
        told = self._memory.told.get(_place(session, rules))
        failed_at = None if told is None else told.failed.get(session.connection.connection_id)
        return failed_at is not None and self._clock.monotonic() - failed_at < _RETRY_S

    def _due(self, session: Session, rules: MarketRules) -> bool:
        told = self._memory.told.get(_place(session, rules))
        if told is None or told.clock is None:
            return True
        return self._clock.monotonic() - told.clock_at >= self._clock_every_s or self._turned(told)

    def _turned(self, told: _Told) -> bool:
        """Tell whether the market has opened or closed since its clock was asked, by what that clock said then."""
        clock = told.clock
        turns = () if clock is None else (clock.next_open_ns, clock.next_close_ns)
        now_ns = self._clock.now_ns()
        return any(told.clock_ns < moment <= now_ns for moment in turns)

    def _stale(self, session: Session, rules: MarketRules, now_ns: int) -> bool:
        told = self._memory.told.get(_place(session, rules))
        return told is None or told.clock is None or now_ns >= self._timetable(rules, told).until_ns

    async def _ask(self, session: Session, rules: MarketRules) -> None:
        """Ask, or wait for whoever asks already; raises CALENDAR_UNAVAILABLE when this connection is not told.

        Where it waited for another connection, whose failure is that one's alone, it then asks by itself.
        """
        told = self._memory.told.setdefault(_place(session, rules), _Told())
        while True:
            if told.asking is None:
                if self._failed_lately(session, rules):
                    raise _unavailable("the broker did not tell its hours a moment ago")
                told.asker = session.connection.connection_id
                told.asking = asyncio.create_task(self._fetch(session, rules, told), name="ask for hours")
            asker = told.asker
            try:
                await asyncio.shield(told.asking)
            except GatewayError:
                if asker == session.connection.connection_id:
                    raise
            else:
                return

    async def _fetch(self, session: Session, rules: MarketRules, told: _Told) -> None:
        adapter, clock = session.adapter, self._clock
        try:
            if not isinstance(adapter, TellsHours):
                raise _unavailable("this connection tells no hours")
            if not told.days or clock.monotonic() - told.days_at >= _DAYS_EVERY_S:
                zone = house_calendars()[rules.calendar].zone
                today = local_time(zone, clock.now_ns())[0]
                days = await adapter.get_market_days(rules.calendar, today - _BEHIND, today + _AHEAD)
                told.days, told.days_at = tuple(days), clock.monotonic()
                told.until_ns = _day_end_ns(today + _AHEAD)
            asked_ns = clock.now_ns()
            told.clock = said = await adapter.get_market_clock(rules.calendar)
            answered_ns = clock.now_ns()
            told.clock_at, told.clock_ns = clock.monotonic(), answered_ns
            told.failed.clear()
            place = session.connection.broker, session.connection.environment
            self._memory.skews[place] = apart_s(said.time_ns, asked_ns, answered_ns)
            self._forget(session, rules)
        except GatewayError as error:
            told.failed[session.connection.connection_id] = clock.monotonic()
            raise _unavailable(f"the broker does not tell its hours: {error.reason}") from error
        finally:
            told.asking = None

    def _forget(self, session: Session, rules: MarketRules) -> None:
        broker, environment, _ = _place(session, rules)
        for market in [m for m in self._memory.hours if m[:2] == (broker, environment)]:
            del self._memory.hours[market]

    def _build(self, session: Session, asset_class: AssetClass, rules: MarketRules) -> Hours:
        """Make a market's hours of what is known; raises CALENDAR_UNAVAILABLE where that does not reach far enough."""
        now_ns = self._clock.now_ns()
        connection = session.connection
        told = self._memory.told.get(_place(session, rules)) if rules.told else None
        timetable = self._timetable(rules, told)
        if now_ns >= timetable.until_ns:
            raise _unavailable(f"what is known of the hours of {rules.calendar} has run out")
        if rules.calendar != ALWAYS and timetable.days_ahead(now_ns) < DAYS_AHEAD_MIN:
            raise _unavailable(f"fewer than {DAYS_AHEAD_MIN} days of {rules.calendar} are known ahead")
        good_until_ns = min(timetable.until_ns, now_ns + _BUILT_FOR_NS)
        pauses = self._overrides.pauses(connection.broker, asset_class, now_ns, good_until_ns)
        hours = Hours(timetable, pauses, good_until_ns)
        self._memory.hours[connection.broker, connection.environment, asset_class] = hours
        return hours

    def _timetable(self, rules: MarketRules, told: _Told | None) -> Timetable:
        if rules.calendar == ALWAYS:
            return Timetable.always()
        calendar = house_calendars()[rules.calendar]
        now_ns = self._clock.now_ns()
        today = local_time(calendar.zone, now_ns)[0]
        if told is None:
            days, until = list(calendar.days(today - _BEHIND, today + _AHEAD)), min(today + _AHEAD, calendar.last)
            until_ns = _day_end_ns(until)
        else:
            days, until_ns = _filled(told.days, today), told.until_ns
        timetable = Timetable.of_days(self._overrides.applied(rules.calendar, calendar, days), until_ns)
        if told is None or told.clock is None or self._overruled(rules, calendar, told.clock):
            return timetable
        return timetable.believing(told.clock)

    def _overruled(self, rules: MarketRules, calendar: Calendar, clock: MarketClock) -> bool:
        """Tell whether the operator has said something of the day about which the broker's clock speaks."""
        return self._overrides.of(rules.calendar).has(local_time(calendar.zone, clock.time_ns)[0])


_USELESS: Final = frozenset(
    {ConnectionHealth.ERROR, ConnectionHealth.REVOKED, ConnectionHealth.REAUTHORIZATION_REQUIRED}
)


def _filled(days: Iterable[MarketDay], today: date) -> list[MarketDay]:
    """Add the days on which a broker does not trade, so that an operator may open one."""
    known = {day.date: day for day in days}
    span = ((today - _BEHIND) + timedelta(days=count) for count in range((_BEHIND + _AHEAD).days + 1))
    return [*known.values(), *(MarketDay(day, ()) for day in span if day not in known)]


def _place(session: Session, rules: MarketRules) -> _Place:
    return session.connection.broker, session.connection.environment, rules.calendar


def _day_end_ns(day: date) -> int:
    day += timedelta(days=1)
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * _SECOND_NS


def _unavailable(why: str) -> GatewayError:
    return GatewayError(Reason.CALENDAR_UNAVAILABLE, why, retry_after_s=_RETRY_S)
