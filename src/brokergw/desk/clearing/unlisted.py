"""Orders that the record has open and their broker lists no longer, each with the moment of the first such listing.

Their ends are only waiting to be told. To cancel them again would cost the broker and the record the very time that the
telling needs, and would move them each time, so that they never stood still.
"""

from collections.abc import Collection, Sequence
from typing import Final

from brokergw.model.lifecycle import AT_BROKER
from brokergw.model.order import Order
from brokergw.model.outcome import BrokerOrder
from brokergw.ports.clock import Clock

TOLD_WITHIN_NS: Final = 1_000_000_000
"""How long the stream is given to tell an order's end before it is asked for."""


class Unlisted:
    """What the last listing of each account left out of what had been asked to be cancelled before it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, dict[str, int]] = {}

    def of(self, account_id: str) -> frozenset[str]:
        """Name the orders."""
        return frozenset(self._since.get(account_id, ()))

    def overdue(self, account_id: str) -> list[str]:
        """Name those whose end has not been told in time."""
        before_ns = self._clock.now_ns() - TOLD_WITHIN_NS
        return [order_id for order_id, since_ns in self._since.get(account_id, {}).items() if since_ns <= before_ns]

    def take(
        self, account_id: str, cancelled: Collection[str], resting: Sequence[Order], listed: Sequence[BrokerOrder]
    ) -> None:
        """Compare what rests on record with a listing that was asked for after the cancels of `cancelled`.

        An order that nobody has asked to cancel yet may have come after the listing.
        """
        known, now = self._since.get(account_id, {}), self._clock.now_ns()
        names = {name for seen in listed for name in (seen.broker_order_id, seen.client_order_id)}
        self._since[account_id] = {
            order.order_id: known.get(order.order_id, now)
            for order in resting
            if order.order_id in cancelled
            and order.state in AT_BROKER
            and names.isdisjoint((*order.broker_order_ids, order.broker_client_order_id))
        }

    def forget(self, account_id: str) -> None:
        """Know nothing any more, since the broker does not list."""
        self._since.pop(account_id, None)
