"""The commands: what is asked before one is sent, the one request, and what its answer comes to.

A 201 says that an order was taken to be processed, and where it is, and nothing else. So the order is read back: it
must be ours by its content, since the place may name another one that was made at the same moment, and it may have been
rejected by then. What cannot be read back is unknown, and is searched for by content later.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from brokergw.adapters.schwab import records
from brokergw.adapters.schwab.api import Api
from brokergw.adapters.schwab.bodies import change_body, market_body, needs_positions, submit_body
from brokergw.adapters.schwab.config import SchwabConfig
from brokergw.adapters.schwab.errors import FAILURES, REJECTED_ORDER, judged, read_refusal, understood
from brokergw.adapters.schwab.listing import Listing, held_by, is_open
from brokergw.adapters.schwab.mapping import Reading, readings
from brokergw.adapters.schwab.session import Session
from brokergw.model.errors import GatewayError
from brokergw.model.lifecycle import State, is_terminal
from brokergw.model.order import ZERO
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.terms import OrderClass, OrderTerms
from brokergw.ports.broker import Change
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.answers import GONE, NOT_FOUND, NOT_OPEN
from brokergw.transport.http import Reply
from brokergw.transport.outcomes import before_fills, together
from brokergw.transport.rows import Unsupported

_TAKEN: Final = frozenset({200, 201})


class Commands:
    """What changes an account."""

    def __init__(self, api: Api, session: Session, listing: Listing, config: SchwabConfig, clock: Clock) -> None:
        self._api = api
        self._session = session
        self._listing = listing
        self._waits_s = config.shown_waits_s
        self._clock = clock

    async def shown(self, order_id: str) -> Reading | None:
        """Read an order by its id; None where Schwab does not know it. Raises GatewayError."""
        if not (order_id.isascii() and order_id.isdecimal()):
            # Schwab's ids are numbers; it has never given out such a one.
            return None
        row = await self._api.order(order_id)
        if row is None:
            return None
        with understood():
            self._listing.generations.learn([row])
            reading = readings(row, self._listing.generations)[0]
        if reading.replaced and not reading.order.replaced_by:
            await self._listing.recent(reading.order.submit_time_ns)
            with understood():
                reading = readings(row, self._listing.generations)[0]
        return reading

    async def submit(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order, once, and read it back."""
        try:
            held = await self._held() if needs_positions(terms) else {}
            body = submit_body(terms, held)
        except Unsupported as error:
            return FAILURES.unsupported(error)
        except GatewayError as error:
            return NotSent.by(error)
        reply = await self._api.submit(permit, body)
        if not isinstance(reply, Reply):
            return reply
        if reply.status not in _TAKEN:
            return self._refused(reply, "POST")
        return await self._taken(reply, terms)

    async def modify(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Put a new order in an order's place.

        The new one begins anew, so it is for what the new total leaves; what fills between the look and the change
        comes on top, and the answer says so.
        """
        try:
            await self._listing.primed()
            row = await self._api.order(order_id) if order_id.isdecimal() else None
            if row is None:
                return Rejected(NOT_FOUND)
            with understood():
                (reading, *exits) = readings(row, self._listing.generations)
        except GatewayError as error:
            return NotSent.by(error)
        order = reading.order
        if is_terminal(order.state) or reading.replaced:
            return Rejected(NOT_OPEN, str(row.get("status", "")))
        if exits or order.terms.order_class is OrderClass.OCO:
            return Rejected("REPLACE_REJECTED", broker_message="an order that leads a group is not changed")
        assert order.terms.quantity is not None
        total = change.quantity if change.quantity is not None else order.terms.quantity
        left = total - order.cum_quantity
        if left <= 0:
            return Rejected("REPLACE_REJECTED", broker_message="as much is filled already")
        reply = await self._api.replace(permit, order_id, change_body(row, change, left))
        if not isinstance(reply, Reply):
            return reply
        if reply.status not in _TAKEN:
            return self._refused(reply, "PUT")
        return await self._replaced(reply, order_id)

    async def cancel(self, order_id: str) -> Outcome:
        """Ask for one cancel."""
        if not order_id.isdecimal():
            # Nothing has such an id; but where Schwab cannot be asked at all, that is what must be said.
            try:
                await self._api.learn_account()
            except GatewayError as error:
                return NotSent.by(error)
            return Rejected(NOT_FOUND)
        reply = await self._api.cancel(order_id)
        if not isinstance(reply, Reply):
            return reply
        return Accepted() if reply.status in _TAKEN else self._refused(reply, "DELETE")

    async def cancel_all(self) -> Outcome:
        """Ask for the cancel of everything that leads or stands alone; exits end with what leads them."""
        try:
            groups = await self._groups()
        except GatewayError as error:
            return NotSent.by(error)
        names: list[str] = []
        for lead, *exits in groups:
            if is_open(lead):
                names.append(lead.order.broker_order_id)
            else:
                # The first exit to end takes the others along.
                names += [each.order.broker_order_id for each in exits if is_open(each)][:1]
        return together([await self.cancel(name) for name in names], GONE)

    async def flatten(self, symbol: str) -> Outcome:
        """Close one position at market."""
        try:
            held = await self._held()
            groups = await self._groups()
        except GatewayError as error:
            return NotSent.by(error)
        quantity = held.get(symbol, ZERO)
        if not quantity:
            return Rejected(NOT_FOUND)
        if held_by(groups, symbol, quantity):
            return Rejected("INSUFFICIENT_POSITION", broker_message="open orders hold the position")
        return await self._close(symbol, quantity)

    async def close_all(self) -> Outcome:
        """Cancel everything, then close what is held."""
        canceled = await self.cancel_all()
        if not isinstance(canceled, Accepted):
            return canceled
        try:
            await self._until_nothing_is_open()
            held = await self._held()
        except GatewayError as error:
            return Unknown(f"the orders are cancelled; what is held could not be asked: {error.message}")
        closed = [await self._close(symbol, quantity) for symbol, quantity in held.items() if quantity]
        return together([canceled, *closed], GONE)

    async def _until_nothing_is_open(self) -> None:
        """Wait for the cancels to be done: what still is open would hold what is to be closed."""
        for wait_s in (*self._waits_s, None):
            if not any(is_open(each) for group in await self._groups() for each in group) or wait_s is None:
                return
            await self._clock.sleep(wait_s)

    async def _close(self, symbol: str, quantity: Decimal) -> Outcome:
        reply = await self._api.submit(None, market_body(symbol, quantity))
        if not isinstance(reply, Reply):
            return reply
        return await self._taken(reply, None) if reply.status in _TAKEN else self._refused(reply, "POST")

    async def _taken(self, reply: Reply, terms: OrderTerms | None) -> Outcome:
        """Read back an order that was taken."""
        order_id = self._api.order_id_of(reply)
        if not order_id:
            return Unknown("Schwab took the order and does not say where it is")
        reading = await self._awaited(order_id)
        if isinstance(reading, Unknown):
            return reading
        order = reading.order
        self._listing.generations.placed(order_id)
        if terms is not None and not _same(terms, order.terms):
            return Unknown("the order at the place that Schwab names has other terms")
        if order.state is State.REJECTED_BY_BROKER:
            refusal = judged(order.reject_reason, REJECTED_ORDER)
            return Rejected(refusal.reason, refusal.code, refusal.message, order)
        return _with_fills(reading)

    async def _replaced(self, reply: Reply, before: str) -> Outcome:
        order_id = self._api.order_id_of(reply)
        if not order_id or order_id == before:
            return Unknown("Schwab took the change and does not say where it is")
        self._listing.generations.link(before, order_id)
        try:
            # What the old one filled until it was replaced is final now.
            await self.shown(before)
        except GatewayError as error:
            return Unknown(f"the change was taken; what it replaced cannot be read: {error.message}")
        reading = await self._awaited(order_id)
        if isinstance(reading, Unknown):
            return reading
        if reading.order.state is State.REJECTED_BY_BROKER:
            return Unknown("the change was taken, and then rejected")
        return _with_fills(reading)

    async def _awaited(self, order_id: str) -> Reading | Unknown:
        """Read a new order, which may take a while to be shown."""
        why = "Schwab does not show it"
        for wait_s in (*self._waits_s, None):
            try:
                reading = await self.shown(order_id)
            except GatewayError as error:
                reading, why = None, error.message
            if reading is not None:
                return reading
            if wait_s is not None:
                await self._clock.sleep(wait_s)
        return Unknown(f"Schwab took the order as {order_id}: {why}")

    async def _held(self) -> Mapping[str, Decimal]:
        row = await self._api.account(positions=True)
        with understood():
            found = [records.position(each, ZERO, 0) for each in records.position_rows(row)]
        return {each.symbol: each.quantity for each in found}

    async def _groups(self) -> Sequence[list[Reading]]:
        rows = await self._listing.recent()
        with understood():
            return [readings(row, self._listing.generations) for row in rows]

    def _refused(self, reply: Reply, method: str) -> Outcome:
        """Judge an answer that is no success; only what the table names is definitive."""
        refusal = read_refusal(reply, method)
        unclear = f"HTTP {reply.status} {refusal.message}"
        return refusal.outcome("Schwab", retry_after_s=self._session.retry_after(reply), unclear=unclear)


def _with_fills(reading: Reading) -> Accepted:
    """Give an order with its executions; while those lag behind its total, as it was before any of them."""
    return Accepted(reading.order, reading.fills) if reading.whole else Accepted(before_fills(reading.order))


def _same(ours: OrderTerms, told: OrderTerms) -> bool:
    """Tell whether an order is the one that was meant, as far as Schwab repeats its terms."""
    return _essence(ours) == _essence(told)


def _essence(terms: OrderTerms) -> tuple[object, ...]:
    spread = terms.order_class is OrderClass.MULTI_LEG
    oco = terms.order_class is OrderClass.OCO
    return (
        "" if spread else terms.symbol,
        None if spread else terms.side,
        terms.type,
        terms.time_in_force,
        terms.quantity,
        None if oco else terms.limit_price,
        terms.stop_price,
        tuple((leg.symbol, leg.side, leg.ratio) for leg in terms.legs),
        terms.trail_amount,
        terms.trail_percent,
    )
