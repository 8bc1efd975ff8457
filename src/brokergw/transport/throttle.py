"""A broker's request budget: a token bucket that keeps a share for cancels, and bans until a time."""

from collections.abc import Callable, Mapping
from typing import Final

from brokergw.model.outcome import Budget

_NS: Final = 1_000_000_000


class Spent(Exception):
    """The budget is spent; a request may be made after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"the broker's request budget is spent for {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s


class Throttle:
    """Requests of one account at one broker, counted before they are made.

    The bucket holds a minute's worth and refills evenly. Ordinary requests leave `cancel_share` of it untouched,
    so that a cancel always finds a token. `per_minute` None counts nothing; bans hold even then.
    """

    def __init__(self, per_minute: int | None, *, monotonic: Callable[[], float], cancel_share: float = 0.2) -> None:
        self._monotonic = monotonic
        self._cancel_share = cancel_share
        self._capacity = float(per_minute) if per_minute is not None else None
        self._tokens = self._capacity or 0.0
        self._filled_at = monotonic()
        self._banned_until = 0.0

    def take(self, *, cancel: bool = False) -> None:
        """Take a token or raise Spent."""
        now = self._monotonic()
        if now < self._banned_until:
            raise Spent(self._banned_until - now)
        if self._capacity is None:
            return
        self._refill(now)
        needed = 1.0 if cancel else 1.0 + self._capacity * self._cancel_share
        if self._tokens < needed:
            raise Spent((needed - self._tokens) * 60 / self._capacity)
        self._tokens -= 1.0

    def ban(self, seconds: float) -> None:
        """Let nothing through for a while, because the broker said so."""
        self._banned_until = max(self._banned_until, self._monotonic() + seconds)

    def learn(self, budget: Budget) -> None:
        """Follow what the broker's headers say: its limit is the capacity, its remainder the most that is left."""
        if self._capacity is None or budget.limit is None or budget.limit <= 0:
            return
        self._refill(self._monotonic())
        limit = float(budget.limit)
        self._tokens = max(0.0, self._tokens + limit - self._capacity)
        self._capacity = limit
        if budget.remaining is not None:
            self._tokens = min(self._tokens, float(budget.remaining))

    def _refill(self, now: float) -> None:
        assert self._capacity is not None
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._capacity / 60)
        self._filled_at = now


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


def _whole(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        return None
    return int(text)
