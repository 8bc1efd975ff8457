"""Finding out what became of an order whose outcome is unknown, by asking the broker for it.

The look-up goes by the client order id that the gateway sent. Found settles it. A look-up that fails says nothing.
Absence is believed only after several clear answers over a span of time, because brokers show new orders late; even
then a late appearance is adopted. Nothing here ever sends an order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import Final

import structlog

from brokergw.desk import decisions
from brokergw.desk.book import OrderBook
from brokergw.desk.recorder import Recorder, Step
from brokergw.desk.sessions import Session
from brokergw.desk.telling import not_placed
from brokergw.desk.transitions import confirm, leg_orders, merge, move
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Absent, BrokerFill, BrokerOrder, Found, OrderReport
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Decision, KeyScope

_DELAYS_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 12.0)
_DELAY_MAX_S: Final = 30.0
_CONFIRM_EVERY_S: Final = 1.0
_CONFIRMATIONS_MAX: Final = 10
_GENERATIONS_MAX: Final = 50
_ABSENCES_MIN: Final = 3
_ABSENT_FOR_MIN_S: Final = 30.0
_QUARANTINE_NS: Final = 15 * 60 * 1_000_000_000
_LOOKED_FOR: Final = frozenset({State.IN_DOUBT, State.RESOLVED_ABSENT})

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Absence:
    """How often, and since when, the broker has said that it does not know an order."""

    since: float = 0.0
    count: int = 0

    def proved(self, now: float) -> bool:
        """Note one more clear answer, and tell whether they now amount to a proof."""
        if self.count == 0:
            self.since = now
        self.count += 1
        return self.count >= _ABSENCES_MIN and now - self.since >= _ABSENT_FOR_MIN_S


class Resolver:
    """Settles orders in doubt on the broker's evidence."""

    def __init__(self, recorder: Recorder, book: OrderBook, clock: Clock) -> None:
        self._recorder = recorder
        self._book = book
        self._clock = clock

    async def doubt(self, session: Session, order: Order) -> Order:
        """Mark an order whose sender is gone: whether it was sent, only the broker knows."""

        def step(current: Order) -> Step | None:
            if current.state is not State.SENDING:
                return None
            return Step(order=move(current, State.IN_DOUBT, self._clock.now_ns()), origin=Origin.RECONCILED)

        return (await self._recorder.write(order, step, guard=session.guard)).order

    async def settle(self, session: Session, order: Order) -> None:
        """Ask until the order is settled."""
        absence = _Absence()
        for delay in _delays():
            await self._clock.sleep(delay)
            current = await self._book.get(order.order_id)
            if current is None or current.state not in _LOOKED_FOR or session.connection.revoked:
                return
            try:
                await self._ask(session, current, absence)
            except GatewayError as error:
                log.warning("look-up failed", order_id=order.order_id, reason=error.reason.value)

    async def confirm(self, session: Session, order: Order) -> None:
        """Ask what stands after a change whose answer was lost or came too late."""
        seen: BrokerOrder | None = None
        for _ in range(_CONFIRMATIONS_MAX):
            await self._clock.sleep(_CONFIRM_EVERY_S)
            try:
                seen = await _newest_generation(session, order.broker_order_id) or seen
            except GatewayError as error:
                log.warning("look-up failed", order_id=order.order_id, reason=error.reason.value)
                continue
            changed = seen is not None and (is_terminal(seen.state) or seen.broker_order_id != order.broker_order_id)
            if changed:
                break
        if seen is None:
            log.warning("a change stays unconfirmed", order_id=order.order_id)
            return
        await self._recorder.write(order, partial(self._confirmed, seen=seen), guard=session.guard)

    def _confirmed(self, current: Order, *, seen: BrokerOrder) -> Step | None:
        now = self._clock.now_ns()
        pending = current.state in {State.PENDING_CANCEL, State.PENDING_MODIFY}
        after = confirm(current, seen, now) if pending else merge(current, seen, now)
        return Step(order=after, origin=Origin.RECONCILED) if after is not None else None

    async def _ask(self, session: Session, order: Order, absence: _Absence) -> None:
        match await session.adapter.find_order(order.broker_client_order_id):
            case Found(order=seen):
                await self._found(session, order, seen)
            case Absent() if order.state is State.RESOLVED_ABSENT:
                if self._clock.now_ns() >= quarantine_ends_ns(order):
                    await self._absent(session, order, State.ABSENT)
            case Absent():
                if absence.proved(self._clock.monotonic()):
                    await self._absent(session, order, State.RESOLVED_ABSENT)
            case inconclusive:
                log.info("look-up inconclusive", order_id=order.order_id, why=inconclusive.why)

    async def _found(self, session: Session, order: Order, seen: BrokerOrder) -> None:
        fills = await _fills(session, seen)

        def step(current: Order) -> Step | None:
            now = self._clock.now_ns()
            after = merge(current, seen, now)
            newest = after or current
            decision = Decision(submit_scope(order), decisions.of_order(order.order_id, newest.version), now)
            legs = leg_orders(current, seen, now)
            return Step(order=after, fills=fills, inserts=legs, decision=decision, origin=Origin.RECONCILED)

        written = await self._recorder.write(order, step, guard=session.guard)
        log.info("order in doubt was found", order_id=order.order_id, state=written.order.state.value)

    async def _absent(self, session: Session, order: Order, state: State) -> None:
        def step(current: Order) -> Step | None:
            if current.state is not order.state:
                return None
            now = self._clock.now_ns()
            reason = Reason.ORDER_NOT_PLACED.value if is_terminal(state) else ""
            absent = move(current, state, now, reject_reason=reason)
            decision = Decision(submit_scope(order), decisions.of_error(not_placed(absent)), now)
            return Step(order=absent, decision=decision, origin=Origin.RECONCILED)

        await self._recorder.write(order, step, guard=session.guard)
        log.warning("order in doubt is absent at the broker", order_id=order.order_id, state=state.value)


def quarantine_ends_ns(order: Order) -> int:
    """Tell until when an order that was proved absent (in its present version) is still waited for."""
    return max(order.update_time_ns + _QUARANTINE_NS, order.terms.expire_time_ns or 0)


async def _fills(session: Session, seen: BrokerOrder) -> tuple[BrokerFill, ...]:
    """Ask for the executions of an order that was found with some; the feed brings them when this fails."""
    if seen.cum_quantity == 0:
        return ()
    reports = await session.adapter.fills_of(seen)
    return tuple(r.fill for r in reports if isinstance(r, OrderReport) and r.fill is not None)


async def _newest_generation(session: Session, broker_order_id: str) -> BrokerOrder | None:
    """Look an order up, following its replacements; None while the broker does not say."""
    for _ in range(_GENERATIONS_MAX):
        lookup = await session.adapter.get_order(broker_order_id)
        if not isinstance(lookup, Found):
            return None
        if not lookup.order.replaced_by:
            return lookup.order
        broker_order_id = lookup.order.replaced_by
    return None


def submit_scope(order: Order) -> KeyScope:
    """Name the key under which an order was submitted."""
    return KeyScope(order.user_id, "SubmitOrder", order.idempotency_key.lower())


def _delays() -> Iterator[float]:
    return chain(_DELAYS_S, repeat(_DELAY_MAX_S))
