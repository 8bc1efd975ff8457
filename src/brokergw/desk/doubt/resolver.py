"""Finding out what became of an order whose outcome is unknown, by asking the broker for it.

How it is searched depends on the broker (`resolve/search.py`). Found with our terms settles it; found with others, or
more than once, is for an operator. A look-up that fails says nothing. Absence is believed only after several clear
answers over a span of time (`resolve/absence.py`), because brokers show new orders late; and even then a late birth is
waited for, and adopted. Nothing here ever sends an order.
"""

import asyncio
from functools import partial
from itertools import chain, repeat
from typing import Final

import structlog

from brokergw.desk.alerts.logged import LoggedAlerts
from brokergw.desk.breaker import Contact
from brokergw.desk.doubt.absence import Absence, delays_in_doubt, delays_in_quarantine, quarantine_ends_ns
from brokergw.desk.doubt.search import Ambiguous, Search
from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.endings import absent, manual
from brokergw.desk.record.matching import contradictions, in_words, permit_ns
from brokergw.desk.record.recorder import Recorder, Step
from brokergw.desk.record.transitions import confirm, leg_orders, merge, move
from brokergw.desk.rules import DeskRules
from brokergw.desk.sessions import Session
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.model.errors import GatewayError
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import Order, Origin
from brokergw.model.outcome import Absent, BrokerFill, BrokerOrder, Found, Inconclusive, OrderReport
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.notifier import Notifier

