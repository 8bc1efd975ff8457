"""The metric of orders in doubt."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from brokergw.app.doubts import Doubts
from brokergw.model.lifecycle import State
from tests.fixtures.clock import FakeClock
from tests.fixtures.edge_samples import an_order
from tests.fixtures.memory_journal import MemoryJournal


async def test_orders_in_doubt_are_counted_by_state_every_ten_seconds(still_clock: FakeClock) -> None:
    """Each state of doubt has its own figure, zero included, and the record is not read more often than needed."""
    journal, registry = MemoryJournal(), CollectorRegistry()
    doubts = Doubts(registry, journal, still_clock)

    def figures() -> list[float | None]:
        states = ("IN_DOUBT", "RESOLVED_ABSENT", "MANUAL")
        return [registry.get_sample_value("brokergw_orders_in_doubt", {"state": state}) for state in states]

    await doubts.look()
    assert figures() == [0, 0, 0]
    for number, state in enumerate((State.IN_DOUBT, State.IN_DOUBT, State.MANUAL, State.WORKING)):
        journal.by_id[str(number)] = replace(an_order(), order_id=str(number), state=state)
    await doubts.look()
    assert figures() == [0, 0, 0]
    still_clock.advance(10)
    await doubts.look()
    assert figures() == [2, 0, 1]
