"""Orders, changes and cancels: sent once, and judged by what Binance answers.

Binance frees a client order id when its order has ended, so one sent twice could trade twice. An id that this process
has sent before is therefore looked up first, one at a time, and sent again only when Binance does not know it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from brokergw.adapters.binance import futures, lists, outcomes, spot
from brokergw.adapters.binance.config import Product
from brokergw.adapters.binance.errors import FAILURES, POSITION_MODE, read_refusal
from brokergw.adapters.binance.orders import Orders
from brokergw.adapters.binance.session import Request, Session
from brokergw.adapters.binance.settings import ChosenSettings
from brokergw.adapters.binance.symbols import OrderId, outward, read_id
from brokergw.adapters.binance.terms import essence
from brokergw.model.errors import GatewayError
from brokergw.model.lifecycle import is_terminal
from brokergw.model.order import ZERO
from brokergw.model.outcome import (
    Accepted,
    BrokerFill,
    BrokerOrder,
    Found,
    Inconclusive,
    NotSent,
    Outcome,
    Rejected,
    Unknown,
)
from brokergw.model.terms import OrderClass, OrderTerms
from brokergw.ports.broker import Change
from brokergw.ports.permit import Permit
from brokergw.transport.answers import DUPLICATE, NOT_FOUND, NOT_OPEN
from brokergw.transport.http import Reply
from brokergw.transport.outcomes import earlier, taken_with
from brokergw.transport.rows import Row, Unsupported, Unusable, as_rows, read_row, text, whole


class Commands:
    """Sends commands as one account."""

    def __init__(self, session: Session, orders: Orders, settings: ChosenSettings) -> None:
        self._session = session
        self._product = session.product
        self._orders = orders
        self._settings = settings
        self._on_their_way: dict[str, asyncio.Lock] = {}

    async def submit(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order. What Binance knows under its client order id is our own earlier one, if it equals ours."""
        if permit.spent:
            return Unknown("the permit was spent before")
        try:
            request = await self._request(permit.client_order_id, terms)
        except Unsupported as error:
            return FAILURES.unsupported(error)
        except GatewayError as error:
            return NotSent.by(error)
        async with self._alone(permit.client_order_id):
            if self._orders.has_sent(permit.client_order_id):
                earlier = await self._looked_up(permit.client_order_id, terms)
                if earlier is not None:
                    return earlier
            self._orders.sends(permit.client_order_id, outward(terms.symbol))
            reply = await self._session.command(request, permit)
        if not isinstance(reply, Reply):
            return reply
        if reply.status == 200:
            return await self._taken(reply, permit.client_order_id, terms)
        outcome = self.refused(reply)
        if isinstance(outcome, Rejected) and outcome.reason == DUPLICATE:
            return await self._duplicate(permit.client_order_id, terms, outcome)
        return outcome

    async def _request(self, client_order_id: str, terms: OrderTerms) -> Request:
        if self._product is Product.SPOT and terms.order_class is OrderClass.SIMPLE:
            return spot.submit(client_order_id, terms)
        if self._product is Product.SPOT:
            request = lists.submit(client_order_id, terms)
            if not await self._orders.takes(outward(terms.symbol), terms.order_class):
                raise Unsupported(f"{terms.order_class} orders in {terms.symbol}")
            return request
        return futures.submit(client_order_id, terms, hedged=await self._settings.hedged())

    @asynccontextmanager
    async def _alone(self, client_order_id: str) -> AsyncIterator[None]:
        """Let one attempt under a client order id be on its way at a time."""
        lock = self._on_their_way.setdefault(client_order_id, asyncio.Lock())
        async with lock:
            yield
        if not lock.locked():
            self._on_their_way.pop(client_order_id, None)

    async def _looked_up(self, client_order_id: str, terms: OrderTerms) -> Outcome | None:
        """Judge an id that was sent before; None when Binance does not know it, so that it may be sent."""
        try:
            lookup = await self._orders.find(client_order_id)
        except GatewayError as error:
            return NotSent(_untold(error.message), error.retry_after_s, error.reason)
        match lookup:
            case Found(order):
                return await self._ours(order, terms, Rejected(DUPLICATE, broker_message="the id was used before"))
            case Inconclusive(why):
                return NotSent(_untold(why))
            case _:
                return None

    async def _duplicate(self, client_order_id: str, terms: OrderTerms, refused: Rejected) -> Outcome:
        try:
            lookup = await self._orders.find(client_order_id)
        except GatewayError as error:
            lookup = Inconclusive(error.message)
        found = earlier(lookup, "Binance")
        return found if isinstance(found, Unknown) else await self._ours(found, terms, refused)

    async def _ours(self, order: BrokerOrder, terms: OrderTerms, refused: Rejected) -> Outcome:
        if essence(terms) != essence(order.terms):
            return refused
        return await self._with_fills(order, ())

    async def _taken(self, reply: Reply, client_order_id: str, terms: OrderTerms) -> Outcome:
        try:
            row = read_row(reply.body)
            if terms.order_class is OrderClass.SIMPLE:
                order, fills = self._read(row, terms.symbol)
            else:
                order, fills = await self._read_list(row, client_order_id, terms.symbol)
        except (Unusable, KeyError, GatewayError) as error:
            return Unknown(f"the answer is unusable: {error}")
        if order.client_order_id != client_order_id:
            return Unknown("the answer is about another client order id")
        return await self._with_fills(order, fills)

    def _read(self, row: Row, symbol: str) -> tuple[BrokerOrder, tuple[BrokerFill, ...]]:
        wire = outward(symbol)
        if self._product is Product.FUTURES:
            return futures.order(row, {wire: symbol}), ()
        order = spot.order(row, {wire: symbol})
        told = as_rows(row.get("fills") or [])
        return order, tuple(spot.fill(each, wire, order.update_time_ns) for each in told)

    async def _read_list(
        self, row: Row, client_order_id: str, symbol: str
    ) -> tuple[BrokerOrder, tuple[BrokerFill, ...]]:
        listed = self._orders.groups.learn(row)
        rows = as_rows(row.get("orderReports"))
        if {OrderId(listed.symbol, each) for each in listed.numbers} != {
            OrderId(text(each, "symbol"), whole(each, "orderId")) for each in rows
        }:
            raise Unusable("the answer does not report every order of its list")
        orders = await self._orders.read(rows)
        for told, order in zip(rows, orders, strict=True):
            if order.client_order_id == client_order_id and order.legs:
                fills = as_rows(told.get("fills") or [])
                wire = outward(symbol)
                return order, tuple(spot.fill(each, wire, order.update_time_ns) for each in fills)
        raise Unusable("the answer is about another order list")

    async def _with_fills(self, order: BrokerOrder, fills: tuple[BrokerFill, ...]) -> Accepted:
        async def asked() -> tuple[BrokerFill, ...]:
            return fills or tuple(await self._orders.fills(order))

        made = await taken_with(order, asked)
        if not made.fills:
            return made
        spent = sum((fill.quantity * fill.price for fill in made.fills), ZERO)
        return Accepted(replace(order, average_price=order.average_price or spent / order.cum_quantity), made.fills)

    async def modify(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Change an order in place: price and quantity at futures, less quantity at spot."""
        known = read_id(order_id)
        if known is None:
            return await self._never_given()
        try:
            order = await self._orders.get(known)
            if order is None or is_terminal(order.state):
                return Rejected(NOT_FOUND if order is None else NOT_OPEN)
            request = self._change(order, known, permit.client_order_id, change)
        except Unsupported as error:
            return Rejected("REPLACE_REJECTED", broker_message=f"Binance has no {error}")
        except GatewayError as error:
            return NotSent.by(error)
        reply = await self._session.command(request, permit)
        if not isinstance(reply, Reply):
            return reply
        return self._changed(reply, order) if reply.status == 200 else self._not_changed(reply)

    def _change(self, order: BrokerOrder, order_id: OrderId, client_order_id: str, change: Change) -> Request:
        if self._product is Product.SPOT:
            return spot.modify(order, order_id, client_order_id, change)
        return futures.modify(order, order_id, change)

    def _not_changed(self, reply: Reply) -> Outcome:
        """Judge a refused change; the order was there a moment ago, so one that is not known has ended."""
        outcome = self.refused(reply)
        if isinstance(outcome, Rejected) and outcome.reason == NOT_FOUND:
            return replace(outcome, reason=NOT_OPEN)
        return outcome

    def _changed(self, reply: Reply, order: BrokerOrder) -> Outcome:
        try:
            row = read_row(reply.body)
            if self._product is Product.SPOT:
                return Accepted(spot.amended(row, order))
            told = futures.order(row, {outward(order.terms.symbol): order.terms.symbol})
        except (Unusable, KeyError) as error:
            return Unknown(f"the answer is unusable: {error}")
        if told.broker_order_id != order.broker_order_id:
            return Unknown("the answer is about another order")
        return Accepted(replace(told, submit_time_ns=order.submit_time_ns))

    async def cancel(self, order_id: str) -> Outcome:
        """Cancel one order; at spot under its own client order id, so that it can still be found by it."""
        known = read_id(order_id)
        if known is None:
            return await self._never_given()
        name = self._orders.name_of(order_id)
        if self._product is Product.SPOT and not name:
            try:
                order = await self._orders.get(known)
            except GatewayError as error:
                return NotSent.by(error)
            if order is None or is_terminal(order.state):
                return Rejected(NOT_FOUND if order is None else NOT_OPEN)
            name = order.client_order_id
        request = spot.cancel(known, name) if self._product is Product.SPOT else futures.cancel(known)
        reply = await self._session.command(request)
        if not isinstance(reply, Reply):
            return reply
        if reply.status == 200:
            return Accepted()
        outcome = self.refused(reply)
        if isinstance(outcome, Rejected) and outcome.reason == NOT_FOUND:
            return await self._why_not_canceled(known, outcome)
        return outcome

    async def _why_not_canceled(self, order_id: OrderId, refused: Rejected) -> Outcome:
        """Tell an order that Binance does not know from one that has ended, or has become another one."""
        try:
            order = await self._orders.get(order_id)
            if order is None:
                return refused
            child = self._orders.child_of(str(order_id)) if order_id.algo else None
        except GatewayError as error:
            return Unknown(f"Binance did not cancel it; looking it up failed: {error.message}")
        if is_terminal(order.state):
            return replace(refused, reason=NOT_OPEN)
        if child is None:
            return Unknown("Binance did not cancel it, and has it open")
        return await self.cancel(child)

    async def _never_given(self) -> Outcome:
        """Answer for an id that Binance cannot have given."""
        try:
            await self._orders.prove_alive()
        except GatewayError as error:
            return NotSent.by(error)
        return Rejected(NOT_FOUND)

    def refused(self, reply: Reply) -> Outcome:
        """Judge an answer that is no success."""
        refusal = read_refusal(self._product, reply)
        if refusal.reason == POSITION_MODE:
            self._settings.forget_mode()
        return outcomes.of_refusal(reply, refusal, self._session.retry_after(reply, refusal))


def _untold(why: str) -> str:
    return f"whether the client order id is used cannot be told: {why}"
