"""A broker's request budget: a token bucket that keeps a share for cancels, and bans until a time."""

from collections.abc import Callable, Mapping
from typing import Final

from brokergw.model.outcome import Budget
from brokergw.ports.broker import Pace, own_pace

_NS: Final = 1_000_000_000
_LEAST_SHARE: Final = 5.0
"""Requests in a minute that a process may make however many others there are, so that none is left without any."""


class Spent(Exception):
    """The budget is spent; a request may be made after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"the broker's request budget is spent for {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s


class Throttle:
    """Requests of one account at one broker, counted before they are made.

    The bucket holds a minute's worth and refills evenly. Ordinary requests leave `cancel_share` of it untouched, so
    that a cancel always finds a token. `per_minute` is the broker's budget until its headers say another; None counts
    nothing, unless the platform's `pace` does, which is asked each time. Bans hold in any case. Who is turned away is
    told to wait until there is room for `together` requests: one that comes again has all of its questions to ask.
    Until then nobody gets a token: taken one by one they would never be enough for anybody.

    Several processes spend one budget. Once the broker has told what is left of it, each follows that: a process takes
    what the others leave, the share for cancels included. A broker that never tells cannot be followed, so each process
    then takes its part of the budget, even if the others leave theirs.
    """

    def __init__(
        self,
        per_minute: int | None,
        *,
        monotonic: Callable[[], float],
        cancel_share: float = 0.2,
        pace: Callable[[], Pace] = own_pace,
        together: int = 1,
    ) -> None:
        self._monotonic = monotonic
        self._cancel_share = cancel_share
        self._pace = pace
        self._together = together
        self._budget = float(per_minute) if per_minute is not None else None
        self._told = False
        self._capacity = self._capacity_now()
        self._tokens = self._capacity or 0.0
        self._filled_at = monotonic()
        self._filling = False
        self._banned_until = 0.0
        self._cancels_banned_until = 0.0

    def take(self, *, cancel: bool = False) -> None:
        """Take a token or raise Spent."""
        now = self._monotonic()
        banned_until = self._cancels_banned_until if cancel else self._banned_until
        if now < banned_until:
            raise Spent(banned_until - now)
        self._refill(now)
        if self._capacity is None:
            return
        needed = 1.0 if cancel else 1.0 + self._capacity * self._cancel_share
        room = needed if cancel else min(self._capacity, needed + self._together - 1)
        if self._tokens < (room if self._filling and not cancel else needed):
            self._filling = self._filling or not cancel
            raise Spent((room - self._tokens) * 60 / self._capacity)
        self._filling = self._filling and cancel
        self._tokens -= 1.0

    def ban(self, seconds: float, *, cancels: bool = True) -> None:
        """Let nothing through for a while, because the broker said so; where it did not, `cancels` may be spared."""
        until = self._monotonic() + seconds
        self._banned_until = max(self._banned_until, until)
        if cancels:
            self._cancels_banned_until = max(self._cancels_banned_until, until)

    def learn(self, budget: Budget) -> None:
        """Follow what the broker's headers say: its limit is the capacity, its remainder the most that is left."""
        if self._capacity is None or budget.limit is None or budget.limit <= 0:
            return
        self._budget, self._told = float(budget.limit), budget.remaining is not None
        self._refill(self._monotonic())
        if budget.remaining is not None:
            self._tokens = min(self._tokens, float(budget.remaining))

    def _refill(self, now: float) -> None:
        """Add what the time has brought, and follow a capacity that has changed; a larger one brings its difference."""
        before, after = self._capacity, self._capacity_now()
        if before is not None:
            self._tokens = min(before, self._tokens + (now - self._filled_at) * before / 60)
        if after is not None and after != before:
            self._tokens = after if before is None else min(after, max(0.0, self._tokens + after - before))
        self._capacity, self._filled_at = after, now

    def _capacity_now(self) -> float | None:
        pace = self._pace()
        known = [each for each in (self._budget, pace.requests_per_minute) if each is not None]
        if not known:
            return None
        whole = float(min(known))
        return whole if self._told else max(whole / pace.processes, min(whole, _LEAST_SHARE))


def read_budget(headers: Mapping[str, str], before: Budget) -> Budget:
    """Read `X-RateLimit-Limit`, `-Remaining` and `-Reset` (epoch seconds); keeps `before` where none is present."""
    limit = _whole(headers.get("x-ratelimit-limit"))
    remaining = _whole(headers.get("x-ratelimit-remaining"))
    reset = _whole(headers.get("x-ratelimit-reset"))
    if limit is None and remaining is None and reset is None:
        return before
    return Budget(limit, remaining, None if reset is None else reset * _NS)


def retry_after_s(headers: Mapping[str, str], now_ns: int, *, default: float) -> float:
    """Tell how long a refused caller shall wait: `Retry-After` in seconds, else the budget's reset, else `default`."""
    said = _whole(headers.get("retry-after"))
    if said is not None:
        return float(said)
    reset = _whole(headers.get("x-ratelimit-reset"))
    if reset is None:
        return default
    return min(60.0, max(default, (reset * _NS - now_ns) / _NS))


def told_s(headers: Mapping[str, str]) -> float | None:
    """Give the seconds of `Retry-After`, as a broker says them that is away for a while; None where it does not."""
    said = _whole(headers.get("retry-after"))
    return None if said is None else float(said)


def tells_when(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer says when the next request is welcome."""
    return _whole(headers.get("retry-after")) is not None or _whole(headers.get("x-ratelimit-reset")) is not None


def _whole(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        return None
    return int(text)
