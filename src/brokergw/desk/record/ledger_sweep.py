"""Proving the ledger: what is open is counted anew every few seconds, and any difference is a person's business.

Nothing is mended here. A ledger that is above its orders holds somebody back, one that is below lets too much through,
and neither can be told from a fault in the counting itself.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from brokergw.desk.rounds import outlived
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.money import format_decimal
from brokergw.ports.clock import Clock
from brokergw.ports.leases import Leases
from brokergw.ports.ledger import Ledger, LedgerDifference
from brokergw.ports.notifier import Notifier

_EVERY_S: Final = 10.0
_FACTS_MAX: Final = 10

log = structlog.get_logger(__name__)


class LedgerSweep:
    """Recounts in one of the processes that live: the one whose name comes first."""

    def __init__(self, ledger: Ledger, leases: Leases, notifier: Notifier, clock: Clock) -> None:
        self._ledger = ledger
        self._leases = leases
        self._notifier = notifier
        self._clock = clock

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self._clock.sleep(_EVERY_S)
            with outlived(log, "the ledger could not be recounted"):
                await self.once()

    async def once(self) -> Sequence[LedgerDifference]:
        """Recount where this is the process that does, and tell of every difference."""
        if min(await self._leases.living(), default="") != self._leases.instance_id:
            return ()
        differences = await self._ledger.recount()
        if differences:
            facts = tuple(map(_fact, differences[:_FACTS_MAX]))
            log.error("the ledger differs from its orders", differences=len(differences), facts=dict(facts))
            self._notifier.notify(_alert(differences, facts, self._clock.now_ns()))
        return differences


def _fact(difference: LedgerDifference) -> tuple[str, str]:
    recorded, counted = format_decimal(difference.recorded), format_decimal(difference.counted)
    return f"{difference.subject} {difference.measure}", f"recorded {recorded}, counted {counted}"


def _alert(differences: Sequence[LedgerDifference], facts: tuple[tuple[str, str], ...], now_ns: int) -> Alert:
    return Alert(
        kind=AlertKind.LEDGER_DIFFERS,
        severity=Severity.CRITICAL,
        subject=differences[0].subject,
        message=f"the ledger differs from what the open orders come to in {len(differences)} places",
        time_ns=now_ns,
        facts=facts,
    )
