"""Whatever happens at the exchange, the mock broker's journal has it."""

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings

from brokergw.adapters.mock.journal import MockJournal
from tests.fixtures.exchange_acts import ACCOUNT, ACTS, MULTIPLIERS, Act, World


@settings(max_examples=100, deadline=None)
@given(MULTIPLIERS, ACTS)
def test_the_journal_reads_back_as_the_exchange_stands(multiplier: Decimal, acts: list[Act]) -> None:
    """After each act the file, read anew, gives the state of the exchange; so does the rewritten file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mock.journal")
        journal = MockJournal(path)
        journal.begin()
        world = World(multiplier, observer=journal.note)
        journal.opened(world.exchange.opening(ACCOUNT))
        for act in acts:
            act(world)
            journal.flush()
        journal.close()
        for _ in range(2):
            again = MockJournal(path)
            assert again.state == world.exchange.state()
            again.begin()
            again.close()
