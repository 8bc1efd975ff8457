"""Cancels that were asked of brokers while the record was away: kept beside it until it has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyCancel:
    """One cancel: who asked for it under which key, and what the broker said.

    Times are Unix nanoseconds. `ending` is ACCEPTED, REJECTED, NOT_SENT or UNKNOWN, and empty while nothing has been
    heard; `decision` is what the key came to (JSON made by the desk), empty where that is not known.
    """

    entry_id: str
    time_ns: int
    user_id: str
    key_id: str
    request_id: str
    account_id: str
    order_id: str
    broker_order_id: str
    idempotency_key: str
    fingerprint: str
    ending: str = ""
    decision: str = ""
    answer_time_ns: int = 0


class EmergencyFull(OSError):
    """As many cancels are kept as there is room for."""


class EmergencyJournal(Protocol):
    """The file of such cancels, those of earlier processes included. Every write raises OSError where it fails."""

    async def asked(self, entry: EmergencyCancel) -> None:
        """Keep a cancel that is about to be asked for; it is on the disk when this returns. Raises EmergencyFull."""
        ...

    async def answered(self, entry_id: str, ending: str, decision: str, time_ns: int) -> None:
        """Keep what the broker said; there is always room for it."""
        ...

    def pending(self) -> Sequence[EmergencyCancel]:
        """Give every cancel that is not on the record, in the order in which they were asked for."""
        ...

    async def recorded(self, entry_ids: Sequence[str]) -> None:
        """Forget cancels that are on the record now."""
        ...
