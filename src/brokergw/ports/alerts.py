"""How alerts get to people: the channels they go through, and the durable list of what has not arrived yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from brokergw.model.alerts import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """An alert on its way. `alert_id` stays the same however often it is delivered, so that a receiver can tell.

    `count` is how often the same alert was raised within the while that this message stands for.
    """

    alert_id: str
    alert: Alert
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A message that one channel has not delivered yet: how often it was tried, and when it is next."""

    message: AlertMessage
    channel: str
    tries: int
    next_try_ns: int


class AlertNotDelivered(Exception):
    """A channel could not deliver, or nobody knows whether it did; the words hold no secret."""


class AlertChannel(Protocol):
    """One way to tell people."""

    @property
    def name(self) -> str:
        """What the outbox calls it, for ever: `webhook`, `email`."""
        ...

    async def deliver(self, message: AlertMessage) -> None:
        """Make one attempt; raises AlertNotDelivered. The same message may come again."""
        ...

    async def close(self) -> None:
        """Give up connections and threads."""
        ...


class AlertOutbox(Protocol):
    """What has not been delivered, over restarts and for every process; each call may raise JOURNAL_UNAVAILABLE."""

    async def add(self, rows: Sequence[Undelivered]) -> None:
        """Put messages on record; one that is there already stays as it is."""
        ...

    async def take_due(self, now_ns: int, until_ns: int, limit: int) -> Sequence[Undelivered]:
        """Give up to so many whose next try has come, oldest first, and put that off to `until_ns`: of several
        processes one gets each.
        """
        ...

    async def put_off(self, alert_id: str, channel: str, next_try_ns: int) -> None:
        """Count a failed try, and say when the next one is."""
        ...

    async def delivered(self, alert_id: str, channel: str) -> None:
        """Forget what was delivered, or given up."""
        ...
