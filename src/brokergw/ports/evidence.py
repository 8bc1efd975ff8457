"""What brokers answered while the record could not be written: kept beside it, until it can."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Evidence:
    """A broker's answer to one attempt at an order; `outcome` is JSON made by the desk."""

    order_id: str
    attempt: int
    outcome: str


class EvidenceFile(Protocol):
    """Answers that are not on the record yet. Evidence, not state: whoever reads it asks the broker again."""

    async def keep(self, evidence: Evidence) -> None:
        """Keep an answer; it is on the disk when this returns. Raises OSError when it cannot be kept."""
        ...

    def all(self) -> Sequence[Evidence]:
        """Give every answer that no record has settled, oldest first, those of earlier processes included."""
        ...

    async def settled(self, order_id: str) -> None:
        """Forget the answers about an order, which is on the record now. Raises OSError."""
        ...
