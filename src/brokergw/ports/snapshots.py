"""How open orders stand at one moment: whole, or only what tells them apart."""

from dataclasses import dataclass

from brokergw.model.lifecycle import State
from brokergw.model.order import Order


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Open orders of some accounts, and each account's last sequence, at one and the same moment."""

    orders: tuple[Order, ...]
    sequences: dict[str, int]


@dataclass(frozen=True, slots=True)
class OrderHead:
    """Where an open order stands, without the rest of it."""

    order_id: str
    version: int
    state: State
    broker_order_ids: tuple[str, ...]
    broker_client_order_id: str

    @property
    def names(self) -> tuple[str, ...]:
        """Every name under which the broker may tell of it."""
        own = (self.broker_client_order_id,) if self.broker_client_order_id else ()
        return (*self.broker_order_ids, *own)
