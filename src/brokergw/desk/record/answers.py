"""A broker's answers on their way to the record: they get there, however long the journal stays away.

An answer is told once. While it cannot be recorded it is in memory and beside the record, on the disk; if the process
ends before the journal is back, the next one finds it there and asks the broker again.
"""

import json
from collections.abc import Callable
from typing import Final

import structlog

from brokergw.desk.record.recorder import Recorder, Step, Written
from brokergw.model.errors import RECORD_AWAY, GatewayError
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected
from brokergw.ports.clock import Clock
from brokergw.ports.evidence import Evidence, EvidenceFile

_AGAIN_AFTER_S: Final = 2.0

log = structlog.get_logger(__name__)


class Answers:
    """Records answers for as long as it takes."""

    def __init__(self, recorder: Recorder, evidence: EvidenceFile | None, clock: Clock) -> None:
        self._recorder = recorder
        self._evidence = evidence
        self._clock = clock

    async def record(self, order: Order, outcome: Outcome, step_from: Callable[[Order], Step]) -> Written:
        """Write what `step_from` makes of an answer to the order's present attempt."""
        kept = False

        async def keep() -> None:
            nonlocal kept
            kept = kept or await self._keep(order, outcome)

        while True:
            try:
                written = await self._recorder.write(order, step_from, away=keep)
            except GatewayError as error:
                if error.reason not in RECORD_AWAY:
                    raise
                await keep()
                await self._clock.sleep(_AGAIN_AFTER_S)
                continue
            if kept:
                await self._settled(order)
            return written

    async def _keep(self, order: Order, outcome: Outcome) -> bool:
        """Put an answer on the disk; gives whether it is there. Memory has it in any case."""
        if self._evidence is None:
            return False
        try:
            await self._evidence.keep(Evidence(order.order_id, order.attempt, _written(outcome)))
        except OSError:
            log.exception("an answer that waits for the journal could not be kept beside it", order_id=order.order_id)
            return False
        return True

    async def _settled(self, order: Order) -> None:
        assert self._evidence is not None
        try:
            await self._evidence.settled(order.order_id)
        except OSError:
            log.exception("an answer that is on the record could not be forgotten beside it", order_id=order.order_id)


def _written(outcome: Outcome) -> str:
    """Say in JSON what an answer was: enough to know where to look, never enough to act on without asking."""
    match outcome:
        case Accepted(order=order):
            facts = {"ending": "accepted", "broker_order_id": order.broker_order_id if order is not None else ""}
        case Rejected():
            facts = {"ending": "rejected", "reason": outcome.reason, "broker_code": outcome.broker_code}
        case NotSent():
            facts = {"ending": "not_sent", "why": outcome.why}
        case _:
            facts = {"ending": "unknown", "why": outcome.why}
    return json.dumps(facts)
