"""What modify and cancel have in common: claim the key and mark the order pending in one commit, ask the broker once,
record its answer in another.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from brokergw.desk.keys.recall import in_progress, scope_of
from brokergw.desk.keys.sends import sent
from brokergw.desk.record import decisions
from brokergw.desk.record.admission import Undo
from brokergw.desk.record.recorder import Step
from brokergw.desk.record.refused import denial_of
from brokergw.desk.record.transitions import holding_of, move, order_event
from brokergw.desk.results import OrderResult, Result
from brokergw.desk.sessions import Session
from brokergw.desk.telling import broker_refusal, nothing_sent, order_audit
from brokergw.desk.verbs.parts import Parts
from brokergw.model.commands import KeyedCommand
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.lifecycle import AT_BROKER, State, is_terminal
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.principal import Caller
from brokergw.model.whose import only
from brokergw.ports.journal import (
    Admission,
    AdmissionRefused,
    Commit,
    Committed,
    Decision,
    KeyClaim,
    KeyTaken,
)

_UNCONFIRMED_NS: Final = 5_000_000_000
"""After this long without a word from the broker a caller may ask for the cancel again."""

PENDING = frozenset({State.PENDING_CANCEL, State.PENDING_MODIFY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One kind of change: its name, how it is sent (with the moment its right to be sent counts from), and what an
    acceptance makes of the order (None: nothing yet).

    Where it may add to what the order holds, `admission` is what it must pass, and `holds` gives what the order holds
    while the change is on its way; `judged_by` says for the audit by which limits.
    """

    verb: str
    pending: State
    refused: Reason
    etag: str
    send: Callable[[Session, Order, float], Awaitable[Outcome]]
    accepted: Callable[[Order, Accepted, int], Order | None]
    admission: Admission | None = None
    judged_by: str = ""
    holds: Callable[[Order], dict[str, Any]] = lambda _: {}


class Changes:
    """Takes a change of an order from the caller to the broker and back."""

    def __init__(self, parts: Parts) -> None:
        self._at = parts

    async def owned(self, caller: Caller, order_id: str) -> Order:
        """Find one of the caller's orders; foreign and missing answer alike."""
        order = await self._at.book.get(only(caller.user_id), order_id)
        if order is None or not await self._at.sessions.reaches(caller, order.account_id):
            raise NotFound(Reason.ORDER_NOT_FOUND, "order", order_id)
        return order

    async def run(self, caller: Caller, command: KeyedCommand, order: Order, plan: Plan) -> OrderResult:
        """Carry out a plan under the command's key, or give the answer that the key stands for."""
        answer = await self._at.sends.once(
            scope_of(caller, command),
            command.fingerprint,
            order.account_id,
            lambda: self._run(caller, command, order, plan),
        )
        assert isinstance(answer, OrderResult)
        return answer

    async def _run(self, caller: Caller, command: KeyedCommand, order: Order, plan: Plan) -> Result:
        session = await self._at.sessions.usable_by(caller, order.account_id)
        granted_at = self._at.clock.monotonic()
        admitted = await self._admit(caller, command, order, plan)
        if not isinstance(admitted, tuple):
            return admitted
        before, pending = admitted
        self._at.sends.bind(pending.order_id)
        outcome = await sent(plan.send(session, pending, granted_at))
        return await self._settle(caller, command, session, before, pending, plan, outcome)

    async def _admit(
        self, caller: Caller, command: KeyedCommand, order: Order, plan: Plan
    ) -> tuple[Order, Order] | Result:
        """Claim the key and mark the order against the version checked here; gives it before and after."""
        now = self._at.clock.now_ns()
        fingerprint = command.fingerprint
        scope = scope_of(caller, command)
        claim: KeyClaim | None = KeyClaim(scope=scope, fingerprint=fingerprint, subject=order.order_id, time_ns=now)
        while True:
            _require_changeable(order, plan, now)
            pending = move(order, plan.pending, now, sender=self._at.instance_id, **plan.holds(order))
            undo = self._undo(caller, command, order, plan)
            unit = Commit(
                claim=claim,
                updates=(pending,),
                events=(order_event(pending, Origin.LIVE, now, now),),
                audit=(self._audit(caller, pending, plan, "admitted", plan.judged_by),),
                # Whatever becomes of a second attempt: that the first was not sent allows no third.
                decision=Decision(scope, decisions.UNDECIDED, now) if claim is None else None,
                admission=plan.admission,
                late=self._at.admission.late(pending, undo),
            )
            result = await self._at.admission.commit(unit, pending, undo)
            if isinstance(result, Committed):
                self._at.book.remember(pending)
                return order, pending
            if isinstance(result, AdmissionRefused):
                raise denial_of(order, result)
            if isinstance(result, KeyTaken):
                # Proved not sent the first time: the key is ours already, the order's version decides who goes on.
                claim = None
            else:
                order = await self._newer(order)
            record = await self._at.journal.key_of(scope) if claim is None else None
            known = await self._at.recall.of_record(record, fingerprint) if record is not None else None
            if known is not None:
                return known

    def _undo(self, caller: Caller, command: KeyedCommand, before: Order, plan: Plan) -> Undo:
        """Take back a change that came onto the record too late to be sent."""

        def undo(current: Order) -> Step:
            now = self._at.clock.now_ns()
            decision = Decision(scope_of(caller, command), decisions.NOT_SENT, now)
            audit = (self._audit(caller, current, plan, "notsent"),)
            return Step(order=_back(current, before, now), decision=decision, audit=audit)

        return undo

    async def _newer(self, order: Order) -> Order:
        """Read an order that has moved on since; the book may hold the old version still."""
        current = await self._at.journal.order(only(order.user_id), order.order_id)
        if current is None:
            raise in_progress(order.order_id)
        self._at.book.remember(current)
        return current

    async def _settle(
        self,
        caller: Caller,
        command: KeyedCommand,
        session: Session,
        before: Order,
        pending: Order,
        plan: Plan,
        outcome: Outcome,
    ) -> OrderResult:
        def step(current: Order) -> Step:
            now = self._at.clock.now_ns()
            after, decision = _conclude(current, before, plan, outcome, now)
            audit = (self._audit(caller, after or current, plan, type(outcome).__name__.lower()),)
            decided = Decision(scope_of(caller, command), decision, now) if decision else None
            fills = outcome.fills if isinstance(outcome, Accepted) else ()
            return Step(order=after, fills=fills, decision=decided, audit=audit)

        written = await self._at.answers.record(pending, outcome, step)
        if not isinstance(outcome, Accepted | NotSent):
            # Refused because it was too late, or the answer was lost: what stands now, only the broker can tell.
            session.later(f"confirm {pending.order_id}", lambda: self._at.resolver.confirm(session, pending))
        if isinstance(outcome, Rejected):
            raise _refusal(plan, outcome, written.order.order_id)
        if isinstance(outcome, NotSent):
            raise nothing_sent(outcome, written.order.order_id)
        return OrderResult(order=written.order, positions=written.positions)

    def _audit(self, caller: Caller, order: Order, plan: Plan, ending: str, detail: str = "") -> AuditRow:
        return order_audit(caller, self._at.clock.now_ns(), f"order.{plan.verb}.{ending}", order, detail=detail)


