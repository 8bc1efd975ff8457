"""cTrader behind the broker port: canonical terms in, canonical terms out."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, replace

from brokergw.adapters.ctrader import mapping, outcomes, records
from brokergw.adapters.ctrader.api import Api, symbol_ids
from brokergw.adapters.ctrader.backfill import History
from brokergw.adapters.ctrader.capabilities import CTRADER
from brokergw.adapters.ctrader.claims import Claims
from brokergw.adapters.ctrader.closing import Closing
from brokergw.adapters.ctrader.config import CtraderConfig
from brokergw.adapters.ctrader.errors import FAILURES, understood
from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.payloads import MS, Message
from brokergw.adapters.ctrader.reader import Reader
from brokergw.adapters.ctrader.session import Session
from brokergw.adapters.ctrader.spots import Spots
from brokergw.adapters.ctrader.stream import OrderFeed
from brokergw.adapters.ctrader.symbols import Symbol, SymbolBook
from brokergw.model.account import AccountState, Position, Transaction
from brokergw.model.capability import Capabilities
from brokergw.model.errors import GatewayError
from brokergw.model.instrument import Instrument, Quote
from brokergw.model.outcome import (
    Absent,
    BrokerEvent,
    BrokerOrder,
    Budget,
    Found,
    Inconclusive,
    Lookup,
    NotSent,
    OrderReport,
    Outcome,
    Rejected,
)
from brokergw.model.terms import OrderTerms
from brokergw.ports.broker import BrokerLink, Change
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.answers import NOT_FOUND, NOT_OPEN
from brokergw.transport.heard_clock import HeardClock
from brokergw.transport.outcomes import looked_up
from brokergw.transport.rows import Row, Unsupported, int64, optional_int64

_ORDER_LIFE_NS = 7 * 86_400_000_000_000
"""How far back an order is looked for by its client order id, where it is not open any more."""


class CtraderBroker:
    """Opens connections to cTrader, each with a websocket of its own (an AdapterFactory); those to one address share
    what they hear of its clock.
    """

    def __init__(self, clock: Clock, config: CtraderConfig | None = None) -> None:
        self._clock = clock
        self._config = config or CtraderConfig()
        self._heard: dict[str, HeardClock] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What cTrader can do."""
        return CTRADER

    def open(self, link: BrokerLink) -> "CtraderConnection":
        """Make an adapter for a connection; raises CONNECTION_NOT_USABLE without an authorization or for MOCK."""
        FAILURES.check_environment(link.environment, CTRADER)
        config = self._config.for_link(link)
        heard = self._heard.setdefault(config.url(link.environment), HeardClock(self._clock))
        return CtraderConnection(link, config, self._clock, heard)


