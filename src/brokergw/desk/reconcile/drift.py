"""Which accounts have a mismatch that stands: their orders that add risk are refused until somebody has settled it."""

from collections.abc import Sequence
from typing import Final

import structlog

from brokergw.desk.gates.question import Question
from brokergw.desk.rounds import outlived
from brokergw.model.errors import Objection, Reason
from brokergw.model.reconciliation import Reconciliation
from brokergw.ports.clock import Clock
from brokergw.ports.reconciliations import Reconciliations

_REFRESH_S: Final = 1.0

log = structlog.get_logger(__name__)


class Drift:
    """What stands, in memory, for the exposure gate.

    A mismatch stops its user by a halt of its own; this check is what remains when somebody has resumed trading without
    settling it.
    """

    def __init__(self, reconciliations: Reconciliations, clock: Clock) -> None:
        self._reconciliations = reconciliations
        self._clock = clock
        self._open: dict[str, Reconciliation] = {}

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Object to an order that adds risk on an account whose record differs from its broker's."""
        standing = self._open.get(question.session.connection.account_id)
        if standing is None or question.reduces:
            return []
        return [
            Objection(
                Reason.RECONCILIATION_DRIFT,
                "account",
                f"the record and the broker differ in {each.subject}, and nobody has settled it",
                limit=each.record,
                observed=each.broker,
            )
            for each in standing.differences
            if not each.explained
        ]

    async def refresh(self) -> None:
        """Read what stands."""
        self._open = {each.account_id: each for each in await self._reconciliations.open()}

    async def keep(self) -> None:
        """Keep what stands fresh until cancelled; while the journal is away no order is admitted anyway."""
        while True:
            with outlived(log, "open mismatches not read"):
                await self.refresh()
            await self._clock.sleep(_REFRESH_S)
