"""Submit: one commit before the broker is asked, one after it has answered, and in between one send, once."""

from dataclasses import replace
from typing import Final

from brokergw.desk import decisions
from brokergw.desk.parts import Parts
from brokergw.desk.recall import ATTEMPTS_MAX, in_progress, scope_of
from brokergw.desk.recorder import Step, Written
from brokergw.desk.results import Cleared, OrderResult, Result
from brokergw.desk.sends import sent
from brokergw.desk.sessions import Session
from brokergw.desk.telling import BROKER_MESSAGE_LENGTH_MAX, broker_refusal, nothing_sent, order_audit
from brokergw.desk.transitions import leg_orders, merge, move, order_event
from brokergw.model.commands import SubmitOrder
from brokergw.model.errors import GatewayError, PreflightDenied, Reason, Retry
from brokergw.model.ids import new_id
from brokergw.model.lifecycle import State
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.principal import Caller
from brokergw.ports.journal import (
    ClientOrderIdTaken,
    Commit,
    CommitResult,
    Decision,
    KeyClaim,
    KeyTaken,
    Stale,
)
from brokergw.ports.permit import Permit

_SEND_WITHIN_NS: Final = 2_000_000_000


class Submit:
    """Places orders."""

    def __init__(self, parts: Parts) -> None:
        self._journal = parts.journal
        self._book = parts.book
        self._recorder = parts.recorder
        self._sends = parts.sends
        self._sessions = parts.sessions
        self._recall = parts.recall
        self._resolver = parts.resolver
        self._clock = parts.clock
        self._instance_id = parts.instance_id

    async def __call__(self, caller: Caller, cleared: Cleared[SubmitOrder]) -> OrderResult:
        """Place a cleared order, or give the answer that its key stands for already."""
        command = cleared.command
        if command.validate_only:
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
        unit = self._admission(caller, command, order, now)
        scope = scope_of(caller, command)
        unit = replace(unit, decision=Decision(scope, decisions.of_error(denial), now))
        result = await self._journal.commit(unit)
        if isinstance(result, KeyTaken):
            denial.order_id = result.record.subject
            if result.record.decision != decisions.NOT_SENT:
                # Another call under the key was let through meanwhile; its answer stands, not this one's.
                raise in_progress(result.record.subject)

    async def _run(self, caller: Caller, cleared: Cleared[SubmitOrder]) -> Result:
        session = await self._sessions.usable(caller.user_id, cleared.command.account_id)
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
        )
        outcome = await sent(session.adapter.submit_order(permit, admitted.terms))
        return await self._settle(caller, cleared.command, session, admitted, outcome)

    async def _admit(self, caller: Caller, cleared: Cleared[SubmitOrder]) -> Order | Result:
        """Make the intent durable: from here on the order may be sent, by this task and nobody else."""
        order = self._intent(caller, cleared, State.SENDING)
        unit = self._admission(caller, cleared.command, order, order.create_time_ns)
        match await self._commit_or_find(unit, order):
            case KeyTaken(record=record):
                known = await self._recall.of_record(record, cleared.command.fingerprint)
                return known if known is not None else await self._again(record.subject)
            case ClientOrderIdTaken(order_id=taken):
                raise GatewayError(
                    Reason.CLIENT_ORDER_ID_TAKEN,
                    "the account has used this client order id before",
                    metadata={"clientOrderId": cleared.command.client_order_id},
                    order_id=taken,
                )
            case _:
                self._book.remember(order)
                return order

    async def _commit_or_find(self, unit: Commit, order: Order) -> CommitResult | None:
        """Commit an admission; when nobody knows whether it is durable, look, and send only if it is and is fresh."""
        try:
            return await self._journal.commit(unit)
        except GatewayError as error:
            if error.reason is not Reason.JOURNAL_OUTCOME_UNKNOWN or unit.claim is None:
                raise
            record = await self._journal.key_of(unit.claim.scope)
            if record is None or record.subject != order.order_id:
                raise
            if self._clock.now_ns() - order.create_time_ns <= _SEND_WITHIN_NS:
                return None
            await self._recorder.write(order, lambda o: self._unsent(unit, o))
            raise

    def _unsent(self, unit: Commit, order: Order) -> Step | None:
        now = self._clock.now_ns()
        if order.state is not State.SENDING or unit.claim is None:
            return None
        decision = Decision(unit.claim.scope, decisions.NOT_SENT, now)
        return Step(order=move(order, State.NOT_SENT, now), decision=decision)

    async def _again(self, order_id: str) -> Order:
        """Admit an order once more after a proof that nothing of it was sent."""
        order = await self._book.get(order_id)
        if order is None or order.state is not State.NOT_SENT:
            raise in_progress(order_id)
        if order.attempt >= ATTEMPTS_MAX:
            raise nothing_sent("this key has been tried often enough", order_id, retry=Retry.NEW_KEY)
        now = self._clock.now_ns()
        order = order.next(
            now,
            state=State.SENDING,
            attempt=order.attempt + 1,
            submit_time_ns=now,
            complete_time_ns=None,
            sender=self._instance_id,
        )
        unit = Commit(updates=(order,), events=(order_event(order, Origin.LIVE, now, now),))
        if isinstance(await self._journal.commit(unit), Stale):
            raise in_progress(order_id)
        self._book.remember(order)
        return order

    async def _settle(
        self, caller: Caller, command: SubmitOrder, session: Session, order: Order, outcome: Outcome
    ) -> OrderResult:
        """Make the broker's answer durable and turn it into the caller's."""
        written = await self._recorder.write(order, lambda o: self._step(caller, command, o, outcome))
        settled = written.order
        match outcome:
            case Accepted():
                return OrderResult(order=settled, decision_time_ns=settled.update_time_ns, positions=written.positions)
            case Rejected():
                raise rejection(settled.order_id, outcome)
            case NotSent():
                raise nothing_sent(outcome.why, settled.order_id, retry_after_s=outcome.retry_after_s)
            case Unknown():
                session.later(f"settle {settled.order_id}", lambda: self._resolver.settle(session, settled))
                return _in_doubt(written)

    def _step(self, caller: Caller, command: SubmitOrder, order: Order, outcome: Outcome) -> Step:
        now = self._clock.now_ns()
        scope = scope_of(caller, command)
        audit = (order_audit(caller, now, f"order.{_ENDINGS[type(outcome)]}", order),)
        match outcome:
            case Accepted():
                after = accepted(order, outcome, now)
                legs = leg_orders(order, outcome.order, now) if outcome.order is not None else ()
                current = after or order
                decision = Decision(scope, decisions.of_order(current.order_id, current.version), now)
                return Step(order=after, fills=outcome.fills, inserts=legs, decision=decision, audit=audit)
            case Rejected():
                refused = refuse(order, outcome, now)
                decision = Decision(scope, decisions.of_error(rejection(order.order_id, outcome)), now)
                return Step(order=refused, decision=decision, audit=audit)
            case NotSent():
                unsent = move(order, State.NOT_SENT, now) if order.state is State.SENDING else None
                return Step(order=unsent, decision=Decision(scope, decisions.NOT_SENT, now), audit=audit)
            case Unknown():
                doubtful = move(order, State.IN_DOUBT, now) if order.state is State.SENDING else None
                return Step(order=doubtful, audit=audit)

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

    def _admission(self, caller: Caller, command: SubmitOrder, order: Order, now: int) -> Commit:
        claim = KeyClaim(
            scope=scope_of(caller, command), fingerprint=command.fingerprint, subject=order.order_id, time_ns=now
        )
        action = "order.denied" if order.state is State.DENIED else "order.admitted"
        return Commit(
            claim=claim,
            inserts=(order,),
            events=(order_event(order, Origin.LIVE, now, now),),
            audit=(order_audit(caller, now, action, order),),
        )


_ENDINGS = {Accepted: "accepted", Rejected: "rejected", NotSent: "not_sent", Unknown: "in_doubt"}


def accepted(order: Order, outcome: Accepted, now_ns: int) -> Order | None:
    """Give the order once the broker has taken it; None when the stream was faster and told as much already."""
    if outcome.order is None:
        return move(order, State.ACKED, now_ns) if order.state is State.SENDING else None
    return merge(order, outcome.order, now_ns)


def refuse(order: Order, outcome: Rejected, now_ns: int) -> Order | None:
    """Give the order after a definitive refusal."""
    if order.state is not State.SENDING:
        return None
    return move(
        order,
        State.REJECTED_BY_BROKER,
        now_ns,
        rejected_by="BROKER",
        reject_reason=outcome.reason,
        broker_message=outcome.broker_message[:BROKER_MESSAGE_LENGTH_MAX],
    )


def rejection(order_id: str, outcome: Rejected) -> GatewayError:
    """Make the error that tells of a broker's refusal."""
    return broker_refusal(Reason.BROKER_REJECTED, "the order", outcome, order_id)


def _in_doubt(written: Written) -> OrderResult:
    return OrderResult(order=written.order, positions=written.positions)
