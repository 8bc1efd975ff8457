"""Answers that an earlier process could not record: read at the start, confirmed by the broker, then forgotten.

They are evidence, not state: one that says accepted names the broker's own id, by which the order is found at once;
what another one says goes into the audit, and the look-up by client order id decides.
"""

import asyncio
import json
from functools import partial
from typing import Final

import structlog

from brokergw.desk.record import decisions
from brokergw.desk.record.endings import submit_scope
from brokergw.desk.record.matching import contradictions
from brokergw.desk.record.recorder import Recorder, Step
from brokergw.desk.record.transitions import leg_orders, merge
from brokergw.desk.sessions import Session, Sessions
from brokergw.desk.telling import own_audit
from brokergw.model.capability import ResolutionClass
from brokergw.model.errors import GatewayError
from brokergw.model.events import AuditRow
from brokergw.model.lifecycle import UNRESOLVED, State
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import BrokerOrder, Found, Inconclusive
from brokergw.model.whose import everyone, only
from brokergw.ports.clock import Clock
from brokergw.ports.evidence import Evidence, EvidenceFile
from brokergw.ports.journal import Decision, Journal

_OPEN: Final = UNRESOLVED | {State.SENDING}
_AGAIN_AFTER_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_DETAIL_LENGTH_MAX: Final = 300
_ANY: Final = everyone("an answer kept beside the record names its order and not the user")

log = structlog.get_logger(__name__)


class LeftAnswers:
    """Confirms the answers that earlier processes have left beside the record."""

    def __init__(
        self, journal: Journal, recorder: Recorder, sessions: Sessions, evidence: EvidenceFile, clock: Clock
    ) -> None:
        self._journal = journal
        self._recorder = recorder
        self._sessions = sessions
        self._evidence = evidence
        self._clock = clock

    async def take_up(self) -> None:
        """Confirm all that is there now; what cannot be confirmed stays for the next start."""
        await asyncio.gather(*(self._confirm(evidence) for evidence in self._evidence.all()))

    async def _confirm(self, evidence: Evidence) -> None:
        for delay in (*_AGAIN_AFTER_S, None):
            try:
                if await self._confirmed(evidence):
                    await self._evidence.settled(evidence.order_id)
                    return
            except GatewayError as error:
                log.warning("an answer left over waits", order_id=evidence.order_id, reason=error.reason.value)
            except OSError:
                log.exception("an answer that is on the record could not be forgotten", order_id=evidence.order_id)
                return
            if delay is not None:
                await self._clock.sleep(delay)
        log.error("an answer left over could not be confirmed", order_id=evidence.order_id)

    async def _confirmed(self, evidence: Evidence) -> bool:
        """Tell whether nothing more can be made of an answer."""
        order = await self._journal.order(_ANY, evidence.order_id)
        if order is None or order.attempt != evidence.attempt or order.state not in _OPEN:
            return True
        broker_order_id = _accepted_as(evidence)
        session = await self._sessions.of_account(only(order.user_id), order.account_id) if broker_order_id else None
        if session is None:
            await self._recorder.write(order, partial(self._noted, evidence=evidence))
            return True
        lookup = await session.adapter.get_order(broker_order_id)
        if isinstance(lookup, Inconclusive):
            return False
        if isinstance(lookup, Found) and _is_ours(session, order, lookup.order):
            await self._recorder.write(order, partial(self._merged, seen=lookup.order, evidence=evidence))
            log.info("an order was found by the answer left over", order_id=order.order_id)
        else:
            await self._recorder.write(order, partial(self._noted, evidence=evidence))
        return True

    def _merged(self, order: Order, *, seen: BrokerOrder, evidence: Evidence) -> Step:
        now = self._clock.now_ns()
        after = merge(order, seen, now)
        newest = after or order
        return Step(
            order=after,
            told=seen,
            inserts=leg_orders(order, seen, now),
            decision=Decision(submit_scope(order), decisions.of_order(order.order_id, newest.version), now),
            audit=(_audit(newest, evidence, now),),
            origin=Origin.RECONCILED,
        )

    def _noted(self, order: Order, *, evidence: Evidence) -> Step:
        return Step(order=None, audit=(_audit(order, evidence, self._clock.now_ns()),))


def _is_ours(session: Session, order: Order, seen: BrokerOrder) -> bool:
    """Tell whether what the broker has under the id that it answered with is the order, by its id or by its terms."""
    if session.capabilities.resolution is ResolutionClass.BY_CONTENT:
        return not contradictions(order, seen)
    return seen.client_order_id == order.broker_client_order_id


def _accepted_as(evidence: Evidence) -> str:
    """Read under which id the broker accepted the order; empty where the answer was another one, or is not readable."""
    try:
        return str(json.loads(evidence.outcome).get("broker_order_id", ""))
    except (ValueError, AttributeError):
        return ""


def _audit(order: Order, evidence: Evidence, now_ns: int) -> AuditRow:
    return own_audit(order, now_ns, "order.evidence", detail=evidence.outcome[:_DETAIL_LENGTH_MAX])
