"""The lines of the ledger that are at hand: those of one batch, or of all batches of a process that writes alone.

Where nobody else writes, a line serves one batch after the other as the last durable one left it, and the lines that an
order moves together are found as one. After a batch that is not known to be durable everything is read again, since
what it read may have gone with it.
"""

from typing import Final

from brokergw.store.ledger.lines import Place, PlaceKey, PositionLine, UsageLine
from brokergw.store.ledger.rows import PositionKey, UsageKey

_LINES_MAX: Final = 16_384


class AtHand:
    """Lines by key, and the places that they make up; `batch` are those that the present batch is about."""

    def __init__(self) -> None:
        self.positions: Final[dict[PositionKey, PositionLine]] = {}
        self.usage: Final[dict[UsageKey, UsageLine]] = {}
        self.batch: Final[dict[PlaceKey, Place]] = {}
        self._places: dict[PlaceKey, Place] = {}
        self._unsettled = False

    def begin(self) -> None:
        """Begin a batch; where the one before was not settled, with nothing at hand."""
        if self._unsettled:
            self.forget()
        self._unsettled = True

    def take(self, key: PlaceKey) -> bool:
        """Take a place into the batch; False where its lines are not all at hand."""
        place = self._places.get(key)
        if place is None:
            return False
        self.batch[key] = place
        return True

    def put(self, key: PlaceKey, place: Place) -> None:
        """Put a place together, and take it into the batch."""
        self._places[key] = self.batch[key] = place

    def moved(self) -> tuple[list[PositionLine], list[UsageLine]]:
        """Give the lines that the batch has moved, in the order of their keys."""
        around = [each for place in self.batch.values() for each in place.around]
        positions = {each.holding.key: each.holding for each in around if each.holding.moved}
        usage = {each.usage.key: each.usage for each in around if each.usage.moved}
        return [positions[key] for key in sorted(positions)], [usage[key] for key in sorted(usage)]

    def settle(self) -> None:
        """Take note that the batch is durable. Where too many lines have come together, all begin anew."""
        for place in self.batch.values():
            place.settle()
        self.batch.clear()
        self._unsettled = False
        if len(self.positions) + len(self.usage) > _LINES_MAX:
            self.forget()

    def forget(self) -> None:
        """Have everything read again: somebody else may have written."""
        for each in (self.positions, self.usage, self.batch, self._places):
            each.clear()