def _conclude(
    current: Order, before: Order, plan: Plan, outcome: Outcome, now_ns: int
) -> tuple[Order | None, str | None]:
    """Give the order after the broker's answer, and the key's decision; None where there is none (yet)."""
    match outcome:
        case Accepted():
            after = plan.accepted(current, outcome, now_ns)
            return after, decisions.of_order(current.order_id, (after or current).version)
        case Rejected():
            refusal = _refusal(plan, outcome, current.order_id)
            return _back(current, before, now_ns), decisions.of_error(refusal)
        case NotSent():
            return _back(current, before, now_ns), decisions.NOT_SENT
        case Unknown():
            return None, None


def _back(current: Order, before: Order, now_ns: int) -> Order | None:
    """Give the order as it stood before a change that did not happen."""
    if current.state not in PENDING:
        return None
    state = State.PARTIAL if current.cum_quantity > 0 else before.state
    # Where the broker has told of other terms meanwhile, what is held goes by those.
    holds = holding_of(before) if current.terms == before.terms else {}
    return move(current, state, now_ns, **holds)


def _require_changeable(order: Order, plan: Plan, now_ns: int) -> None:
    facts = {"state": order.state.value, "etag": order.etag}

    def no(reason: Reason, words: str) -> GatewayError:
        return GatewayError(reason, words, metadata=facts, order_id=order.order_id)

    if plan.etag and plan.etag != order.etag:
        raise no(Reason.ETAG_MISMATCH, f"the order is now {order.etag}")
    if is_terminal(order.state):
        raise no(Reason.ORDER_TERMINAL, f"the order has ended: {order.state}")
    if order.state in PENDING and not _may_overtake(order, plan, now_ns):
        raise no(Reason.ORDER_PENDING, f"another change is on its way: {order.state}")
    if order.state not in AT_BROKER:
        raise no(Reason.ORDER_OUTCOME_UNKNOWN, f"whether the broker has the order is not known yet: {order.state}")


def _may_overtake(order: Order, plan: Plan, now_ns: int) -> bool:
    """Tell whether a cancel may go out although a change is on its way: asking twice for an end does no harm."""
    return plan.pending is State.PENDING_CANCEL and now_ns - order.update_time_ns >= _UNCONFIRMED_NS


def _refusal(plan: Plan, outcome: Rejected, order_id: str) -> GatewayError:
    return broker_refusal(plan.refused, f"to {plan.verb} the order", outcome, order_id)
