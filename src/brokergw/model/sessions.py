"""When a market trades: sessions as instants, computed from the clocks of the market's own zone.

A day is never 24 hours long here: each instant is found from a date and a minute of the day by the zone's clocks, so
that days on which clocks change, early closes and lunch breaks need no rule of their own.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum, unique
from typing import Final, Self
from zoneinfo import ZoneInfo

_SECOND_NS: Final = 1_000_000_000
_MINUTES: Final = 24 * 60
_EVER_NS: Final = 2**63 - 1


@unique
class SessionKind(StrEnum):
    """Which part of a market's day it is. A market that never closes is always in its regular session."""

    CLOSED = "CLOSED"
    PRE = "PRE"
    REGULAR = "REGULAR"
    POST = "POST"
    OVERNIGHT = "OVERNIGHT"


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of trading, in Unix nanoseconds; the end is not part of it."""

    kind: SessionKind
    start_ns: int
    end_ns: int

    def holds(self, time_ns: int) -> bool:
        """Tell whether a moment lies in it."""
        return self.start_ns <= time_ns < self.end_ns


@dataclass(frozen=True, slots=True)
class MarketDay:
    """The sessions of one trading day, oldest first; a day without any is closed."""

    date: date
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketClock:
    """What a broker's own clock says of the regular session, at its own time `time_ns`."""

    time_ns: int
    is_open: bool
    next_open_ns: int
    next_close_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The sessions of a market around now, sorted and apart.

    `regular_days` are the starts of the regular days it knows. A timetable says nothing of times from `until_ns` on.
    `held` tells that the broker's clock contradicts the calendar, and that the clock was believed.
    """

    spans: tuple[Span, ...]
    until_ns: int
    regular_days: tuple[int, ...] = ()
    held: bool = False
    _starts: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the starts ready to be searched."""
        object.__setattr__(self, "_starts", tuple(span.start_ns for span in self.spans))

    @classmethod
    def always(cls) -> Self:
        """Give the timetable of a market that never closes."""
        return cls(spans=(Span(SessionKind.REGULAR, 0, _EVER_NS),), until_ns=_EVER_NS)

    @classmethod
    def of_days(cls, days: Iterable[MarketDay], until_ns: int) -> Self:
        """Lay the sessions of days out."""
        spans: list[Span] = []
        firsts: list[int] = []
        for day in days:
            spans += day.spans
            firsts += [span.start_ns for span in day.spans if span.kind is SessionKind.REGULAR][:1]
        spans.sort(key=lambda span: span.start_ns)
        return cls(spans=tuple(spans), until_ns=until_ns, regular_days=tuple(sorted(firsts)))

    def at(self, time_ns: int) -> Span | None:
        """Find the session at a moment; None while the market is closed."""
        index = bisect_right(self._starts, time_ns) - 1
        if index < 0 or not self.spans[index].holds(time_ns):
            return None
        return self.spans[index]

    def kind_at(self, time_ns: int) -> SessionKind:
        """Name the session at a moment."""
        span = self.at(time_ns)
        return SessionKind.CLOSED if span is None else span.kind

    def end_of(self, span: Span, kinds: frozenset[SessionKind]) -> int:
        """Tell when trading in any of some sessions ends that goes on in `span`: sessions that follow at once count."""
        end_ns = span.end_ns
        for later in self.spans[bisect_right(self._starts, span.start_ns) :]:
            if later.start_ns > end_ns or later.kind not in kinds:
                break
            end_ns = max(end_ns, later.end_ns)
        return end_ns

    def days_ahead(self, time_ns: int) -> int:
        """Count the regular days that begin after a moment."""
        return len(self.regular_days) - bisect_right(self.regular_days, time_ns)

    def next_boundary(self, time_ns: int, *, end: bool) -> int | None:
        """Tell when the regular session next begins, or ends, after a moment; None where it is not known."""
        for span in self.spans:
            moment = span.end_ns if end else span.start_ns
            if span.kind is SessionKind.REGULAR and moment > time_ns:
                return moment
        return None

    def believing(self, clock: MarketClock) -> Self:
        """Give the timetable as a broker's clock corrects it; the clock is right until it says that the state turns.

        Where both agree nothing changes. A close that the calendar does not have (or has elsewhere) comes from the
        clock: an early close, a halt of the whole market, or a market held open.
        """
        now = clock.time_ns
        is_open = self.kind_at(now) is SessionKind.REGULAR
        turns_ns = clock.next_close_ns if clock.is_open else clock.next_open_ns
        expected_ns = self.next_boundary(now, end=is_open)
        if is_open is clock.is_open and expected_ns == turns_ns:
            return self
        if clock.is_open:
            later = self._from(turns_ns, cut=SessionKind.POST)
            kept = (Span(SessionKind.REGULAR, now, turns_ns), *later)
        else:
            kept = self._from(turns_ns, cut=SessionKind.REGULAR)
        return type(self)(spans=kept, until_ns=turns_ns, regular_days=self.regular_days, held=True)

    def _from(self, time_ns: int, *, cut: SessionKind) -> tuple[Span, ...]:
        """Give what begins from a moment on, and the rest of a session of one kind that has begun by then."""
        begun = (s for s in self.spans if s.kind is cut and s.start_ns < time_ns < s.end_ns)
        rest = (Span(s.kind, time_ns, s.end_ns) for s in begun)
        return (*rest, *(s for s in self.spans if s.start_ns >= time_ns))


def local_ns(zone: ZoneInfo, day: date, minute: int) -> int:
    """Give the moment of a minute of a day by a zone's clocks; minutes may lie before the day or after it.

    A time that clocks skip is the moment they skip it; of two equal times the first is meant.
    """
    days, minute = divmod(minute, _MINUTES)
    hour, minute = divmod(minute, 60)
    local = datetime.combine(day + timedelta(days=days), time(hour, minute), tzinfo=zone)
    return round(local.astimezone(UTC).timestamp()) * _SECOND_NS


def local_time(zone: ZoneInfo, time_ns: int) -> tuple[date, int]:
    """Give the date and the minute of the day that a zone's clocks show at a moment."""
    local = datetime.fromtimestamp(time_ns // _SECOND_NS, UTC).astimezone(zone)
    return local.date(), local.hour * 60 + local.minute