_SECOND_NS: Final = 1_000_000_000
_ALERT_AFTER_NS: Final = 30 * _SECOND_NS
_CONFIRM_AFTER_S: Final = (*[1.0] * 10, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
_CONFIRMATIONS_MIN: Final = 10
"""How often the broker must show an order unchanged before a change counts as not done."""

_ORPHANED_AFTER_NS: Final = 180 * _SECOND_NS
"""How long a broker may take to show which order a change has made."""

_ON_ITS_WAY: Final = frozenset({State.PENDING_CANCEL, State.PENDING_MODIFY})
_GENERATIONS_MAX: Final = 50
_LOOKED_FOR: Final = frozenset({State.IN_DOUBT, State.RESOLVED_ABSENT})

log = structlog.get_logger(__name__)


class Resolver:
    """Settles orders in doubt on the broker's evidence."""

    def __init__(
        self, recorder: Recorder, book: OrderBook, clock: Clock, rules: DeskRules, notifier: Notifier | None = None
    ) -> None:
        self._notifier = notifier or LoggedAlerts()
        self._recorder = recorder
        self._book = book
        self._clock = clock
        self._quarantine_ns = round(rules.absence_quarantine_s * _SECOND_NS)
        self._searches: dict[str, Search] = {}

    async def doubt(self, session: Session, order: Order) -> Order:
        """Mark an order whose sender is gone: whether it was sent, only the broker knows."""

        def step(current: Order) -> Step | None:
            if current.state is not State.SENDING:
                return None
            return Step(order=move(current, State.IN_DOUBT, self._clock.now_ns()), origin=Origin.RECONCILED)

        return (await self._recorder.write(order, step, guard=session.guard)).order

    async def settle(self, session: Session, order: Order) -> None:
        """Ask until nothing is left to ask: through the doubt, and through the wait for a late birth after it."""
        search = self._search_of(session)
        current: Order | None = order
        while current is not None and current.state in _LOOKED_FOR:
            if current.state is State.IN_DOUBT:
                await self._through_doubt(session, search, current)
            else:
                await self._through_quarantine(session, search, current)
            if session.connection.revoked:
                return
            current = await self._book.get(only(order.user_id), order.order_id)

    async def _through_doubt(self, session: Session, search: Search, order: Order) -> None:
        """Ask until the order is found, or its absence is proved. Failures never stop it, and never count."""
        alarm = asyncio.create_task(self._alarm(session, order), name=f"doubt about {order.order_id}")
        try:
            await self._ask_through_doubt(session, search, order)
        finally:
            alarm.cancel()

    async def _ask_through_doubt(self, session: Session, search: Search, order: Order) -> None:
        absence = Absence()
        for delay in delays_in_doubt(order):
            await self._clock.sleep(delay)
            current = await self._still(session, order, State.IN_DOUBT)
            if current is None:
                return
            sighting = await search(current)
            now = self._clock.now_ns()
            if not isinstance(sighting, Absent):
                await self._seen(session, current, sighting)
            elif absence.proved(current, session.capabilities, monotonic=self._clock.monotonic(), now_ns=now):
                await self._absent(session, current, State.RESOLVED_ABSENT)
            if await self._still(session, order, State.IN_DOUBT) is None:
                return

    async def _through_quarantine(self, session: Session, search: Search, order: Order) -> None:
        """Ask now and then for an order that was proved absent, and once more when the wait for it is over."""
        ends_ns = quarantine_ends_ns(order, self._quarantine_ns)
        for delay in delays_in_quarantine(order):
            left_s = (ends_ns - self._clock.now_ns()) / _SECOND_NS
            await self._clock.sleep(min(delay, left_s) if left_s > 0 else delay)
            current = await self._still(session, order, State.RESOLVED_ABSENT)
            if current is None:
                return
            sighting = await search(current)
            if not isinstance(sighting, Absent):
                await self._seen(session, current, sighting)
            elif self._clock.now_ns() >= ends_ns:
                await self._absent(session, current, State.ABSENT)
            if await self._still(session, order, State.RESOLVED_ABSENT) is None:
                return

    async def _still(self, session: Session, order: Order, state: State) -> Order | None:
        """Give the order as it stands, as long as there is something to ask about it."""
        current = await self._book.get(only(order.user_id), order.order_id)
        gone = current is None or current.state is not state or session.connection.revoked
        return None if gone else current

    async def _alarm(self, session: Session, order: Order) -> None:
        """Tell people of a doubt that lasts; a look-up that hangs must not keep them from hearing of it."""
        left_s = (permit_ns(order) + _ALERT_AFTER_NS - self._clock.now_ns()) / _SECOND_NS
        await self._clock.sleep(max(left_s, 0.0))
        try:
            current = await self._still(session, order, State.IN_DOUBT)
        except GatewayError:
            # The record is away: what it last told is the best there is.
            current = order
        if current is not None:
            self._notifier.notify(_in_doubt(current, self._clock.now_ns()))

    async def confirm(self, session: Session, order: Order) -> None:
        """Ask what stands after a change whose answer was lost or came too late, at ever longer intervals, until the
        broker or its stream has told: who gives up leaves the order pending for ever, who hurries storms the broker.

        An order that was replaced by none that can be told goes to an operator.
        """
        for turn, delay in enumerate(chain(_CONFIRM_AFTER_S, repeat(_CONFIRM_AFTER_S[-1])), 1):
            await self._clock.sleep(delay)
            current = await self._book.get(only(order.user_id), order.order_id)
            if current is None or is_terminal(current.state) or session.connection.revoked:
                return
            try:
                seen = await _newest_generation(session, order.broker_order_id)
            except GatewayError as error:
                log.warning("look-up failed", order_id=order.order_id, reason=error.reason.value)
                continue
            if seen is None:
                continue
            if seen.successor_unknown and self._clock.now_ns() >= current.update_time_ns + _ORPHANED_AFTER_NS:
                await self._orphaned(session, current, seen)
                return
            if seen.state in _ON_ITS_WAY:
                continue
            changed = is_terminal(seen.state) or seen.broker_order_id != order.broker_order_id
            if changed or turn >= _CONFIRMATIONS_MIN:
                await self._recorder.write(order, partial(self._confirmed, seen=seen), guard=session.guard)
                return

    def _confirmed(self, current: Order, *, seen: BrokerOrder) -> Step | None:
        now = self._clock.now_ns()
        pending = current.state in {State.PENDING_CANCEL, State.PENDING_MODIFY}
        after = confirm(current, seen, now) if pending else merge(current, seen, now)
        return Step(order=after, origin=Origin.RECONCILED) if after is not None else None

    async def _orphaned(self, session: Session, order: Order, seen: BrokerOrder) -> None:
        """Hand an order to an operator whose broker does not say by which it was replaced."""
        evidence = f"changed at the broker, which does not say into which order: {in_words(seen)}"
        written = await self._manual(session, order, evidence, frozenset({State.PENDING_MODIFY}))
        if written.state is State.MANUAL:
            self._notifier.notify(_unnamed(written, self._clock.now_ns()))

    async def _seen(self, session: Session, order: Order, sighting: Found | Ambiguous | Inconclusive) -> None:
        match sighting:
            case Found(order=seen):
                wrong = contradictions(order, seen)
                if wrong:
                    await self._manual(session, order, f"found under our id, with {', '.join(wrong)}: {in_words(seen)}")
                else:
                    await self._found(session, order, seen)
            case Ambiguous(candidates=candidates):
                listed = "; ".join(in_words(each) for each in candidates)
                await self._manual(session, order, f"{len(candidates)} orders at the broker may be this one: {listed}")
            case Inconclusive(why=why):
                log.info("look-up inconclusive", order_id=order.order_id, why=why)

    async def _found(self, session: Session, order: Order, seen: BrokerOrder) -> None:
        try:
            fills = await executions(session, seen)
        except GatewayError as error:
            log.warning("look-up failed", order_id=order.order_id, reason=error.reason.value)
            return

        def step(current: Order) -> Step:
            now = self._clock.now_ns()
            after = merge(current, seen, now)
            legs = leg_orders(current, seen, now)
            return Step(order=after, fills=fills, told=seen, inserts=legs, origin=Origin.RECONCILED)

        # The broker takes orders, if it does not always say so.
        session.ready.breaker.succeeded(Contact.ORDER)
        written = await self._recorder.write(order, step, guard=session.guard)
        log.info("order in doubt was found", order_id=order.order_id, state=written.order.state.value)

    async def _manual(
        self, session: Session, order: Order, evidence: str, doubted: frozenset[State] = _LOOKED_FOR
    ) -> Order:
        def step(current: Order) -> Step | None:
            if current.state not in doubted:
                return None
            after, row = manual(current, evidence, self._clock.now_ns())
            return Step(order=after, audit=(row,), origin=Origin.RECONCILED)

        written = await self._recorder.write(order, step, guard=session.guard)
        log.error("order needs an operator", order_id=order.order_id, evidence=evidence)
        return written.order

    async def _absent(self, session: Session, order: Order, state: State) -> None:
        def step(current: Order) -> Step | None:
            if current.state is not order.state:
                return None
            after, decision, row = absent(current, state, self._clock.now_ns())
            return Step(order=after, decision=decision, audit=(row,), origin=Origin.RECONCILED)

        await self._recorder.write(order, step, guard=session.guard)
        log.warning("order in doubt is absent at the broker", order_id=order.order_id, state=state.value)

    def _search_of(self, session: Session) -> Search:
        search = self._searches.get(session.connection.connection_id)
        if search is None or not search.serves(session):
            search = self._searches[session.connection.connection_id] = Search(session, self._book, self._clock)
        return search


def _in_doubt(order: Order, now_ns: int) -> Alert:
    seconds = (now_ns - permit_ns(order)) // _SECOND_NS
    return _alert(order, f"nobody knows for {seconds} s whether the broker has an order", now_ns)


def _unnamed(order: Order, now_ns: int) -> Alert:
    return _alert(order, "an order was changed, and nobody knows which order at the broker it is now", now_ns)


def _alert(order: Order, message: str, now_ns: int) -> Alert:
    return Alert(
        kind=AlertKind.ORDER_IN_DOUBT,
        severity=Severity.CRITICAL,
        subject=order.order_id,
        message=message,
        time_ns=now_ns,
        user_id=order.user_id,
        facts=(("account_id", order.account_id), ("broker", order.broker), ("symbol", order.terms.symbol)),
    )


async def executions(session: Session, seen: BrokerOrder) -> tuple[BrokerFill, ...]:
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
