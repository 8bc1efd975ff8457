"""What an operator does about orders in doubt: sees them, of every user, and settles one on evidence.

A verdict is taken where the gateway itself can or will not decide. That the broker has an order is checked there before
it is believed; that it does not, nobody can check, and the operator answers for it by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from brokergw.desk.doubt.resolver import executions
from brokergw.desk.keys.recall import scope_of
from brokergw.desk.record import decisions
from brokergw.desk.record.endings import absent
from brokergw.desk.record.matching import differences, permit_ns
from brokergw.desk.record.recorder import Recorder, Step
from brokergw.desk.record.transitions import adopt, hold_after, leg_orders
from brokergw.desk.results import OrderResult, Result
from brokergw.desk.telling import order_audit
from brokergw.desk.verbs.parts import Parts
from brokergw.model.commands import SettleOrder
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.lifecycle import UNRESOLVED, State
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Absent, BrokerFill, BrokerOrder, Found, Inconclusive
from brokergw.model.principal import Caller
from brokergw.model.whose import everyone
from brokergw.ports.journal import Commit, Decision, Journal, KeyClaim, KeyTaken

SETTLE_AFTER_NS: Final = 300 * 1_000_000_000
"""How long the gateway tries to find out by itself before a verdict is taken on an order that is not for one."""


_OF_ANY: Final = everyone("an operator settles orders in doubt of all users")


@dataclass(frozen=True, slots=True)
class InDoubt:
    """An order of open outcome; `settle_time_ns` is when a verdict on it is taken."""

    order: Order
    age_ns: int
    settle_time_ns: int


class Verdicts:
    """The operators' part of the desk."""

    def __init__(self, parts: Parts, journal: Journal, recorder: Recorder) -> None:
        self._at = parts
        self._journal = journal
        self._recorder = recorder

    async def in_doubt(self, caller: Caller) -> Sequence[InDoubt]:  # noqa: ARG002 - every operator sees the same
        """List the orders in doubt of every user, oldest first."""
        now = self._at.clock.now_ns()
        orders = await self._journal.open_orders(_OF_ANY, states=UNRESOLVED)
        return [InDoubt(order, now - permit_ns(order), settle_time_ns(order)) for order in orders]

    async def settle(self, caller: Caller, command: SettleOrder) -> OrderResult:
        """Settle an order, or give the answer that the key stands for."""
        order = await self._journal.order(_OF_ANY, command.order_id)
        if order is None:
            raise NotFound(Reason.ORDER_NOT_FOUND, "order", command.order_id)

        async def work() -> Result:
            return await self._settle(caller, command, order)

        answer = await self._at.sends.once(scope_of(caller, command), command.fingerprint, order.account_id, work)
        assert isinstance(answer, OrderResult)
        return answer

    async def _settle(self, caller: Caller, command: SettleOrder, order: Order) -> Result:
        self._require_open(order, command)
        if order.broker_order_id and not command.placed_as:
            raise _refuted(order, f"the broker has confirmed it as {order.broker_order_id}")
        seen = await self._checked(command, order) if command.placed_as else None
        known = await self._claim(caller, command, order)
        if known is not None:
            return known
        settled = await self._apply(caller, command, order, seen)
        text = decisions.of_order(settled.order_id, settled.version)
        await self._journal.commit(Commit(decision=Decision(scope_of(caller, command), text, self._at.clock.now_ns())))
        return OrderResult(order=settled)

    def _require_open(self, order: Order, command: SettleOrder) -> None:
        facts = {"state": order.state.value, "etag": order.etag}
        if order.etag != command.etag:
            raise GatewayError(
                Reason.ETAG_MISMATCH, f"the order is now {order.etag}", metadata=facts, order_id=order.order_id
            )
        if order.state not in UNRESOLVED or self._at.clock.now_ns() < settle_time_ns(order):
            raise GatewayError(
                Reason.ORDER_NOT_IN_DOUBT,
                f"no verdict is taken on the order as it stands: {order.state}",
                metadata=facts,
                order_id=order.order_id,
            )

    async def _checked(self, command: SettleOrder, order: Order) -> BrokerOrder:
        """Ask the broker for the order that it is said to have, and see that it can be this one."""
        claimed = await self._at.book.by_broker(order.user_id, order.account_id, command.placed_as, "")
        if claimed is not None and claimed.order_id != order.order_id:
            raise _refuted(order, f"the record has it as {claimed.order_id}")
        session = await self._at.sessions.usable(order.user_id, order.account_id)
        match await session.adapter.get_order(command.placed_as):
            case Found(order=seen):
                if seen.replaced_by:
                    raise _refuted(order, f"it was replaced by {seen.replaced_by}")
                wrong = differences(order.terms, seen.terms)
                if wrong and not command.override_mismatch:
                    raise _refuted(order, ", ".join(wrong))
                return _as_successor(order, seen)
            case Absent():
                raise _refuted(order, "the broker does not know it")
            case Inconclusive(why=why):
                raise GatewayError(
                    Reason.BROKER_UNREACHABLE, f"the broker could not be asked: {why}", order_id=order.order_id
                )

    async def _claim(self, caller: Caller, command: SettleOrder, order: Order) -> Result | None:
        claim = KeyClaim(
            scope=scope_of(caller, command),
            fingerprint=command.fingerprint,
            subject=order.order_id,
            time_ns=self._at.clock.now_ns(),
        )
        result = await self._journal.commit(Commit(claim=claim))
        if isinstance(result, KeyTaken):
            return await self._at.recall.of_record(result.record, command.fingerprint)
        return None

    async def _apply(self, caller: Caller, command: SettleOrder, order: Order, seen: BrokerOrder | None) -> Order:
        """Write the verdict against the very version that it was given on."""
        fills: tuple[BrokerFill, ...] = ()
        if seen is not None and seen.cum_quantity:
            session = await self._at.sessions.usable(order.user_id, order.account_id)
            fills = await executions(session, seen)
        step = partial(self._step, caller=caller, command=command, version=order.version, seen=seen, fills=fills)
        settled = (await self._recorder.write(order, step)).order
        if settled.state in UNRESOLVED:
            self._require_open(settled, command)
        return settled

    def _step(
        self,
        current: Order,
        *,
        caller: Caller,
        command: SettleOrder,
        version: int,
        seen: BrokerOrder | None,
        fills: tuple[BrokerFill, ...],
    ) -> Step | None:
        if current.version != version:
            return None
        now = self._at.clock.now_ns()
        if seen is None:
            after, decision, _ = absent(current, State.ABSENT, now)
            return Step(order=after, decision=decision, audit=(_audit(caller, command, after, now),))
        before = current
        if command.override_mismatch:
            before = current.changed(terms=seen.terms, **hold_after(current, seen.terms))
        adopted = adopt(before, seen, now)
        return Step(
            order=adopted,
            fills=fills,
            told=seen,
            inserts=leg_orders(current, seen, now),
            audit=(_audit(caller, command, adopted or current, now),),
            origin=Origin.RECONCILED,
        )


def settle_time_ns(order: Order) -> int:
    """Tell when a verdict on an order is taken: at once where only an operator can tell."""
    return order.update_time_ns if order.state is State.MANUAL else permit_ns(order) + SETTLE_AFTER_NS


def _as_successor(order: Order, seen: BrokerOrder) -> BrokerOrder:
    """Give what an order with an id at the broker is now, by the verdict: the generation after the last one known."""
    known = not order.broker_order_id or seen.broker_order_id in order.broker_order_ids
    return seen if known else replace(seen, replaces=order.broker_order_id)


def _refuted(order: Order, how: str) -> GatewayError:
    return GatewayError(
        Reason.VERDICT_REFUTED,
        f"the verdict cannot be: {how}",
        metadata={"mismatch": how},
        order_id=order.order_id,
    )


def _audit(caller: Caller, command: SettleOrder, after: Order, now_ns: int) -> AuditRow:
    verdict = f"PLACED {command.placed_as}" if command.placed_as else "NOT_PLACED"
    row = order_audit(caller, now_ns, "order.settled", after)
    return replace(row, reason=verdict, detail=command.evidence)
