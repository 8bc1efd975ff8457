"""Which positions closing orders on their way are for, so that two sent at once do not both name the same one.

cTrader shows a position until it is closed, and no market order that is about to close it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.adapters.ctrader.mapping import Held
from brokergw.model.terms import OrderTerms, Side
from brokergw.ports.clock import Clock

HELD_S: Final = 10.0
"""How long a claim holds a position that does not change; what was sent for it has long been done or refused then."""


@dataclass(frozen=True, slots=True)
class _Claim:
    quantity: Decimal
    until: float


class Claims:
    """The positions of one account that an order has named and that have not changed since."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[int, _Claim] = {}

    def take(self, parts: Iterable[Held], symbol_id: int, terms: OrderTerms) -> Held | None:
        """Choose the position that an order makes smaller: the smallest that is large enough and not claimed."""
        now = self._clock.monotonic()
        shown = {part.position_id: part for part in parts}
        self._held = {
            place: claim
            for place, claim in self._held.items()
            if place in shown and shown[place].quantity == claim.quantity and now < claim.until
        }
        sign = -1 if terms.side is Side.BUY else 1
        quantity = terms.quantity or Decimal(0)
        fit = [
            part
            for part in shown.values()
            if part.symbol_id == symbol_id and part.quantity * sign >= quantity and part.position_id not in self._held
        ]
        chosen = min(fit, key=lambda part: (abs(part.quantity), part.position_id), default=None)
        if chosen is not None:
            self._held[chosen.position_id] = _Claim(chosen.quantity, now + HELD_S)
        return chosen

    def give_back(self, part: Held) -> None:
        """Let a position be chosen again, since nothing was done to it."""
        self._held.pop(part.position_id, None)
