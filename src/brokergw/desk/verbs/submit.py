"""Submit: one commit before the broker is asked, one after it has answered, and in between one send, once."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from brokergw.desk.keys.recall import ATTEMPTS_MAX, in_progress, key_expired, scope_of
from brokergw.desk.keys.sends import sent
from brokergw.desk.record import decisions
from brokergw.desk.record.admission import nothing_to_undo
from brokergw.desk.record.endings import refused
from brokergw.desk.record.matching import may_take
from brokergw.desk.record.recorder import Step
from brokergw.desk.record.refused import denial_of
from brokergw.desk.record.transitions import adopt, leg_orders, move, order_event
from brokergw.desk.results import Cleared, OrderResult, Result
from brokergw.desk.sessions import Session
from brokergw.desk.telling import (
    broker_refusal,
    denial_in_words,
    judged_by,
    not_placed,
    nothing_sent,
    order_audit,
)
from brokergw.desk.verbs.parts import Parts
from brokergw.model.commands import SubmitOrder
from brokergw.model.errors import GatewayError, PreflightDenied, Reason, Retry
from brokergw.model.ids import new_id
from brokergw.model.lifecycle import UNRESOLVED, State
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.principal import Caller
from brokergw.model.whose import only
from brokergw.ports.journal import Admission as CommitAdmission
from brokergw.ports.journal import (
    AdmissionRefused,
    CapsReached,
    ClientOrderIdTaken,
    Commit,
    Decision,
    KeyClaim,
    KeyTaken,
    Repeated,
    Stale,
    TradingStopped,
    WouldIncrease,
)
from brokergw.ports.permit import Permit

_SPENT: Final = "permit spent"
_UNSPENT: Final = "permit not spent"


class Submit:
    """Places orders."""

    def __init__(self, parts: Parts) -> None:
        self._journal = parts.journal
        self._book = parts.book
        self._answers = parts.answers
        self._sends = parts.sends
        self._sessions = parts.sessions
        self._recall = parts.recall
        self._resolver = parts.resolver
        self._one_at_a_time = parts.one_at_a_time
        self._clock = parts.clock
        self._instance_id, self._day_of = parts.instance_id, parts.day_of
        self._admission = parts.admission
        self._latch, self._storms = parts.halting.latch, parts.halting.storms
        self._limit_alerts = parts.limit_alerts

    async def __call__(self, caller: Caller, cleared: Cleared[SubmitOrder]) -> OrderResult:
        """Place a cleared order, or give the answer that its key stands for already."""
        command = cleared.command
        if command.validate_only:
            await self._try(caller, cleared)
            return OrderResult(order=self._intent(caller, cleared, State.INTENT))
        answer = await self._sends.once(
            scope_of(caller, command),
            command.fingerprint,
            command.account_id,
            lambda: self._run(caller, cleared),
        )
        assert isinstance(answer, OrderResult)
        return answer

    async def deny(self, caller: Caller, command: SubmitOrder, broker: str, denial: PreflightDenied) -> None:
        """Record a gate's refusal as the final answer for the key."""
        self._limit_alerts.denied(caller.user_id, command.strategy_id, denial)
        now = self._clock.now_ns()
        order = self._order(caller, command, broker, State.DENIED, now)
        order = replace(
            order,
            complete_time_ns=now,
            reject_reason=denial.reason.value,
            rejected_by="GATEWAY",
            broker_message="",
        )
        denial.order_id = order.order_id
        unit = self._first(caller, command, order, now, denial_in_words(denial), nothing_to_undo)
        scope = scope_of(caller, command)
        unit = replace(unit, decision=Decision(scope, decisions.of_error(denial), now))
        result = await self._journal.commit(unit)
        if isinstance(result, KeyTaken):
            denial.order_id = result.record.subject
            if result.record.retired:
                raise key_expired(result.record.subject)
            if result.record.decision != decisions.NOT_SENT:
                # Another call under the key was let through meanwhile; its answer stands, not this one's.
                raise in_progress(result.record.subject)

    async def _try(self, caller: Caller, cleared: Cleared[SubmitOrder]) -> None:
        """Raise what the admission of the order would be refused for now."""
        order = self._intent(caller, cleared, State.SENDING).changed(**self._holding(cleared))
        refusal = await self._journal.judge(order, cleared.admission)
        if refusal is not None:
            denial = denial_of(order, refusal)
            denial.limits_version = cleared.limits_version
            raise denial

    async def _run(self, caller: Caller, cleared: Cleared[SubmitOrder]) -> Result:
        session = await self._sessions.usable_by(caller, cleared.command.account_id)
        if not self._one_at_a_time.applies(session):
            return await self._send(caller, cleared, session)
        async with self._one_at_a_time.turn(session, cleared.command):
            return await self._send(caller, cleared, session)

    async def _send(self, caller: Caller, cleared: Cleared[SubmitOrder], session: Session) -> Result:
        granted_at = self._clock.monotonic()
        admitted = await self._admit(caller, cleared)
        if not isinstance(admitted, Order):
            return admitted
        self._sends.bind(admitted.order_id)
        permit = Permit(
            order_id=admitted.order_id,
            attempt=admitted.attempt,
            client_order_id=admitted.broker_client_order_id,
            granted_at=granted_at,
            monotonic=self._clock.monotonic,
            stopped=self._latch.stopped(admitted, cleared.admission),
        )
        rival = await self._one_at_a_time.rival(session, admitted) if self._one_at_a_time.applies(session) else ""
        outcome: Outcome
        if rival:
            outcome = NotSent(f"{rival} is on its way too, and the broker could not tell the two apart")
        else:
            with self._latch.sending(admitted, permit):
                outcome = await sent(
                    session.adapter.submit_order(permit, admitted.terms), session.ready.breaker, permit
                )
        return await self._settle(caller, cleared.command, session, admitted, permit, outcome)

    async def _admit(self, caller: Caller, cleared: Cleared[SubmitOrder]) -> Order | Result:
        """Make the intent durable: from here on the order may be sent, by this task and nobody else."""
        command = cleared.command
        order = self._intent(caller, cleared, State.SENDING).changed(**self._holding(cleared))
        detail = judged_by(cleared.limits_version)
        undo = partial(self._unsent, caller, command)
        now, late = order.create_time_ns, self._admission.late(order, undo)
        unit = self._first(caller, command, order, now, detail, late, admission=cleared.admission)
        match await self._admission.commit(unit, order, undo):
            case KeyTaken(record=record):
                known = await self._recall.of_record(record, command.fingerprint)
                return known if known is not None else await self._again(caller, cleared, record.subject)
            case ClientOrderIdTaken(order_id=taken):
                raise GatewayError(
                    Reason.CLIENT_ORDER_ID_TAKEN,
                    "the account has used this client order id before",
                    metadata={"clientOrderId": command.client_order_id},
                    order_id=taken,
                )
            case TradingStopped() | CapsReached() | WouldIncrease() | Repeated() as refusal:
                denial = denial_of(order, refusal)
                denial.limits_version = cleared.limits_version
                await self.deny(caller, command, order.broker, denial)
                raise denial
            case _:
                self._book.remember(order)
                return order

    async def _again(self, caller: Caller, cleared: Cleared[SubmitOrder], order_id: str) -> Order:
        """Admit an order once more after a proof that nothing of it was sent."""
        command = cleared.command
        order = await self._book.get(only(caller.user_id), order_id)
        if order is None or order.state is not State.NOT_SENT:
            raise in_progress(order_id)
        if order.attempt >= ATTEMPTS_MAX:
            raise nothing_sent(NotSent("this key has been tried often enough"), order_id, retry=Retry.NEW_KEY)
        now = self._clock.now_ns()
        order = order.next(
            now,
            state=State.SENDING,
            attempt=order.attempt + 1,
            submit_time_ns=now,
            complete_time_ns=None,
            sender=self._instance_id,
            **self._holding(cleared),
        )
        undo = partial(self._unsent, caller, command)
        unit = Commit(
            updates=(order,),
            events=(order_event(order, Origin.LIVE, now, now),),
            audit=(order_audit(caller, now, "order.admitted", order, detail=judged_by(cleared.limits_version)),),
            # Whatever becomes of this attempt: that the last one was not sent allows no third.
            decision=Decision(scope_of(caller, command), decisions.UNDECIDED, now),
            admission=cleared.admission,
            late=self._admission.late(order, undo),
        )
        result = await self._admission.commit(unit, order, undo)
        if isinstance(result, Stale):
            raise in_progress(order_id)
        if isinstance(result, AdmissionRefused):
            # As with a gate: the key was claimed by the first attempt, and may come again once there is room.
            denial = denial_of(order, result)
            denial.order_id = order_id
            raise denial
        self._book.remember(order)
        return order

    def _unsent(self, caller: Caller, command: SubmitOrder, order: Order) -> Step | None:
        """Take back an admission that came too late for its call."""
        if order.state is not State.SENDING:
            return None
        now = self._clock.now_ns()
        unsent = move(order, State.NOT_SENT, now)
        decision = Decision(scope_of(caller, command), decisions.NOT_SENT, now)
        return Step(order=unsent, decision=decision, audit=(order_audit(caller, now, "order.not_sent", unsent),))

    async def _settle(
        self,
        caller: Caller,
        command: SubmitOrder,
        session: Session,
        order: Order,
        permit: Permit,
        outcome: Outcome,
    ) -> OrderResult:
        """Make the broker's answer durable, however long that takes, and turn what stands then into the caller's."""
        written = await self._answers.record(order, outcome, lambda o: self._step(caller, command, o, permit, outcome))
        settled = written.order
        match settled.state:
            case State.REJECTED_BY_BROKER if isinstance(outcome, Rejected):
                self._storms.refused(settled)
                raise rejection(settled.order_id, outcome)
            case State.NOT_SENT if isinstance(outcome, NotSent):
                raise nothing_sent(outcome, settled.order_id)
            case State.SENDING | State.NOT_SENT:
                # Another attempt has begun; the answer to this one says nothing about it.
                raise in_progress(settled.order_id)
            case State.RESOLVED_ABSENT | State.ABSENT:
                raise not_placed(settled)
            case State.IN_DOUBT:
                session.later(f"settle {settled.order_id}", lambda: self._resolver.settle(session, settled))
                return OrderResult(order=settled, positions=written.positions)
            case _:
                return OrderResult(order=settled, decision_time_ns=settled.update_time_ns, positions=written.positions)

    def _step(self, caller: Caller, command: SubmitOrder, order: Order, permit: Permit, outcome: Outcome) -> Step:
        """Give what an answer makes of the order as it stands; an answer that changes nothing is evidence still."""
        now = self._clock.now_ns()
        if isinstance(outcome, Accepted) and outcome.order is not None and not may_take(order, outcome.order):
            outcome = Unknown("the answer tells of another order than was sent")
        after = answered(order, permit.attempt, outcome, now)
        current = after or order
        text = _decision(current, outcome)
        taken = outcome if isinstance(outcome, Accepted) else Accepted()
        return Step(
            order=after,
            fills=taken.fills,
            inserts=leg_orders(order, taken.order, now) if taken.order is not None else (),
            decision=Decision(scope_of(caller, command), text, now) if text else None,
            audit=(
                order_audit(
                    caller,
                    now,
                    f"order.{_ENDINGS[type(outcome)]}",
                    current,
                    detail=_SPENT if permit.spent else _UNSPENT,
                ),
            ),
        )

    def _intent(self, caller: Caller, cleared: Cleared[SubmitOrder], state: State) -> Order:
        return self._order(caller, cleared.command, cleared.connection.broker, state, self._clock.now_ns())

    def _order(self, caller: Caller, command: SubmitOrder, broker: str, state: State, now: int) -> Order:
        order_id = new_id("ord")
        return Order(
            order_id=order_id,
            user_id=caller.user_id,
            account_id=command.account_id,
            broker=broker,
            terms=command.terms,
            idempotency_key=command.idempotency_key,
            state=state,
            version=1,
            create_time_ns=now,
            update_time_ns=now,
            submit_time_ns=now if state is State.SENDING else None,
            client_order_id=command.client_order_id,
            # The gateway's own id, so that no client's choice can collide with another's at the broker.
            broker_client_order_id=order_id.replace("_", "-"),
            strategy_id=command.strategy_id,
            run_id=command.run_id,
            labels=command.labels,
            sender=self._instance_id if state is State.SENDING else "",
        )

    def _holding(self, cleared: Cleared[SubmitOrder]) -> dict[str, Any]:
        """Give what an order holds from its admission on; one that passed no gate belongs to the present day."""
        hold = cleared.hold
        return {
            "hold_quantity": hold.quantity,
            "hold_price": hold.price,
            "unit_worth": hold.unit_worth,
            "trading_day": cleared.trading_day or self._day_of(self._clock.now_ns()),
            "position_side": hold.position_side,
        }

    def _first(
        self,
        caller: Caller,
        command: SubmitOrder,
        order: Order,
        now: int,
        detail: str,
        late: Callable[[], None],
        *,
        admission: CommitAdmission | None = None,
    ) -> Commit:
        claim = KeyClaim(
            scope=scope_of(caller, command), fingerprint=command.fingerprint, subject=order.order_id, time_ns=now
        )
        action = "order.denied" if order.state is State.DENIED else "order.admitted"
        return Commit(
            claim=claim,
            inserts=(order,),
            events=(order_event(order, Origin.LIVE, now, now),),
            audit=(order_audit(caller, now, action, order, detail=detail),),
            admission=admission,
            late=late,
        )


