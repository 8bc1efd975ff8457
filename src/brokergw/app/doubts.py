"""How many orders are in doubt, as a metric: what an alert should stand on."""

from collections import Counter
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from brokergw.model.lifecycle import UNRESOLVED
from brokergw.model.whose import everyone
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

_EVERY_S: Final = 10.0
_OF_ALL = everyone("the metric counts what is open at everybody's accounts")


class Doubts:
    """Counts the orders of open outcome on the record, by state; every process shows the same."""

    def __init__(self, registry: CollectorRegistry, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._due_at = clock.monotonic()
        self._gauge = Gauge(
            "brokergw_orders_in_doubt", "Orders of which nobody knows for good.", ("state",), registry=registry
        )

    async def look(self) -> None:
        """Count, where the last count is old enough; raises GatewayError when the record cannot be read."""
        now = self._clock.monotonic()
        if now < self._due_at:
            return
        self._due_at = now + _EVERY_S
        counts = Counter(order.state for order in await self._journal.open_orders(_OF_ALL, states=UNRESOLVED))
        for state in sorted(UNRESOLVED):
            self._gauge.labels(state.value).set(counts[state])