class CtraderConnection:
    """One trading account at cTrader (a BrokerAdapter)."""

    def __init__(self, link: BrokerLink, config: CtraderConfig, clock: Clock, heard: HeardClock) -> None:
        self._clock = clock
        self._session = Session(link, config, clock, heard)
        self._api = Api(self._session)
        self._symbols = SymbolBook(self._session, clock)
        self._spots = Spots(self._session, clock, wait_s=config.spot_wait_s)
        self._reader = Reader(self._api, self._symbols)
        self._claims = Claims(clock)
        self._closing = Closing(self._session, self._api, self._reader, self._symbols)
        self._history = History(
            self._api, self._reader, clock, look_back_s=config.look_back_s, overlap_s=config.overlap_s
        )
        self._feed = OrderFeed(self._session, self._history, self._reader, clock)

    @property
    def capabilities(self) -> Capabilities:
        """What cTrader can do."""
        return CTRADER

    @property
    def up(self) -> bool:
        """Whether the link stands, as far as is known."""
        return self._session.up

    async def authenticate(self) -> AccountState:
        """Prove application and token, and give the account; raises BROKER_CREDENTIALS_REFUSED when refused."""
        return await self.get_account()

    async def ping(self) -> None:
        """Ask for the account's own row, which only a signed-in session is told."""
        await self._api.trader()

    async def disconnect(self) -> None:
        """End the stream and send nothing any more."""
        await self._session.close()

    async def get_account(self) -> AccountState:
        """Ask for the account: its balance, and what its open positions use and are worth."""
        trader, (positions, _), profits = await asyncio.gather(
            self._api.trader(), self._api.open_things(), self._api.unrealized()
        )
        currency = await self._reader.currency()
        with understood():
            return records.account(
                trader,
                [mapping.held(row) for row in positions],
                profits,
                login=self._session.login,
                currency=currency,
                view_only=self._session.view_only,
                now_ns=self._clock.now_ns(),
            )

    async def get_positions(self) -> Sequence[Position]:
        """Ask for what is held of each symbol."""
        (positions, orders), profits = await asyncio.gather(self._api.open_things(), self._api.unrealized())
        pending = await self._reader.orders([row for row in orders if not mapping.is_protection(row)])
        with understood():
            parts = [mapping.held(row) for row in positions]
        await self._symbols.know({part.symbol_id for part in parts})
        with understood():
            return mapping.positions(parts, pending, profits, self._symbols, self._clock.now_ns())

    async def get_position(self, symbol: str) -> Position | None:
        """Ask for what is held of one symbol."""
        found = await self._symbols.find(symbol)
        name = symbol if found is None else found.canonical
        return next((held for held in await self.get_positions() if held.symbol == name), None)

    async def get_open_orders(self) -> Sequence[BrokerOrder]:
        """Ask for every pending order, oldest first; protections of positions are no orders of their own."""
        _, orders = await self._api.open_things()
        found = await self._reader.orders([row for row in orders if not mapping.is_protection(row)])
        return sorted(found, key=_entered)

    async def get_order(self, order_id: str) -> Lookup:
        """Look an order up by cTrader's id."""
        return await looked_up(self._order(order_id))

    async def find_order(self, client_order_id: str) -> Lookup:
        """Look for an order among those that are open and those that were entered within a week.

        cTrader cannot be asked for a client order id, and does not keep it unique; several orders are inconclusive.
        """
        now_ns = self._clock.now_ns()
        try:
            found = await self.order_history(now_ns - _ORDER_LIFE_NS, now_ns)
            ours = [order for order in found if order.client_order_id == client_order_id]
            if not ours:
                open_now = await self.get_open_orders()
                ours = [order for order in open_now if order.client_order_id == client_order_id]
        except GatewayError as error:
            return Inconclusive(error.message)
        if len(ours) > 1:
            return Inconclusive(f"{len(ours)} orders have the client order id")
        return Found(ours[0]) if ours else Absent()

    async def submit_order(self, permit: Permit, terms: OrderTerms) -> Outcome:
        """Send one order, once."""
        named: mapping.Held | None = None
        try:
            symbol = await self._symbols.find(terms.symbol)
            if symbol is None:
                return Rejected("UNKNOWN_SYMBOL", broker_message=f"cTrader has no {terms.symbol} here")
            await self._symbols.know({symbol.symbol_id})
            details = self._symbols.details_of(symbol.symbol_id)
            body = mapping.order_body(permit.client_order_id, terms, symbol.symbol_id, details)
            if terms.reduce_only:
                positions, _ = await self._api.open_things()
                with understood():
                    parts = [mapping.held(row) for row in positions]
                named = self._claims.take(parts, symbol.symbol_id, terms)
                if named is None:
                    return Rejected("INSUFFICIENT_POSITION", broker_message=_none_fits(parts, symbol.symbol_id))
                body["positionId"] = named.position_id
        except Unsupported as error:
            return FAILURES.unsupported(error)
        except GatewayError as error:
            return NotSent.by(error)
        reply = await self._session.command(Kind.NEW_ORDER_REQ, body, permit)
        outcome = (
            await outcomes.of_order(reply, self._reader, client_order_id=permit.client_order_id)
            if isinstance(reply, Message)
            else reply
        )
        if named is not None and isinstance(outcome, (Rejected, NotSent)):
            self._claims.give_back(named)
        return self._finer(outcome, symbol, terms)

    async def modify_order(self, permit: Permit, order_id: str, change: Change) -> Outcome:
        """Amend a working order, which keeps its id as a rule; whichever it has is told."""
        try:
            found = await self._api.order(int(order_id)) if order_id.isdecimal() else None
            if found is None:
                return Rejected(NOT_FOUND, broker_message="cTrader knows no such order")
            row, order = found[0], await self._reader.order(found[0])
            if mapping.is_over(order):
                return Rejected(NOT_OPEN, broker_message=f"the order is {order.state}")
            details = self._symbols.details_of(int64(row["tradeData"], "symbolId"))
            body = mapping.change_body(order, row, asdict(change), details)
        except Unsupported as error:
            return FAILURES.unsupported(error)
        except GatewayError as error:
            return NotSent.by(error)
        reply = await self._session.command(Kind.AMEND_ORDER_REQ, body, permit)
        if not isinstance(reply, Message):
            return reply
        return await self._why_gone(await outcomes.of_order(reply, self._reader, replaced=order_id), order_id)

    async def cancel_order(self, order_id: str) -> Outcome:
        """Ask for a cancel; an order that has ended is refused with ORDER_NOT_OPEN."""
        if not order_id.isdecimal():
            return await self._session.ready() or Rejected(NOT_FOUND, broker_message="cTrader gives numbers as ids")
        return await self._why_gone(await self._closing.cancel(int(order_id)), order_id)

    async def cancel_all(self) -> Outcome:
        """Cancel every pending order, one after another."""
        return await self._closing.cancel_all()

    async def flatten(self, symbol: str) -> Outcome:
        """Close what is held of one symbol; NOT_FOUND where there is nothing."""
        return await self._closing.flatten(symbol)

    async def close_all(self) -> Outcome:
        """Cancel every order and close every position."""
        return await self._closing.close_all()

    def subscribe(self, since_ns: int) -> AsyncGenerator[BrokerEvent, None]:
        """Tell what happens to orders; see `stream`."""
        return self._feed.events(since_ns)

    async def order_history(self, since_ns: int, until_ns: int) -> Sequence[BrokerOrder]:
        """Give orders entered from `since_ns` until before `until_ns`, oldest first.

        Which time cTrader goes by is not documented: so everything until now is asked for, what is pending too.
        """
        now_ns = max(until_ns, self._clock.now_ns())
        listed = await self._api.orders_since(since_ns, now_ns)
        _, pending = await self._api.open_things()
        with understood():
            rows = {int64(row, "orderId"): row for row in (*pending, *listed)}
        found = await self._reader.orders(list(rows.values()))
        return sorted((order for order in found if since_ns <= order.submit_time_ns < until_ns), key=_entered)

    async def fills_of(self, order: BrokerOrder) -> Sequence[OrderReport]:
        """Give the executions of one order, oldest first."""
        return await self._history.fills_of(order)

    async def transactions(self, since_ns: int, until_ns: int, *, trades: bool = True) -> Sequence[Transaction]:
        """Give trades and money in and out in a span of time, newest first; a sold quantity is negative."""
        trader = await self._api.trader()
        with understood():
            began_ns = (optional_int64(trader, "registrationTimestamp") or 0) * MS
        currency, since_ns = await self._reader.currency(), max(since_ns, began_ns)
        flows = await self._api.cash_flow(since_ns, until_ns)
        deals: list[Row] = await self._api.deals_since(since_ns, until_ns) if trades else []
        with understood():
            ids = symbol_ids(deals)
        await self._symbols.know(ids)
        with understood():
            lines = [records.flow(row, currency) for row in flows]
            lines += records.trades(deals, self._symbols, currency)
        return sorted(lines, key=lambda line: (line.time_ns, line.transaction_id), reverse=True)

    async def get_quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        """Give the latest spot prices, in the order asked."""
        found = [await self._symbols.find(name) for name in symbols]
        quotes = await self._spots.latest([symbol for symbol in found if symbol is not None])
        by_name = {quote.symbol: quote for quote in quotes}
        named = ((name, symbol) for name, symbol in zip(symbols, found, strict=True) if symbol is not None)
        return [
            replace(by_name[symbol.canonical], symbol=name) for name, symbol in named if symbol.canonical in by_name
        ]

    async def get_instrument(self, symbol: str) -> Instrument | None:
        """Describe a symbol."""
        found = await self._symbols.find(symbol)
        if found is None:
            return None
        await self._symbols.know({found.symbol_id})
        return self._symbols.instrument(found)

    def budget(self) -> Budget:
        """Tell nothing: cTrader says what was too much, and never what is left."""
        return Budget(None, None, None)

    def clock_apart_s(self) -> float | None:
        """Tell how far the broker's clock is from ours: by its prices' times, and the handshakes of the last minute."""
        return self._session.heard_clock.apart_s()

    async def _order(self, order_id: str) -> BrokerOrder | None:
        if not order_id.isdecimal():
            # Nothing has such an id; that cTrader answers at all is proof that it was not only unreachable.
            await self._api.trader()
            return None
        found = await self._api.order(int(order_id))
        return None if found is None else await self._reader.order(found[0])

    async def _why_gone(self, outcome: Outcome, order_id: str) -> Outcome:
        """Tell an order that has ended from one that never was: cTrader has one code for both."""
        if not outcomes.is_gone(outcome):
            return outcome
        assert isinstance(outcome, Rejected)
        match await self.get_order(order_id):
            case Found(order) if mapping.is_over(order):
                return replace(outcome, reason=NOT_OPEN)
            case _:
                return outcome

    def _finer(self, outcome: Outcome, symbol: Symbol, terms: OrderTerms) -> Outcome:
        """Say of a refused volume that it was a fraction of what trades in whole units only."""
        if not isinstance(outcome, Rejected) or outcome.reason != "INVALID_QUANTITY" or terms.quantity is None:
            return outcome
        indivisible = self._symbols.details_of(symbol.symbol_id).step >= 1 and terms.quantity % 1
        return replace(outcome, reason="NOT_FRACTIONABLE") if indivisible else outcome


def _entered(order: BrokerOrder) -> tuple[int, int]:
    return order.submit_time_ns, int(order.broker_order_id)


def _none_fits(parts: Sequence[mapping.Held], symbol_id: int) -> str:
    sizes = ", ".join(sorted(f"{part.quantity:+f}" for part in parts if part.symbol_id == symbol_id))
    return f"an order closes one position, and none that large is free: {sizes or 'there is none'}"