_ENDINGS = {Accepted: "accepted", Rejected: "rejected", NotSent: "not_sent", Unknown: "in_doubt"}


def answered(order: Order, attempt: int, outcome: Outcome, now_ns: int) -> Order | None:
    """Give the order after the broker's answer to one attempt; None where the answer tells nothing new.

    Others may have moved the order meanwhile: the stream was faster, or the attempt was taken for lost and put in
    doubt. Then only the broker's own word moves it, and never a word about another attempt. What the broker accepted is
    known to be this order.
    """
    if isinstance(outcome, Accepted):
        if outcome.order is not None:
            return adopt(order, outcome.order, now_ns)
        return move(order, State.ACKED, now_ns) if order.state is State.SENDING else None
    if order.attempt != attempt:
        return None
    match outcome:
        case Rejected() if order.state is State.SENDING or order.state in UNRESOLVED - {State.MANUAL}:
            return refused(order, outcome, now_ns)
        case NotSent() if order.state is State.SENDING:
            return move(order, State.NOT_SENT, now_ns)
        case Unknown() if order.state is State.SENDING:
            return move(order, State.IN_DOUBT, now_ns)
        case _:
            return None


def _decision(order: Order, outcome: Outcome) -> str:
    """Decide for the key by what stands on the record, not by the answer alone; empty while the order is in doubt."""
    match order.state:
        case State.SENDING | State.IN_DOUBT | State.MANUAL | State.RESOLVED_ABSENT | State.ABSENT:
            return ""
        case State.NOT_SENT:
            return decisions.NOT_SENT
        case State.REJECTED_BY_BROKER if isinstance(outcome, Rejected):
            return decisions.of_error(rejection(order.order_id, outcome))
        case _:
            return decisions.of_order(order.order_id, order.version)


def rejection(order_id: str, outcome: Rejected) -> GatewayError:
    """Make the error that tells of a broker's refusal."""
    return broker_refusal(Reason.BROKER_REJECTED, "the order", outcome, order_id)
