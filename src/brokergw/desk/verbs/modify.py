"""Modify: the new terms reach the broker once, and hold once the broker has taken them."""

from typing import Any

from brokergw.desk.gates.gates import changed_terms
from brokergw.desk.halts.latch import Latch
from brokergw.desk.keys.sends import sent
from brokergw.desk.record.transitions import after_change, hold_after, merge
from brokergw.desk.results import Cleared, OrderResult
from brokergw.desk.sessions import Session
from brokergw.desk.telling import judged_by
from brokergw.desk.verbs.change import PENDING, Changes, Plan
from brokergw.model.commands import ModifyOrder
from brokergw.model.errors import Reason
from brokergw.model.ids import new_id
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Accepted, Outcome
from brokergw.model.principal import Caller
from brokergw.ports.broker import Change
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit


class Modify:
    """Changes working orders."""

    def __init__(self, changes: Changes, latch: Latch, clock: Clock) -> None:
        self._changes = changes
        self._latch = latch
        self._clock = clock

    async def __call__(self, caller: Caller, cleared: Cleared[ModifyOrder]) -> OrderResult:
        """Change an order, or give the answer that the key stands for."""
        command = cleared.command
        order = await self._changes.owned(caller, command.order_id)
        return await self._changes.run(caller, command, order, _plan(cleared, self._latch, self._clock))


def _plan(cleared: Cleared[ModifyOrder], latch: Latch, clock: Clock) -> Plan:
    command, hold = cleared.command, cleared.hold

    async def send(session: Session, order: Order, granted_at: float) -> Outcome:
        change = Change(
            quantity=command.quantity,
            limit_price=command.limit_price,
            stop_price=command.stop_price,
            trail=command.trail,
        )
        permit = Permit(
            order_id=order.order_id,
            attempt=order.attempt,
            client_order_id=new_id("ord").replace("_", "-"),
            granted_at=granted_at,
            monotonic=clock.monotonic,
            stopped=latch.stopped(order, cleared.admission),
        )
        with latch.sending(order, permit):
            command_sent = session.adapter.modify_order(permit, order.broker_order_id, change)
            return await sent(command_sent, session.ready.breaker, permit)

    def accepted(order: Order, outcome: Accepted, now_ns: int) -> Order | None:
        if order.state not in PENDING:
            # The stream was faster and has ended the order meanwhile.
            return merge(order, outcome.order, now_ns) if outcome.order is not None else None
        terms = changed_terms(order.terms, command)
        holds = (
            {"hold_quantity": hold.quantity, "hold_price": hold.price} if hold.quantity else hold_after(order, terms)
        )
        return after_change(order, outcome.order, terms, now_ns, holds)

    def holds(order: Order) -> dict[str, Any]:
        """Hold the larger of what stands and what is asked for: nobody knows which of the two will trade."""
        return {
            "hold_quantity": max(order.hold_quantity, hold.quantity),
            "hold_price": max(order.hold_price, hold.price),
            "trading_day": cleared.trading_day or order.trading_day,
        }

    return Plan(
        verb="modify",
        pending=State.PENDING_MODIFY,
        refused=Reason.MODIFY_REFUSED,
        etag=command.etag,
        send=send,
        accepted=accepted,
        admission=cleared.admission,
        judged_by=judged_by(cleared.limits_version),
        holds=holds,
    )
