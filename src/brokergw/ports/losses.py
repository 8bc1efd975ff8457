"""The durable record of what accounts have lost on each trading day."""

from collections.abc import Sequence
from typing import Protocol

from brokergw.model.loss import RiskDay


class RiskDays(Protocol):
    """One row for each account and trading day; every call may raise JOURNAL_UNAVAILABLE."""

    async def open(self, day: RiskDay) -> RiskDay:
        """Begin an account's day; gives the day as it stands, which another process may have begun otherwise."""
        ...

    async def keep(self, day: RiskDay) -> None:
        """Write how a day stands; how it began stays, and so does when it first crossed a limit."""
        ...

    async def changed_since(self, time_ns: int) -> Sequence[RiskDay]:
        """Give the days whose equity was last seen at or after a time."""
        ...
