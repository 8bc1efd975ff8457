"""The newest part of one account's log: one piece without a hole, however its events arrive."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from brokergw.model.events import LogEvent

KEPT: Final = 2_048
_EARLY_MAX: Final = 1_024


class Recent:
    """The events after `base` up to `end`; both are None while nothing is known of the account.

    An event that is ahead of its turn waits until what is before it has been read; one that is known is dropped.
    """

    __slots__ = ("_early", "_events", "base", "end")

    def __init__(self) -> None:
        self._events: deque[LogEvent] = deque()
        self._early: dict[int, LogEvent] = {}
        self.base: int | None = None
        self.end: int | None = None

    @property
    def has_hole(self) -> bool:
        """Whether something waits for what is before it."""
        return bool(self._early)

    def learn(self, latest: int) -> bool:
        """Take what the record says its last sequence is; tells whether there is something to read."""
        if self.end is None:
            self._begin(latest)
        assert self.end is not None
        if latest - self.end > KEPT:
            # Reading what would not be kept is of no use: who wants it reads it for itself.
            self._begin(latest - KEPT)
        return latest > self.end or self.has_hole

    def take(self, events: Sequence[LogEvent]) -> bool:
        """Take events in whatever order; tells whether the piece has grown."""
        before = self.end
        for event in events:
            if self.end is None:
                self._begin(event.sequence - 1)
            self._early[event.sequence] = event
        self._join()
        if len(self._early) > _EARLY_MAX:
            self._begin(max(self._early))
        return self.end != before

    def __len__(self) -> int:
        return len(self._events)

    def part(self, after: int, limit: int) -> tuple[LogEvent, ...]:
        """Give the events after a sequence that is not before `base`."""
        assert self.base is not None
        skip = after - self.base
        return tuple(islice(self._events, skip, skip + limit))

    def _begin(self, base: int) -> None:
        self._events.clear()
        self.base = self.end = base
        self._join()

    def _join(self) -> None:
        assert self.base is not None
        assert self.end is not None
        early = self._early
        while (event := early.pop(self.end + 1, None)) is not None:
            self._events.append(event)
            self.end += 1
        if early and min(early) <= self.end:
            self._early = {sequence: event for sequence, event in early.items() if sequence > self.end}
        self.trim(KEPT)

    def trim(self, kept: int) -> None:
        """Keep at most so many events."""
        while len(self._events) > kept:
            self._events.popleft()
            assert self.base is not None
            self.base += 1
