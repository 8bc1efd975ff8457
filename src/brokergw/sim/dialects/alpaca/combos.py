"""Multi-leg option orders: parents that exist at the broker only, over one exchange order for each leg.

The exchange trades single orders; a combination trades all its legs in one go as soon as their net price allows.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from brokergw.sim.dialects.alpaca.refusals import unprocessable
from brokergw.sim.dialects.alpaca.room import Room
from brokergw.sim.dialects.alpaca.shapes import JsonObject

if TYPE_CHECKING:
    from brokergw.sim.dialects.alpaca.brokerage import Brokerage
    from brokergw.sim.dialects.alpaca.call import Call


@dataclass(slots=True)
class Combo:
    """One multi-leg order."""

    order_id: str
    client_order_id: str
    leg_order_ids: list[str] = field(default_factory=list)


class Combos:
    """The multi-leg orders of every account."""

    def __init__(self, brokerage: "Brokerage") -> None:
        self._brokerage = brokerage

    def submit(self, call: "Call", body: dict[str, Any]) -> JsonObject:
        raise unprocessable("multi-leg orders are not supported")

    def find(self, room: Room, name: str) -> JsonObject | None:
        return None

    def hidden(self, room: Room) -> frozenset[str]:
        return frozenset()

    def cancel(self, room: Room, order_id: str) -> bool:
        return False

    def cancel_all(self, room: Room) -> list[JsonObject]:
        return []

    def tick(self) -> None:
        return None
