"""Who recounts the ledger, and what becomes of a difference."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from brokergw.desk.record.ledger_sweep import LedgerSweep
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.ports.ledger import LedgerDifference
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_journal import MemoryJournal
from tests.fixtures.memory_leases import LeaseTable, MemoryLeases

DIFFERENCE = LedgerDifference(subject="USER/alice", measure="exposure", recorded=Decimal("10.50"), counted=Decimal(10))


class Told:
    """Keeps every alert."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def notify(self, alert: Alert) -> None:
        self.alerts.append(alert)


class Recounted(MemoryJournal):
    """A journal whose recounts a test decides."""

    differences: Sequence[LedgerDifference] = ()
    counted = 0

    async def recount(self) -> Sequence[LedgerDifference]:
        self.counted += 1
        return self.differences


async def test_difference_is_told_with_both_figures(still_clock: FakeClock) -> None:
    """A ledger that is not what its orders come to is a critical alert, and nothing is mended."""
    journal, told = Recounted(), Told()
    leases = MemoryLeases(LeaseTable(still_clock))
    await leases.renew(())
    sweep = LedgerSweep(journal, leases, told, still_clock)
    assert await sweep.once() == ()
    assert told.alerts == []
    journal.differences = (DIFFERENCE,)
    await sweep.once()
    (alert,) = told.alerts
    assert (alert.kind, alert.severity, alert.subject) == (AlertKind.LEDGER_DIFFERS, Severity.CRITICAL, "USER/alice")
    assert alert.facts == (("USER/alice exposure", "recorded 10.5, counted 10"),)


@pytest.mark.parametrize(("name", "counts"), [("ins_a", 1), ("ins_c", 0)])
async def test_one_of_the_living_recounts(still_clock: FakeClock, name: str, counts: int) -> None:
    """Of several processes the one whose name comes first recounts."""
    table, journal = LeaseTable(still_clock), Recounted()
    await MemoryLeases(table, "ins_b").renew(())
    leases = MemoryLeases(table, name)
    await leases.renew(())
    await LedgerSweep(journal, leases, Told(), still_clock).once()
    assert journal.counted == counts
