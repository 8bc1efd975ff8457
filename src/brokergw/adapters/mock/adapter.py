"""One connection to the mock broker: the exchange behind the port of every broker.

Every call takes effect in one piece between two awaits, is on the record before anybody hears of it, and needs no
network, so a command is never in doubt unless its record cannot be written.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final

from brokergw.adapters.mock import mapping
from brokergw.adapters.mock.capabilities import MOCK
from brokergw.exchange import ExchangeOrder, Execution, Refused, Ticket
from brokergw.model.account import AccountState, Position, Transaction
from brokergw.model.capability import Capabilities
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass, Instrument, Quote
from brokergw.model.order import ZERO
from brokergw.model.outcome import (
    Absent,
    Accepted,
    BrokerEvent,
    BrokerOrder,
    Budget,
    FeedDown,
    FeedUp,
    Found,
    Lookup,
    NotSent,
    OrderReport,
    Outcome,
    Rejected,
    Unknown,
)
from brokergw.model.terms import OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.ports.broker import BrokerLink, BrokerUnavailable, Change
from brokergw.ports.permit import Permit, PermitExpired, PermitSpent

if TYPE_CHECKING:
    from brokergw.adapters.mock.broker import Feed, MockBroker


_TELLINGS_KEPT: Final = 20_000


class MockConnection:
    """The port `BrokerAdapter` over one account of the exchange."""

    def __init__(self, broker: "MockBroker", link: BrokerLink) -> None:
        self._broker = broker
        self._exchange = broker.exchange
        self._account_id = link.account_id
        self._latency_s = broker.config.latency_s
        self._classes = {listing.symbol: listing.asset_class for listing in broker.exchange.listings()}
        self._feeds: set[Feed] = set()
        self._tellings: dict[str, tuple[ExchangeOrder, BrokerOrder]] = {}
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """What this broker can do."""
        return MOCK

    async def authenticate(self) -> AccountState:
        """Give the account; there is nothing to prove."""
        return await self.get_account()

    async def ping(self) -> None:
        """Raise once the connection is closed."""
        await self._query()

    async def disconnect(self) -> None:
        """End the subscriptions; the exchange goes on for the others."""
        self._closed = True
        for feed in self._feeds:
            feed.put(None)
        self._broker.leave(self)

    async def get_account(self) -> AccountState:
        """Value the account at present prices."""
        await self._query()
        holdings = self._exchange.positions(self._account_id)
        return mapping.account(self._exchange.account(self._account_id), holdings, self._classes)

    async def get_positions(self) -> Sequence[Position]:
        """Value every position at present prices."""
        await self._query()
        now = self._broker.clock.now_ns()
        return [
            mapping.position(holding, self._classes[holding.symbol], now)
            for holding in self._exchange.positions(self._account_id)
        ]

    async def get_position(self, symbol: str) -> Position | None:
        """Value one position, or give None."""
        return next((held for held in await self.get_positions() if held.symbol == symbol), None)

    async def get_open_orders(self) -> Sequence[BrokerOrder]:
        """Give every open order, oldest first; exits are rows of their own beside being legs of their entry."""
        await self._query()
        return [self._told(order) for order in self._exchange.open_orders(self._account_id)]

    async def get_order(self, order_id: str) -> Lookup:
        """Look an order up by the exchange's id."""
        await self._query()
        return self._lookup(self._exchange.order(self._account_id, order_id))

    async def find_order(self, client_order_id: str) -> Lookup:
        """Look an order up by the client order id."""
        await self._query()
        return self._lookup(self._exchange.order_by_client_id(self._account_id, client_order_id))

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Place an order; the answer carries what it filled at once."""

        def place() -> Outcome:
            if self._broker.refuses(permit.client_order_id):
                return Rejected("REJECTED_BY_CHANCE", "REJECT_RATE", "the configured reject rate refused the order")
            wrong = self._against_position(terms)
            if wrong is not None:
                return wrong
            order = self._exchange.submit(self._account_id, mapping.ticket(permit.client_order_id, terms))
            return self._accepted(order)

        return await self._permitted(permit, place)

    async def modify_order(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Put a new generation in an order's place."""

        def alter() -> Outcome:
            order = self._exchange.replace(
                self._account_id,
                order_id,
                quantity=change.quantity,
                limit_price=change.limit_price,
                stop_price=change.stop_price,
                trail=change.trail,
                client_order_id=permit.client_order_id,
            )
            return self._accepted(order)

        return await self._permitted(permit, alter)

    async def cancel_order(self, order_id: str) -> Outcome:
        """Cancel an order, and its group with it; it is gone when this answers."""

        def cancel() -> Outcome:
            self._exchange.cancel(self._account_id, order_id)
            order = self._exchange.order(self._account_id, order_id)
            return Accepted(None if order is None else self._told(order))

        return await self._command(cancel)

    async def cancel_all(self) -> Outcome:
        """Cancel every open order."""
        return await self._command(self._cancel_all)

    async def flatten(self, symbol: str) -> Outcome:
        """Close a position at market; what open orders hold of it stands in the way."""

        def close() -> Outcome:
            for holding in self._exchange.positions(self._account_id):
                if holding.symbol == symbol:
                    return self._accepted(self._close(symbol))
            return Rejected("NOT_FOUND", "NO_POSITION", f"there is no position in {symbol}")

        return await self._command(close)

    async def close_all(self) -> Outcome:
        """Cancel every open order and close every position at market."""

        def close() -> Outcome:
            self._cancel_all()
            left = []
            for holding in self._exchange.positions(self._account_id):
                try:
                    self._close(holding.symbol)
                except Refused as refused:
                    left.append(f"{holding.symbol}: {refused.message}")
            return Unknown("not everything could be closed: " + "; ".join(left)) if left else Accepted()

        return await self._command(close)

    async def subscribe(self, since_ns: int) -> AsyncIterator[BrokerEvent]:
        """Tell what happened since a moment, then FeedUp, then what happens, until the connection is closed."""
        await self._query()
        feed = self._broker.watch(self._account_id)
        self._feeds.add(feed)
        try:
            for report in self._history(since_ns):
                yield report
            yield FeedUp(since_ns)
            while (event := await feed.next()) is not None:
                yield mapping.report(event, self._told(event.order))
            yield FeedDown("the connection was closed")
        finally:
            self._feeds.discard(feed)
            self._broker.unwatch(feed)

    async def order_history(self, since_ns: int, until_ns: int) -> Sequence[BrokerOrder]:
        """Give orders submitted from `since_ns` until before `until_ns`, oldest first, exits as rows of their own."""
        await self._query()
        return [
            self._told(order)
            for order in self._exchange.orders(self._account_id)
            if since_ns <= order.create_time_ns < until_ns
        ]

    async def fills_of(self, order: BrokerOrder) -> Sequence[BrokerEvent]:
        """Give the executions of an order and of its generations before, oldest first."""
        await self._query()
        known = self._exchange.order(self._account_id, order.broker_order_id)
        return [] if known is None else self._fill_reports(known)

    async def transactions(self, since_ns: int, until_ns: int, *, trades: bool = True) -> Sequence[Transaction]:
        """Give trades and the opening deposit from `since_ns` until before `until_ns`, newest first."""
        await self._query()
        lines = [
            mapping.deposit(self._exchange.account(self._account_id), self._exchange.opening(self._account_id).cash)
        ]
        for execution in self._exchange.executions(self._account_id) if trades else ():
            listing = self._exchange.listing(execution.symbol)
            lines.append(mapping.trade(execution, listing.contract_size if listing is not None else ZERO))
        return [line for line in reversed(lines) if since_ns <= line.time_ns < until_ns]

    async def get_quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        """Give the quotes of those symbols that are listed."""
        await self._query()
        return [mapping.quote(self._exchange.quote(symbol)) for symbol in symbols if symbol in self._classes]

    async def get_instrument(self, symbol: str) -> Instrument | None:
        """Describe a listing."""
        await self._query()
        listing = self._exchange.listing(symbol)
        return None if listing is None else mapping.instrument(listing)

    def budget(self) -> Budget:
        """Tell that nothing is counted."""
        return Budget(None, None, None)

    def clock_apart_s(self) -> float | None:
        """Tell of no difference: the mock broker has our own clock."""
        return None

    async def _query(self) -> None:
        if self._latency_s:
            await self._broker.clock.sleep(self._latency_s)
        if self._closed:
            raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "the connection to the mock broker is closed")
        self._broker.wake()

    async def _permitted(self, permit: Permit, act: Callable[[], Outcome]) -> Outcome:
        try:
            permit.spend()
        except PermitExpired as error:
            return NotSent(str(error))
        except PermitSpent as error:
            return Unknown(str(error))
        return await self._command(act)

    async def _command(self, act: Callable[[], Outcome]) -> Outcome:
        if self._latency_s:
            await self._broker.clock.sleep(self._latency_s)
        if self._closed:
            return NotSent("the connection to the mock broker is closed")
        try:
            outcome = act()
        except Refused as refused:
            outcome = mapping.rejected(refused)
        try:
            self._broker.keep()
        except OSError:
            # It stands in this process, and would not in the next.
            return Unknown("the mock broker could not write its journal")
        self._broker.wake()
        return outcome

    def _accepted(self, order: ExchangeOrder) -> Accepted:
        executions = self._exchange.executions_of(self._account_id, order.order_id)
        return Accepted(self._told(order), tuple(mapping.fill(execution) for execution in executions))

    def _told(self, order: ExchangeOrder) -> BrokerOrder:
        """Tell an order; its answer and its stream tell the same snapshot, which is put into words once."""
        if order.leg_ids:
            return mapping.broker_order(order, self._legs(order))
        known = self._tellings.get(order.order_id)
        if known is not None and known[0] is order:
            return known[1]
        told = mapping.broker_order(order)
        if known is not None and not known[0].is_open:
            # The stream is still at how the order stood before; how it ended comes next.
            return told
        if len(self._tellings) >= _TELLINGS_KEPT:
            del self._tellings[next(iter(self._tellings))]
        self._tellings[order.order_id] = (order, told)
        return told

    def _legs(self, order: ExchangeOrder) -> Sequence[ExchangeOrder]:
        if not order.leg_ids:
            return ()
        legs = (self._exchange.order(self._account_id, leg_id) for leg_id in order.leg_ids)
        return [leg for leg in legs if leg is not None]

    def _lookup(self, order: ExchangeOrder | None) -> Lookup:
        return Absent() if order is None else Found(self._told(order))

    def _against_position(self, terms: OrderTerms) -> Rejected | None:
        """Object to an order that would not do to the position what its terms say."""
        effect = PositionEffect.CLOSE if terms.reduce_only else terms.position_effect
        if effect is PositionEffect.AUTO:
            return None
        held = next((h.quantity for h in self._exchange.positions(self._account_id) if h.symbol == terms.symbol), ZERO)
        closes = held < 0 if terms.side is Side.BUY else held > 0
        if closes == (effect is PositionEffect.CLOSE):
            return None
        if closes:
            return Rejected(
                "INVALID_TERMS", "WOULD_CLOSE", "the order would close a position and was meant to open one"
            )
        return Rejected("INSUFFICIENT_POSITION", "WOULD_OPEN", "there is no position for the order to close")

    def _cancel_all(self) -> Accepted:
        for order in self._exchange.open_orders(self._account_id):
            now = self._exchange.order(self._account_id, order.order_id)
            # One that has ended meanwhile was in a group with one before it.
            if now is not None and now.is_open:
                self._exchange.cancel(self._account_id, order.order_id)
        return Accepted()

    def _close(self, symbol: str) -> ExchangeOrder:
        quantity = next(h.quantity for h in self._exchange.positions(self._account_id) if h.symbol == symbol)
        is_coin = self._classes[symbol] is AssetClass.CRYPTO
        ticket = Ticket(
            symbol=symbol,
            side=Side.SELL if quantity > 0 else Side.BUY,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.GTC if is_coin else TimeInForce.DAY,
            quantity=abs(quantity),
        )
        return self._exchange.submit(self._account_id, ticket)

    def _history(self, since_ns: int) -> list[OrderReport]:
        reports: list[OrderReport] = []
        for order in self._exchange.orders(self._account_id):
            if order.update_time_ns < since_ns:
                continue
            fills = self._fill_reports(order)
            reports.extend(report for report in fills if report.event_time_ns >= since_ns)
            told = fills[-1].order if fills else None
            whole = self._told(order)
            if told != whole:
                reports.append(OrderReport(whole, order.update_time_ns, replayed=True))
        # Sorting is stable, so what happened to one order at one moment stays in its order.
        return sorted(reports, key=lambda report: report.event_time_ns)

    def _fill_reports(self, order: ExchangeOrder) -> list[OrderReport]:
        return mapping.fill_reports(order, self._executions(order), self._legs(order))

    def _executions(self, order: ExchangeOrder) -> list[Execution]:
        own = list(self._exchange.executions_of(self._account_id, order.order_id))
        before = self._exchange.order(self._account_id, order.replaces) if order.replaces else None
        return own if before is None else [*self._executions(before), *own]
