"""Whose order a broker tells of: one that the record knows by any of its names, or one made outside the gateway.

A report may overtake the answer to the very call that caused it. So an order that nobody knows is looked for again once
the sends in flight have ended, before it is adopted.
"""

from decimal import Decimal
from typing import Final

import structlog

from brokergw.desk.alerts.excess import OURS, excess
from brokergw.desk.alerts.logged import LoggedAlerts
from brokergw.desk.keys.sends import Sends
from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.transitions import order_event
from brokergw.desk.sessions import Session
from brokergw.desk.telling import own_audit
from brokergw.model.account import Connection
from brokergw.model.capability import ResolutionClass
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.ids import new_id
from brokergw.model.lifecycle import UNRESOLVED, State, is_terminal
from brokergw.model.order import ONE, ZERO, Order, Origin
from brokergw.model.outcome import BrokerOrder
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Commit, Committed, Journal, LeaseLost
from brokergw.ports.leases import LeaseGone
from brokergw.ports.notifier import Notifier

_SENDS_WAIT_S: Final = 30.0
_OTHERS_WAIT_S: Final = 5.0
_OTHERS_POLL_S: Final = 0.1
_MAY_BE_OURS: Final = UNRESOLVED | {State.SENDING, State.CONFIRM_PENDING, State.PENDING_MODIFY}
_SENDING: Final = frozenset({State.SENDING})

log = structlog.get_logger(__name__)


class Adoption:
    """Finds the record's order for what a broker tells, and makes one where there is none."""

    def __init__(
        self, journal: Journal, book: OrderBook, sends: Sends, clock: Clock, notifier: Notifier | None = None
    ) -> None:
        self._notifier = notifier or LoggedAlerts()
        self._journal = journal
        self._book = book
        self._sends = sends
        self._clock = clock

    async def known(self, session: Session, seen: BrokerOrder) -> Order | None:
        """Find the record's order; None when nobody knows it, also after the sends in flight have ended."""
        order = await self._find(session, seen)
        if order is None:
            await self._sends.quiet(session.connection.account_id, _SENDS_WAIT_S)
            if self._journal.shared:
                await self._others_quiet(session.connection)
            order = await self._find(session, seen)
        return order

    async def _others_quiet(self, own: Connection) -> None:
        """Wait until the sends of other processes that run now are on record: what they made is no stranger's."""
        give_up_at = self._clock.monotonic() + _OTHERS_WAIT_S
        sending = await self._being_sent(own)
        while sending and self._clock.monotonic() < give_up_at:
            await self._clock.sleep(_OTHERS_POLL_S)
            sending &= await self._being_sent(own)

    async def _being_sent(self, own: Connection) -> set[str]:
        return {
            order.order_id for order in await self._journal.open_orders(only(own.user_id), own.account_id, _SENDING)
        }

    async def order_of(self, session: Session, seen: BrokerOrder, event_time_ns: int) -> Order | None:
        """Find the record's order, or adopt the broker's; None while it may be one of ours that is in doubt.

        What is held back so is told again by the search for the doubtful order, or by a sweep once the doubt is over.
        """
        order = await self.known(session, seen)
        if order is None and await self.maybe_ours(session, seen):
            log.info("an order may be the one in doubt", account_id=session.connection.account_id)
            return None
        return order if order is not None else await self.adopt(session, seen, event_time_ns)

    async def maybe_ours(self, session: Session, seen: BrokerOrder) -> bool:
        """Tell whether an order in doubt could be this one, or one that is being changed become it, at a broker that
        does not repeat our ids.
        """
        if session.capabilities.resolution is ResolutionClass.BY_CLIENT_ID:
            return False
        own = session.connection
        return any(
            order.state in _MAY_BE_OURS
            and (order.terms.symbol, order.terms.side) == (seen.terms.symbol, seen.terms.side)
            for order in await self._journal.open_orders(only(own.user_id), own.account_id)
        )

    async def adopt(self, session: Session, seen: BrokerOrder, event_time_ns: int) -> Order:
        """Put an order on the record that was made outside the gateway, as it was before it traded."""
        now, connection = self._clock.now_ns(), session.connection
        worth = await _unit_worth(session, seen)
        # Its executions are counted as they are told; until then it has the state of an order without any.
        state = seen.state if seen.cum_quantity == 0 else State.WORKING
        ended = is_terminal(state)
        order = Order(
            order_id=new_id("ord"),
            user_id=connection.user_id,
            account_id=connection.account_id,
            broker=connection.broker,
            terms=seen.terms,
            idempotency_key="",
            state=state,
            version=1,
            create_time_ns=now,
            update_time_ns=now,
            submit_time_ns=seen.submit_time_ns,
            complete_time_ns=now if ended else None,
            broker_client_order_id=seen.client_order_id,
            broker_order_ids=(seen.broker_order_id,),
            canceled_quantity=(seen.terms.quantity or ZERO) if state in {State.CANCELED, State.EXPIRED} else ZERO,
            external=True,
            # No gate has seen it: it holds what it says it may trade, at the price that it names.
            hold_quantity=seen.terms.quantity or ZERO,
            hold_price=max(seen.terms.limit_price or ZERO, seen.terms.stop_price or ZERO) * worth,
            unit_worth=worth,
            position_side=seen.position_side,
        )
        audit = own_audit(order, now, "order.adopted")
        event = order_event(order, Origin.RECONCILED, event_time_ns, now)
        unit = Commit(guard=session.guard, inserts=(order,), events=(event,), audit=(audit,))
        result = await self._journal.commit(unit)
        if isinstance(result, LeaseLost):
            raise LeaseGone(connection.connection_id)
        if not isinstance(result, Committed):
            # Somebody else was faster; what stands under the broker's names is the order.
            found = await self._find(session, seen)
            if found is None:
                raise GatewayError(Reason.INTERNAL_ERROR, "an order could not be adopted")
            return found
        log.warning("order made outside the gateway", order_id=order.order_id, account_id=order.account_id)
        if OURS.fullmatch(seen.client_order_id):
            self._notifier.notify(
                excess(order, seen, "an order bears an id of the gateway's that no record admits", now)
            )
        self._book.remember(order)
        return order

    async def _find(self, session: Session, seen: BrokerOrder) -> Order | None:
        own = session.connection
        order = await self._book.by_broker(own.user_id, own.account_id, seen.broker_order_id, seen.client_order_id)
        if order is None and seen.replaces:
            order = await self._book.by_broker(own.user_id, own.account_id, seen.replaces, "")
        return order


async def _unit_worth(session: Session, seen: BrokerOrder) -> Decimal:
    """Give what a unit is worth at a price of one; where the broker does not say, as much as that."""
    try:
        instrument = await session.instrument(seen.terms.symbol) if seen.terms.symbol else None
    except GatewayError as error:
        log.warning("an adopted order's instrument is not known", reason=error.reason.value)
        instrument = None
    return instrument.multiplier if instrument is not None else ONE
