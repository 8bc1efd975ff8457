"""What a broker's clock says, as far as its answers tell the time, compared with ours; asked for nothing of its own.

Theory of operation. Every HTTP answer carries a `Date`, whole seconds cut off (RFC 9110, 6.6.1), and the broker read it
between the first byte of the request and the arrival of the answer's head. So an answer bounds how far its clock is
from ours, by a second and the way there and back; only what lies outside of those bounds is certain to be a difference.

- Answers under one Date are one reading: the bounds of all of them hold together, so a busy second is known better than
  one answer can tell, and a Date is parsed once. One that stands still for longer than its second tells no time; a
  tenth more is allowed, for servers that set it by a timer.
- An answer with an `Age` was kept by a cache, and its Date is as old as that; one without a Date, or with one that
  cannot be read, has none. They say nothing.
- One reading alone may be a broken clock among a broker's many, or a cache that keeps quiet. So two must agree, and of
  the last five the one in the middle counts. A reading counts for a minute.
- Readings are kept against our monotonic clock, which nobody sets. Where our wall clock is set, right or wrong, the
  next look shows it, without another answer.
- A time that is past when it is told, such as a price's, shows a clock that is ahead of ours, and no other; the latest
  of each second is a reading among its like.
- A time that the broker was asked for, to the millisecond, counts for itself for a minute, instead of all Dates.
"""

from dataclasses import dataclass
from typing import Final

from brokergw.ports.clock import Clock
from brokergw.transport.http_date import read_date_ns

READINGS_MAX: Final = 5
READINGS_MIN: Final = 2
BELIEVED_S: Final = 60.0

_SECOND_NS: Final = 1_000_000_000
_EXACT_NS: Final = 1_000_000
_STANDS_NS: Final = 100_000_000
_NO_BOUND_NS: Final = 1 << 62


@dataclass(slots=True)
class _Reading:
    """How far their clock may be ahead of our monotonic one, at least and at most; when it was last heard."""

    told_ns: int
    low_ns: int
    high_ns: int
    heard_at: float
    useless: bool = False


class Question:
    """One request under way, for the time that its answer tells."""

    def __init__(self, heard: "HeardClock", clock: Clock) -> None:
        self._heard = heard
        self._monotonic = clock.monotonic
        self._asked_at = clock.monotonic()

    def leaves(self) -> None:
        """Know that nothing has left before this moment."""
        self._asked_at = self._monotonic()

    def answered(self, date: str | None, age: str | None) -> None:
        """Take note of the head of the answer, which has just come."""
        if date is not None and age is None:
            self._heard.hear_date(date, self._asked_at)


class HeardClock:
    """The clock of one of a broker's hosts; shared by everything that speaks to it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._dates: dict[str | int, _Reading] = {}
        self._past: dict[str | int, _Reading] = {}
        self._exact: _Reading | None = None

    def ask(self) -> "Question":
        """Begin a question, whose answer will tell the time beside what was asked for."""
        return Question(self, self._clock)

    def hear_date(self, date: str, asked_at: float) -> None:
        """Take note of the Date of an answer that has just come; asked in monotonic seconds."""
        reading = self._dates.get(date)
        now = self._clock.monotonic()
        if reading is None:
            told_ns = read_date_ns(date, self._clock.now_ns())
            if told_ns is not None:
                _keep(self._dates, date, _Reading(told_ns, *_bounds(told_ns, _SECOND_NS, asked_at, now), now))
            return
        low_ns, high_ns = _bounds(reading.told_ns, _SECOND_NS, asked_at, now)
        reading.low_ns, reading.high_ns = max(reading.low_ns, low_ns), min(reading.high_ns, high_ns)
        reading.useless = reading.useless or reading.low_ns - reading.high_ns > _STANDS_NS
        reading.heard_at = now

    def hear_at_least(self, told_ns: int) -> None:
        """Take note of a time of theirs that is past, such as a price's; how long past, nobody knows."""
        now = self._clock.monotonic()
        low_ns = told_ns - _ns(now)
        reading = self._past.get(int(now))
        if reading is None:
            _keep(self._past, int(now), _Reading(told_ns, low_ns, _NO_BOUND_NS, now))
            return
        reading.low_ns, reading.heard_at = max(reading.low_ns, low_ns), now

    def hear_exactly(self, told_ns: int, asked_at: float) -> None:
        """Take note of a time that was asked for and has just come, in milliseconds cut off; it outdoes all before."""
        now = self._clock.monotonic()
        self._dates.clear()
        self._past.clear()
        self._exact = _Reading(told_ns, *_bounds(told_ns, _EXACT_NS, asked_at, now), now)

    def ahead_ns(self) -> tuple[int, int] | None:
        """Tell how far their clock is ahead of ours, at least and at most; None where nobody knows."""
        since = self._clock.monotonic() - BELIEVED_S
        if self._exact is not None and self._exact.heard_at >= since:
            known = [(self._exact.low_ns, self._exact.high_ns)]
        else:
            known = [middle for kept in (self._dates, self._past) if (middle := _middle(kept, since)) is not None]
        if not known:
            return None
        ours_ns = self._clock.now_ns() - _ns(self._clock.monotonic())
        return max(low for low, _ in known) - ours_ns, min(high for _, high in known) - ours_ns

    def apart_s(self) -> float | None:
        """Tell how far the two clocks are apart at least, in seconds, to the microsecond; None where nobody knows."""
        ahead = self.ahead_ns()
        return None if ahead is None else round(max(0, ahead[0], -ahead[1]) / _SECOND_NS, 6)


def _keep(kept: dict[str | int, _Reading], name: str | int, reading: _Reading) -> None:
    if len(kept) >= READINGS_MAX:
        del kept[next(iter(kept))]
    kept[name] = reading


def _middle(kept: dict[str | int, _Reading], since: float) -> tuple[int, int] | None:
    """Give the bounds that most of some readings agree to; None where they are too few."""
    readings = [each for each in kept.values() if each.heard_at >= since and not each.useless]
    if len(readings) < READINGS_MIN:
        return None
    middle = (len(readings) - 1) // 2
    low_ns = sorted(each.low_ns for each in readings)[middle]
    return low_ns, sorted((each.high_ns for each in readings), reverse=True)[middle]


def _bounds(told_ns: int, step_ns: int, asked_at: float, heard_at: float) -> tuple[int, int]:
    return told_ns - _ns(heard_at), told_ns + step_ns - _ns(asked_at)


def _ns(seconds: float) -> int:
    return round(seconds * _SECOND_NS)
